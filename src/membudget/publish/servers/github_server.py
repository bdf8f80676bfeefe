"""GitHub and GitHub Enterprise Server: the job's environment, comments, commit states, and reports of other runs."""

import tempfile
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO, cast
from urllib.parse import quote

from pydantic import SecretStr

from membudget.core.errors import ConfigurationError
from membudget.publish.comment import CommentServer, IssueServer
from membudget.publish.commit_state import CommitStates, StatusMode
from membudget.publish.pull_request import NotPosted, PullRequest, ServerFault, WorkflowRun
from membudget.publish.report_archive import LARGEST_ARCHIVE_BYTES, report_in
from membudget.publish.report_file import parse_report
from membudget.publish.server import Access, Capabilities, Event, ForeignReport, MeasuringRun, Right
from membudget.publish.servers.comments import PullRequestComments
from membudget.publish.servers.commit_comments import CommitComments
from membudget.publish.servers.commit_states import CheckRun, CommitStatus
from membudget.publish.servers.exchange import ApiModel, Dialect, Exchange
from membudget.publish.servers.github_api import GITHUB, OwnNames, asked_name, github, github_names
from membudget.publish.servers.github_event import read_event, repository_name
from membudget.publish.servers.http_api import WEB_ADDRESS, ApiServer, HttpApi, is_web_address
from membudget.publish.servers.issues import IssueList
from membudget.publish.servers.review_comments import ReviewComments
from membudget.publish.suggestions import SuggestionServer

if TYPE_CHECKING:
    from github.Artifact import Artifact
    from github.PaginatedList import PaginatedList


class GithubServer(ApiServer):
    """GitHub, or a server that speaks its API and has its runners' environment."""

    dialect: Dialect = GITHUB
    capabilities = Capabilities(check_runs=True, foreign_reports=True)
    usual_url = "https://github.com"
    """The server's address if the environment has none. Empty: there is no usual one."""

    def __init__(self, environ: Mapping[str, str], token: SecretStr) -> None:
        """Raises ConfigurationError for invalid addresses and tokens. Without a token, addresses are not used."""
        self._environ = environ
        self._token = token
        self._url = (environ.get("GITHUB_SERVER_URL") or self.usual_url).rstrip("/")
        super().__init__(self._connected() if token.get_secret_value() else None)

    def _connected(self) -> HttpApi:
        if not self._url:
            raise ConfigurationError("is not set", where="GITHUB_SERVER_URL", fix="pass it on as the runner set it")
        if not is_web_address(self._url):
            raise ConfigurationError(f"is no address: {WEB_ADDRESS}", where="GITHUB_SERVER_URL")
        return HttpApi(self._environ.get("GITHUB_API_URL") or self._usual_api_url(), self._token, self.dialect)

    def _usual_api_url(self) -> str:
        if self._url.lower() != self.usual_url:
            raise ConfigurationError(
                "is not set, although GITHUB_SERVER_URL names a server other than github.com",
                where="GITHUB_API_URL",
                fix="pass it on as the runner set it, such as https://HOST/api/v3",
            )
        return "https://api.github.com"

    def _own_names(self) -> OwnNames:
        return github_names(self._token)

    @property
    def name(self) -> str:
        """The server's name in messages."""
        return self.dialect.name

    @property
    def repository(self) -> str:
        """The "owner/name" of the job's repository. Raises ConfigurationError."""
        return repository_name(self._environ)

    def event(self) -> Event:
        """Return the event that started the workflow."""
        return read_event(self._environ)

    def run_link(self, run: WorkflowRun) -> str:
        """Return the address of a workflow run."""
        return f"{self._url}/{self.repository}/actions/runs/{self._run_address(run)}"

    def _run_address(self, run: WorkflowRun) -> str:
        return f"{run.id}/attempts/{run.attempt}"

    def comments(self, pull_request: PullRequest) -> PullRequestComments:
        """Return the comments of a pull request."""
        return PullRequestComments(self.api, self._own_names(), pull_request)

    def suggestions(self, pull_request: PullRequest) -> SuggestionServer | None:
        """Return the review comments of a pull request."""
        return ReviewComments(self.api, self._own_names(), pull_request)

    def commit_link(self, sha: str) -> str | None:
        """Return the address of a commit."""
        return f"{self._url}/{self.repository}/commit/{sha}"

    def issues(self, since: datetime | None) -> IssueServer | None:
        """Return the issues of the job's repository."""
        return IssueList(self.api, self._own_names(), self.repository, since)

    def commit_comments(self, sha: str) -> CommentServer | None:
        """Return the comments on a commit of the job's repository."""
        return CommitComments(self.api, self._own_names(), self.repository, sha)

    def commit_states(self, mode: StatusMode, run: WorkflowRun, name: str) -> CommitStates:
        """Return the check run or commit status of a name on a run's commit."""
        kind = CheckRun if mode is StatusMode.CHECK else CommitStatus
        return kind(self.api, self.repository, run.head_sha, name, self.run_link(run))

    def remove_label(self, pull_request: PullRequest, label: str) -> str | None:
        """Remove a label from a pull request. Return why not if it stays."""
        # PyGithub's remove_from_labels does not escape a slash in the label, which makes another path.
        path = f"/repos/{pull_request.repository}/issues/{pull_request.number}/labels/{quote(label, safe='')}"
        try:
            self.api.delete(lambda exchange: github(exchange).requestJsonAndCheck("DELETE", path))
        except ServerFault as fault:
            return self.api.why_not(fault, Right.LABELS)
        return None

    def access(self) -> Access:
        """Return whose token it is, and whether it reads the repository and its pull requests."""
        repository = self.repository
        path = f"/repos/{repository}"
        try:
            rights = self.api.call(_get(path), _RepositoryRights)
        except ServerFault as fault:
            if fault.status not in (403, 404) or fault.is_limit:
                raise
            return Access(repository, reads_repository=False)
        try:
            self.api.call(_get(f"{path}/pulls?state=open&per_page=1"), list[_PullRequest])
            reads_pull_requests = True
        except ServerFault as fault:
            if fault.status not in (403, 404) or fault.is_limit:
                raise
            reads_pull_requests = False
        if self._token.get_secret_value().startswith("ghs_"):  # GitHub does not tell an app's own rights
            return Access(repository, reads_repository=True, reads_pull_requests=reads_pull_requests)
        owner = next(iter(asked_name(self.api, frozenset())), None)
        may_push = rights.permissions.push if rights.permissions is not None else None
        return Access(repository, owner, True, reads_pull_requests, may_push)

    def report_of(self, measured: MeasuringRun, artifact: str) -> ForeignReport | NotPosted:
        """Return the report of another workflow run, which may have run a stranger's code, and its pull request."""
        try:
            pull_request = pull_request_of(self.api, self.repository, measured)
            if isinstance(pull_request, NotPosted) and not pull_request.is_wanted:
                return pull_request
            data = artifact_report(self.api, self.repository, measured.run.id, artifact)
        except ServerFault as fault:
            return NotPosted(f"the report of run {measured.run.id} cannot be fetched: {fault}")
        if data is None:
            return NotPosted(f"run {measured.run.id} left no artifact {artifact}; its log says why")
        report = parse_report(data, f"report.json of run {measured.run.id}")
        return ForeignReport(report, pull_request if isinstance(pull_request, PullRequest) else None)


