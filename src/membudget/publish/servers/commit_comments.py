"""Comments on a commit on GitHub. Forgejo and Gitea have none."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from membudget.publish.comment import Comment, CommentServer
from membudget.publish.pull_request import ServerFault
from membudget.publish.server import Right
from membudget.publish.servers.exchange import ApiModel, Exchange
from membudget.publish.servers.github_api import Author, OwnNames, OwnWork, github
from membudget.publish.servers.http_api import HttpApi

if TYPE_CHECKING:
    from github.CommitComment import CommitComment


class _Comment(ApiModel):
    id: int
    html_url: str
    body: str
    user: Author | None = None
    """None once that account is deleted."""


class CommitComments(CommentServer):
    """The comments on one commit."""

    def __init__(self, api: HttpApi, own_names: OwnNames, repository: str, sha: str) -> None:
        self._api = api
        self._repository = repository
        self._sha = sha
        self._own = OwnWork(api, own_names)

    def own(self, prefix: str) -> Sequence[Comment]:
        """Make one request for each hundred comments."""
        pages = self._api.pages(
            lambda exchange, page: (
                github(exchange).commit(self._repository, self._sha).get_comments().get_page(page - 1)
            ),
            list[_Comment],
        )
        marked = (comment for page in pages for comment in page if comment.body.startswith(prefix))
        ours = sorted(self._own.of(marked), key=lambda comment: comment.id)
        return [self._comment(found) for found in ours]

    def create(self, body: str) -> Comment:
        """Create a comment. The answer also names the token's user."""
        created = self._api.call(
            lambda exchange: github(exchange).commit(self._repository, self._sha).create_comment(body),
            _Comment,
            repeatable=False,
        )
        self._own.learn(created)
        return self._comment(created)

    def edit(self, comment: Comment, body: str) -> None:
        """Replace the text. The same text twice is the same comment, so a failed edit is repeated."""
        self._api.call(lambda exchange: self._there(exchange, comment).edit(body), _Comment)

    def delete(self, comment: Comment) -> None:
        """Delete a comment. If it is already gone, do nothing."""
        self._api.delete(lambda exchange: self._there(exchange, comment).delete())

    def head_sha(self) -> str:
        """Return the commit. No other one takes its place."""
        return self._sha

    def why_not(self, fault: ServerFault) -> str:
        """Return why a call failed, and what would help."""
        if fault.status in (404, 422):
            return f"{self._api.dialect.name} does not know commit {self._sha[:12]}, or does not show it to this token"
        return self._api.why_not(fault, Right.COMMIT_COMMENTS)

    def _there(self, exchange: Exchange, comment: Comment) -> "CommitComment":
        return github(exchange).repository(self._repository).get_comment(comment.id)

    def _comment(self, found: _Comment) -> Comment:
        return Comment(found.id, found.body, self._api.hide(found.html_url))
