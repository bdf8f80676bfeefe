"""The report that another workflow run kept as an artifact."""

import tempfile
from typing import TYPE_CHECKING, BinaryIO, cast

from membudget.core.errors import ConfigurationError
from membudget.publish.artifact_archive import LARGEST_ARCHIVE_BYTES, report_in
from membudget.publish.servers.http_api import ApiModel, HttpApi

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
