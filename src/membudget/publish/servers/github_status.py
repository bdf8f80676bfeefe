"""A commit status: on GitHub, and as it is on Forgejo and Gitea too."""

from typing import TYPE_CHECKING

from membudget.core.untrusted_text import printable
from membudget.publish.commit_state import CommitState
from membudget.publish.pull_request import NotPosted, Posted
from membudget.publish.servers.dialect import STATUSES
from membudget.publish.servers.http_api import ApiFault, ApiModel, HttpApi

if TYPE_CHECKING:
    from github.CommitStatus import CommitStatus as GithubStatus
    from github.PaginatedList import PaginatedList

    from membudget.publish.servers.github_requester import GithubRequester

_LONGEST_DESCRIPTION = 140
"""Characters; GitHub refuses more."""


class _Status(ApiModel):
    id: int


class _Listed(ApiModel):
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
                is_there = self._newest() == _Listed(
                    context=self._name, description=description, target_url=self._run_url
                )
            except ApiFault:
                return NotPosted(reason, is_known=False)
            if not is_there:
                return NotPosted(reason)
        return Posted(self._run_url, created=True)

    def _newest(self) -> _Listed | None:
        """The status of our name that counts; the first page of the list has the newest ones."""
        listed = next(self._api.pages(self._statuses, list[_Listed]))
        return next((one for one in listed if one.context == self._name), None)

    def _statuses(self, github: "GithubRequester") -> "PaginatedList[GithubStatus]":
        """The list under the address that GitHub documents. PyGithub's get_statuses uses an older one."""
        from github.CommitStatus import CommitStatus as GithubStatus
        from github.PaginatedList import PaginatedList

        return PaginatedList(GithubStatus, github, f"/repos/{self._repository}/commits/{self._head_sha}/statuses")
