"""Comments on a commit on GitHub. Forgejo and Gitea have none."""

from typing import TYPE_CHECKING

from membudget.publish.comment import Comment
from membudget.publish.pull_request import ServerFault
from membudget.publish.server import Right
from membudget.publish.servers.comments import ApiComments
from membudget.publish.servers.exchange import Exchange
from membudget.publish.servers.github_api import OwnNames, github
from membudget.publish.servers.http_api import HttpApi

if TYPE_CHECKING:
    from github.Commit import Commit
    from github.CommitComment import CommitComment


class CommitComments(ApiComments):
    """The comments on one commit."""

    def __init__(self, api: HttpApi, own_names: OwnNames, repository: str, sha: str) -> None:
        super().__init__(api, own_names)
        self._repository = repository
        self._sha = sha

    def head_sha(self) -> str:
        """Return the commit. No other one takes its place."""
        return self._sha

    def why_not(self, fault: ServerFault) -> str:
        """Return why a call failed, and what would help."""
        if fault.status in (404, 422):
            return f"{self._api.dialect.name} does not know commit {self._sha[:12]}, or does not show it to this token"
        return self._api.why_not(fault, Right.COMMIT_COMMENTS)

    def _commented(self, exchange: Exchange) -> "Commit":
        return github(exchange).commit(self._repository, self._sha)

    def _there(self, exchange: Exchange, comment: Comment) -> "CommitComment":
        return github(exchange).repository(self._repository).get_comment(comment.id)
