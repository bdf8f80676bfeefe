"""The state of a commit: a check run on GitHub, or a commit status, which Forgejo and Gitea have as well."""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, TypedDict

from membudget.core.untrusted_text import printable
from membudget.publish.commit_state import Annotation, CommitState, CommitStates, StateName
from membudget.publish.pull_request import NotPosted, Posted, ServerFault
from membudget.publish.server import Right
from membudget.publish.servers.exchange import ApiModel, Exchange
from membudget.publish.servers.github_api import github
from membudget.publish.servers.http_api import HttpApi

if TYPE_CHECKING:
    from github.CommitStatus import CommitStatus as GithubStatus
    from github.PaginatedList import PaginatedList

MOST_ANNOTATIONS = 50
"""GitHub's limit for one request. Further requests could add more, but the report above them names them all."""
_LONGEST_TITLE = 200
_LONGEST_MESSAGE = 4000
_LONGEST_DESCRIPTION = 140
"""GitHub's limit, in characters."""
_CONCLUSIONS = {StateName.SUCCESS: "success", StateName.FAILURE: "failure", StateName.ERROR: "failure"}
"""An error is not "neutral", because that satisfies a required check."""


class ApiCommitStates(CommitStates):
    """The state of one name on one commit, over an API."""

    right: ClassVar[Right]
    """What the token must be allowed to write."""

    def __init__(self, api: HttpApi, repository: str, head_sha: str, name: str, run_url: str) -> None:
        self._api = api
        self._repository = repository
        self._head_sha = head_sha
        self._name = name
        self._run_url = run_url

    def tell(self, state: CommitState) -> Posted | NotPosted:
        """Set the commit's state. If the server does not confirm it, look for it."""
        try:
            return self._set(state)
        except ServerFault as fault:
            reason = self._api.why_not(fault, self.right)
            if not fault.may_have_happened:
                return NotPosted(reason)
        try:
            return self._found(state) or NotPosted(reason)
        except ServerFault:
            return NotPosted(reason, is_known=False)

    @abstractmethod
    def _set(self, state: CommitState) -> Posted:
        """Raises ServerFault."""

    @abstractmethod
    def _found(self, state: CommitState) -> Posted | None:
        """Return the state if the commit has it. Raises ServerFault."""


class _CheckRun(ApiModel):
    id: int
    html_url: str | None = None


class _Listed(_CheckRun):
    name: str
    status: str
    conclusion: str | None = None
    details_url: str | None = None


class _CheckRuns(ApiModel):
    check_runs: list[_Listed]


class _Content(TypedDict, total=False):
    """What a check run shows."""

    status: str
    conclusion: str
    output: dict[str, str | list[dict[str, str | int]]]


class CheckRun(ApiCommitStates):
    """A check run: in progress during the measurement, then the whole report with annotations at its lines."""

    right = Right.CHECK_RUNS
    _begun: int | None = None
    """The ID of the check run that this process began."""

    def _set(self, state: CommitState) -> Posted:
        """Create the check run, or complete the one that was begun."""
        if self._begun is not None:
            return self._posted(self._change(self._begun, state), state, created=False)
        is_pending = state.state is StateName.PENDING
        # If a check run is created complete twice, the newer one counts. A second one in progress would stay so.
        created = self._api.call(
            lambda exchange: (
                github(exchange)
                .repository(self._repository)
                .create_check_run(self._name, self._head_sha, self._run_url, **_content(state))
            ),
            _CheckRun,
            repeatable=not is_pending,
        )
        return self._posted(created, state, created=True)

    def _change(self, begun: int, state: CommitState) -> _CheckRun:
        """Complete a check run. A failed try is repeated: a double annotation is better than an endless check."""
        return self._api.call(
            lambda exchange: github(exchange).repository(self._repository).get_check_run(begun).edit(**_content(state)),
            _CheckRun,
        )

    def _found(self, state: CommitState) -> Posted | None:
        pages = self._api.pages(
            lambda exchange, page: (
                github(exchange)
                .commit(self._repository, self._head_sha)
                .get_check_runs(self._name, filter="all")
                .get_page(page - 1)
            ),
            _CheckRuns,
        )
        content = _content(state)
        found = [
            one
            for one in next(pages).check_runs
            if (one.name, one.details_url) == (self._name, self._run_url)
            and (one.status, one.conclusion) == (content["status"], content.get("conclusion"))
            and self._begun in (None, one.id)
        ]
        newest = max(found, key=lambda one: one.id, default=None)
        return self._posted(newest, state, created=self._begun is None) if newest is not None else None

    def _posted(self, told: _CheckRun, state: CommitState, *, created: bool) -> Posted:
        if state.state is StateName.PENDING:
            self._begun = told.id
        return Posted(self._api.hide(told.html_url or self._run_url), created=created)


def _content(state: CommitState) -> _Content:
    if state.state is StateName.PENDING:
        return {"status": "in_progress"}
    annotations = [
        _annotation(one, one.place.path, (one.place.first, one.place.last))
        for one in state.annotations
        if one.place is not None
    ]
    output: dict[str, str | list[dict[str, str | int]]] = {
        "title": printable(state.title, _LONGEST_TITLE),
        "summary": state.summary or printable(state.title),
        "annotations": annotations[:MOST_ANNOTATIONS],
    }
    if len(annotations) > MOST_ANNOTATIONS:
        output["text"] = (
            f"Only the {MOST_ANNOTATIONS} most severe of {len(annotations)} annotations are shown at their lines."
            " The report above lists all of them."
        )
    return {"status": "completed", "conclusion": _CONCLUSIONS[state.state], "output": output}


def _annotation(one: Annotation, path: str, lines: tuple[int, int]) -> dict[str, str | int]:
    return {
        "path": printable(path),
        "start_line": lines[0],
        "end_line": lines[1],
        "annotation_level": "failure",
        "title": printable(one.title, _LONGEST_TITLE),
        "message": printable(one.message, _LONGEST_MESSAGE),
    }


class _Status(ApiModel):
    id: int


class _ListedStatus(ApiModel):
    context: str
    description: str | None = None
    target_url: str | None = None


class CommitStatus(ApiCommitStates):
    """A commit status: a state and one line."""

    right = Right.STATUSES

    def _set(self, state: CommitState) -> Posted:
        """Set the status. The newest one of a name counts, so a failed try is repeated."""
        self._api.call(
            lambda exchange: (
                github(exchange)
                .commit(self._repository, self._head_sha)
                .create_status(state.state.value, self._run_url, _description(state), self._name)
            ),
            _Status,
        )
        return Posted(self._run_url, created=True)

    def _found(self, state: CommitState) -> Posted | None:
        pages = self._api.pages(lambda exchange, page: self._statuses(exchange).get_page(page - 1), list[_ListedStatus])
        listed = next(pages)  # the first page has the newest ones
        newest = next((one for one in listed if one.context == self._name), None)
        ours = _ListedStatus(context=self._name, description=_description(state), target_url=self._run_url)
        return Posted(self._run_url, created=True) if newest == ours else None

    def _statuses(self, exchange: Exchange) -> "PaginatedList[GithubStatus]":
        """Return the list at the address that GitHub documents. PyGithub's get_statuses uses an older one."""
        from github.CommitStatus import CommitStatus as GithubStatus
        from github.PaginatedList import PaginatedList

        path = f"/repos/{self._repository}/commits/{self._head_sha}/statuses"
        return PaginatedList(GithubStatus, github(exchange), path)


def _description(state: CommitState) -> str:
    return printable(state.title, _LONGEST_DESCRIPTION)
