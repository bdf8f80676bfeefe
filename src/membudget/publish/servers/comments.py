"""The comments of a pull request or a commit, over the part of the API that GitHub, Forgejo and Gitea share."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from membudget.publish.comment import Comment, CommentServer
from membudget.publish.pull_request import PullRequest, ServerFault
from membudget.publish.server import Right
from membudget.publish.servers.exchange import ApiModel, Exchange
from membudget.publish.servers.github_api import Author, OwnNames, OwnWork, github
from membudget.publish.servers.http_api import HttpApi

if TYPE_CHECKING:
    from github.Commit import Commit
    from github.CommitComment import CommitComment
    from github.Issue import Issue
    from github.IssueComment import IssueComment


class _Comment(ApiModel):
    id: int
    html_url: str
    body: str | None = None
    user: Author | None = None
    """None once that account is deleted."""


class _Head(ApiModel):
    sha: str


class _PullRequest(ApiModel):
    head: _Head


class ApiComments(CommentServer):
    """The comments on one thing."""

    def __init__(self, api: HttpApi, own_names: OwnNames) -> None:
        self._api = api
        self._own = OwnWork(api, own_names)
        self._last_page = 1

    @abstractmethod
    def _commented(self, exchange: Exchange) -> "Issue | Commit":
        """Return what has the comments."""

    @abstractmethod
    def _there(self, exchange: Exchange, comment: Comment) -> "IssueComment | CommitComment":
        """Return one of the comments."""

    def own(self, prefix: str) -> Sequence[Comment]:
        """Make one request for each hundred comments. A second call continues where the first one ended."""
        marked: list[_Comment] = []
        pages = self._api.pages(
            lambda exchange, page: self._commented(exchange).get_comments().get_page(page - 1),
            list[_Comment],
            self._last_page,
        )
        for number, page in enumerate(pages, start=self._last_page):
            is_full = len(page) == self._api.dialect.most_a_page
            self._last_page = number + is_full  # what comes after a full page is on the next one
            marked += [comment for comment in page if (comment.body or "").startswith(prefix)]
        ours = sorted(self._own.of(marked), key=lambda comment: comment.id)
        return [self._comment(found) for found in ours]

    def create(self, body: str) -> Comment:
        """Create a comment. The answer also names the token's user."""
        created = self._api.call(
            lambda exchange: self._commented(exchange).create_comment(body), _Comment, repeatable=False
        )
        self._own.learn(created)
        return self._comment(created)

    def edit(self, comment: Comment, body: str) -> None:
        """Replace the text. The same text twice is the same comment, so a failed edit is repeated."""
        self._api.call(lambda exchange: self._there(exchange, comment).edit(body), _Comment)

    def delete(self, comment: Comment) -> None:
        """Delete a comment. If it is already gone, do nothing."""
        self._api.delete(lambda exchange: self._there(exchange, comment).delete())

    def _comment(self, found: _Comment) -> Comment:
        return Comment(found.id, found.body or "", self._api.hide(found.html_url))


class PullRequestComments(ApiComments):
    """The comments of one pull request."""

    def __init__(self, api: HttpApi, own_names: OwnNames, pull_request: PullRequest) -> None:
        super().__init__(api, own_names)
        self._repository = pull_request.repository
        self._number = pull_request.number

    def head_sha(self) -> str:
        """Return the pull request's current head."""
        found = self._api.call(
            lambda exchange: github(exchange).repository(self._repository).get_pull(self._number).complete(),
            _PullRequest,
        )
        return found.head.sha

    def why_not(self, fault: ServerFault) -> str:
        """Return why a call failed, and what would help."""
        if fault.status == 404:
            return f"{self._api.dialect.name} does not know this pull request, or does not show it to this token"
        return self._api.why_not(fault, Right.COMMENTS)

    def _commented(self, exchange: Exchange) -> "Issue":
        return github(exchange).repository(self._repository).get_issue(self._number)

    def _there(self, exchange: Exchange, comment: Comment) -> "IssueComment":
        """Return a comment by its ID: Forgejo and Gitea give no address in the API with a comment."""
        return self._commented(exchange).get_comment(comment.id)
