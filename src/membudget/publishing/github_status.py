"""A commit status: on GitHub, and as it is on Forgejo and Gitea too."""

from membudget.publishing.commit_state import CommitState
from membudget.publishing.dialect import STATUSES
from membudget.publishing.http_api import ApiFault, ApiModel, HttpApi
from membudget.publishing.pull_request import NotPosted, Posted
from membudget.report.untrusted_text import printable

_LONGEST_DESCRIPTION = 140
"""Characters; GitHub refuses more."""


class _Status(ApiModel):
    id: int


class CommitStatus:
    """The status of one name on one commit."""

    def __init__(self, api: HttpApi, repository: str, head_sha: str, name: str, run_url: str) -> None:
        self._api = api
        self._path = f"/repos/{repository}/statuses/{head_sha}"
        self._name = name
        self._run_url = run_url

    def tell(self, state: CommitState) -> Posted | NotPosted:
        """Set it. The newest of a name is what counts, so a failed try is repeated."""
        content = {
            "state": state.state.value,
            "context": self._name,
            "description": printable(state.title, _LONGEST_DESCRIPTION),
            "target_url": self._run_url,
        }
        try:
            self._api.write("POST", self._path, content, _Status)
        except ApiFault as fault:
            return NotPosted(self._api.why_not(fault, STATUSES))
        return Posted(self._run_url, created=True)
