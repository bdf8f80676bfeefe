"""A report that another workflow run left, as a stranger may have written it, and the pull request it is for."""

import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast
from urllib.parse import quote

from membudget.core.errors import ConfigurationError
from membudget.publish.pull_request import NotPosted, PullRequest
from membudget.publish.report_file import LARGEST_ARCHIVE_BYTES, parse_report, report_in
from membudget.publish.servers.github_event import MeasuringRun
from membudget.publish.servers.http_api import ApiFault, ApiModel, HttpApi
from membudget.report.report import Report


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
    """The one open pull request whose head is what was measured; or why there is none to tell. Raises ApiFault."""
    if measured.event != "pull_request":
        return NotPosted("the run was for no pull request", is_wanted=True)
    if measured.head_owner is None or measured.head_branch is None:
        return NotPosted("the repository of the pull request's head is gone")
    head = f"{measured.head_owner}:{measured.head_branch}"
    pages = api.pages(
        lambda github: github.repository(quote(repository)).get_pulls(state="open", head=head), list[_PullRequest]
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
                "the pull request's head has moved on since: its own run reports it"
                if found
                else "no open pull request has this head"
            )
        case _:
            numbers = ", ".join(f"#{one.number}" for one in current)
            return NotPosted(f"several open pull requests have this head ({numbers}): which was measured is not known")


if TYPE_CHECKING:
    from github.Artifact import Artifact
    from github.PaginatedList import PaginatedList

    from membudget.publish.servers.github_requester import GithubRequester

DEFAULT_ARTIFACT = "membudget-report"


class _Artifact(ApiModel):
    id: int
    name: str
    size_in_bytes: int
    expired: bool


class _Artifacts(ApiModel):
    artifacts: list[_Artifact]


def artifact_report(api: HttpApi, repository: str, run: int, name: str) -> bytes | None:
    """The text of `report.json` in the artifact `name` of a run; None where the run left none of that name.

    Raises ApiFault, and ConfigurationError for what is no such artifact. A re-run adds another: the newest counts.
    """
    found = next(api.pages(lambda github: _listed(github, repository, run, name), _Artifacts)).artifacts
    ours = [artifact for artifact in found if artifact.name == name and not artifact.expired]
    if not ours:
        return None
    newest = max(ours, key=lambda artifact: artifact.id)
    where = f"artifact {name} of run {run}"
    with tempfile.TemporaryFile(prefix="membudget-") as file:
        archive = cast("BinaryIO", file)
        fits = newest.size_in_bytes <= LARGEST_ARCHIVE_BYTES and api.download(
            f"/repos/{repository}/actions/artifacts/{newest.id}/zip", archive, LARGEST_ARCHIVE_BYTES
        )
        if not fits:
            raise ConfigurationError(f"has more than {LARGEST_ARCHIVE_BYTES} bytes", where=where)
        return report_in(archive, where)


def _listed(github: "GithubRequester", repository: str, run: int, name: str) -> "PaginatedList[Artifact]":
    """The run's artifacts of one name. PyGithub's get_artifacts takes a name or a run, not both."""
    from github.Artifact import Artifact
    from github.PaginatedList import PaginatedList

    path = f"/repos/{repository}/actions/runs/{run}/artifacts"
    return PaginatedList(Artifact, github, path, {"name": name}, list_item="artifacts")


@dataclass(frozen=True, slots=True)
class ForeignReport:
    """What there is to tell, and of which pull request: that, no file says."""

    report: Report
    pull_request: PullRequest | None
    """None: it was measured for no pull request, but for a merge queue or a push."""


def fetch(api: HttpApi, repository: str, measured: MeasuringRun, artifact: str) -> ForeignReport | NotPosted:
    """The report of a run; or why there is nothing to tell. Raises ConfigurationError for what is no report."""
    try:
        pull_request = pull_request_of(api, repository, measured)
        if isinstance(pull_request, NotPosted) and not pull_request.is_wanted:
            return pull_request
        data = artifact_report(api, repository, measured.run.id, artifact)
    except ApiFault as fault:
        return NotPosted(f"the report of run {measured.run.id} cannot be fetched: {fault}")
    if data is None:
        return NotPosted(f"run {measured.run.id} left no artifact {artifact}; its log says why")
    report = parse_report(data, f"report.json of run {measured.run.id}")
    return ForeignReport(report, pull_request if isinstance(pull_request, PullRequest) else None)