def _get(path: str) -> Callable[[Exchange], object]:
    return lambda exchange: github(exchange).requestJsonAndCheck("GET", path)


class _Permissions(ApiModel):
    push: bool


class _RepositoryRights(ApiModel):
    full_name: str
    permissions: _Permissions | None = None


class _Repository(ApiModel):
    full_name: str


class _Head(ApiModel):
    sha: str
    ref: str
    repo: _Repository | None = None


class _PullRequest(ApiModel):
    number: int
    state: str
    head: _Head


def pull_request_of(api: HttpApi, repository: str, measured: MeasuringRun) -> PullRequest | NotPosted:
    """Return the one open pull request whose head was measured, or why there is none. Raises ServerFault."""
    if measured.event != "pull_request":
        return NotPosted("the run was not for a pull request", is_wanted=True)
    if measured.head_owner is None or measured.head_branch is None:
        return NotPosted("the repository of the pull request's head was deleted")
    head = f"{measured.head_owner}:{measured.head_branch}"
    pages = api.pages(
        lambda exchange, page: (
            github(exchange).repository(repository).get_pulls(state="open", head=head).get_page(page - 1)
        ),
        list[_PullRequest],
    )
    found = [
        one
        for one in next(pages)
        if one.state == "open"
        and one.head.ref == measured.head_branch
        and one.head.repo is not None
        and one.head.repo.full_name == measured.head_repository
    ]
    current = [one for one in found if one.head.sha == measured.run.head_sha]
    match current:
        case [one]:
            return PullRequest(repository, one.number)
        case []:
            return NotPosted(
                "the pull request's head has changed since: the run of the new head reports it"
                if found
                else "no open pull request has this head"
            )
        case _:
            numbers = ", ".join(f"#{one.number}" for one in current)
            return NotPosted(f"several open pull requests have this head ({numbers}): it is unclear which was measured")


class _Artifact(ApiModel):
    id: int
    name: str
    size_in_bytes: int
    expired: bool


class _Artifacts(ApiModel):
    artifacts: list[_Artifact]


def artifact_report(api: HttpApi, repository: str, run: int, name: str) -> bytes | None:
    """Return the text of `report.json` in a run's artifact. None if the run left no artifact of that name.

    A re-run adds another artifact: the newest one counts. Raises ServerFault, and ConfigurationError for an artifact
    that membudget would not write.
    """
    pages = api.pages(lambda exchange, page: _listed(exchange, repository, run, name).get_page(page - 1), _Artifacts)
    found = next(pages).artifacts
    ours = [artifact for artifact in found if artifact.name == name and not artifact.expired]
    if not ours:
        return None
    newest = max(ours, key=lambda artifact: artifact.id)
    where = f"artifact {name} of run {run}"
    path = f"/repos/{repository}/actions/artifacts/{newest.id}/zip"
    with tempfile.TemporaryFile(prefix="membudget-") as file:
        archive = cast("BinaryIO", file)
        fits = newest.size_in_bytes <= LARGEST_ARCHIVE_BYTES and api.download(
            lambda exchange: github(exchange).requestJson("GET", path), archive, LARGEST_ARCHIVE_BYTES
        )
        if not fits:
            raise ConfigurationError(f"has more than {LARGEST_ARCHIVE_BYTES} bytes", where=where)
        return report_in(archive, where)


def _listed(exchange: Exchange, repository: str, run: int, name: str) -> "PaginatedList[Artifact]":
    """Return the run's artifacts of one name. PyGithub's get_artifacts takes a name or a run, not both."""
    from github.Artifact import Artifact
    from github.PaginatedList import PaginatedList

    path = f"/repos/{repository}/actions/runs/{run}/artifacts"
    return PaginatedList(Artifact, github(exchange), path, {"name": name}, list_item="artifacts")
