"""A check run on GitHub: in progress while it is measured, then the whole report, with annotations at its lines."""

from typing import TYPE_CHECKING, TypedDict

from membudget.core.untrusted_text import printable
from membudget.publish.annotations import Annotation
from membudget.publish.commit_state import CommitState, State
from membudget.publish.pull_request import NotPosted, Posted
from membudget.publish.servers.dialect import CHECK_RUNS, STATUSES
from membudget.publish.servers.http_api import ApiFault, ApiModel, HttpApi

LONGEST_SUMMARY_BYTES = 65_535
MOST_ANNOTATIONS = 50
"""A request may have so many. Further requests could add more; but the report above them has what all of them say."""
_LONGEST_TITLE = 200
_LONGEST_MESSAGE = 4000
_CONCLUSIONS = {State.SUCCESS: "success", State.FAILURE: "failure", State.ERROR: "failure"}
"""Not "neutral" for what is open: that satisfies a required check."""


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
    """What a check run says."""

    status: str
    conclusion: str
    output: dict[str, str | list[dict[str, str | int]]]


class CheckRun:
    """The check run of one name on one commit."""

    def __init__(self, api: HttpApi, repository: str, head_sha: str, name: str, run_url: str) -> None:
        self._api = api
        self._repository = repository
        self._head_sha = head_sha
        self._name = name
        self._run_url = run_url
        self._begun: int | None = None
        """The id of the check run that this run of ours began."""

    def tell(self, state: CommitState) -> Posted | NotPosted:
        """Create it, or complete the one that was begun."""
        is_new = self._begun is None
        told: _CheckRun | None
        try:
            told = self._create(state) if self._begun is None else self._change(self._begun, state)
        except ApiFault as fault:
            reason = self._api.why_not(fault, CHECK_RUNS)
            if not fault.may_have_happened:
                return NotPosted(reason)
            try:
                told = self._looked(state)
            except ApiFault:
                return NotPosted(reason, is_known=False)
            if told is None:
                return NotPosted(reason)
        if state.state is State.PENDING:
            self._begun = told.id
        return Posted(self._api.hide(told.html_url or self._run_url), created=is_new)

    def _create(self, state: CommitState) -> _CheckRun:
        is_pending = state.state is State.PENDING
        # of two that are complete the newer counts; of two that are not, one would stay so
        return self._api.call(
            lambda github: github.repository(self._repository).create_check_run(
                self._name, self._head_sha, self._run_url, **_content(state)
            ),
            _CheckRun,
            repeatable=not is_pending,
        )

    def _looked(self, state: CommitState) -> _CheckRun | None:
        """What a look finds of a state that the server did not confirm."""
        pages = self._api.pages(
            lambda github: github.commit(self._repository, self._head_sha).get_check_runs(self._name, filter="all"),
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
        return max(found, key=lambda one: one.id, default=None)

    def _change(self, begun: int, state: CommitState) -> _CheckRun:
        """A failed try is repeated: a remark that is there twice is better than a check that never ends."""
        return self._api.call(
            lambda github: github.repository(self._repository).get_check_run(begun).edit(**_content(state)), _CheckRun
        )


def _content(state: CommitState) -> _Content:
    if state.state is State.PENDING:
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
            f"{MOST_ANNOTATIONS} of {len(annotations)} remarks stand at their lines, the gravest ones."
            " The report above has them all."
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


if TYPE_CHECKING:
    from github.CommitStatus import CommitStatus as GithubStatus
    from github.PaginatedList import PaginatedList

    from membudget.publish.servers.github_requester import GithubRequester

_LONGEST_DESCRIPTION = 140
"""Characters; GitHub refuses more."""


class _Status(ApiModel):
    id: int


class _ListedStatuses(ApiModel):
    context: str
    description: str | None = None
    target_url: str | None = None


class CommitStatus:
    """The status of one name on one commit."""

    def __init__(self, api: HttpApi, repository: str, head_sha: str, name: str, run_url: str) -> None:
        self._api = api
        self._repository = repository
        self._head_sha = head_sha
        self._name = name
        self._run_url = run_url

    def tell(self, state: CommitState) -> Posted | NotPosted:
        """Set it. The newest of a name is what counts, so a failed try is repeated."""
        description = printable(state.title, _LONGEST_DESCRIPTION)
        try:
            self._api.call(
                lambda github: github.commit(self._repository, self._head_sha).create_status(
                    state.state.value, self._run_url, description, self._name
                ),
                _Status,
            )
        except ApiFault as fault:
            reason = self._api.why_not(fault, STATUSES)
            if not fault.may_have_happened:
                return NotPosted(reason)
            try:
                is_there = self._newest() == _ListedStatuses(
                    context=self._name, description=description, target_url=self._run_url
                )
            except ApiFault:
                return NotPosted(reason, is_known=False)
            if not is_there:
                return NotPosted(reason)
        return Posted(self._run_url, created=True)

    def _newest(self) -> _ListedStatuses | None:
        """The status of our name that counts; the first page of the list has the newest ones."""
        listed = next(self._api.pages(self._statuses, list[_ListedStatuses]))
        return next((one for one in listed if one.context == self._name), None)

    def _statuses(self, github: "GithubRequester") -> "PaginatedList[GithubStatus]":
        """The list under the address that GitHub documents. PyGithub's get_statuses uses an older one."""
        from github.CommitStatus import CommitStatus as GithubStatus
        from github.PaginatedList import PaginatedList

        return PaginatedList(GithubStatus, github, f"/repos/{self._repository}/commits/{self._head_sha}/statuses")
