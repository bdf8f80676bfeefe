"""The review comments of a pull request on GitHub, at lines of its diff.

Forgejo and Gitea have another API for these.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from membudget.publish.pull_request import PullRequest, ServerFault
from membudget.publish.server import Right
from membudget.publish.servers.comments import PullRequestComments
from membudget.publish.servers.exchange import ApiModel, Exchange
from membudget.publish.servers.github_api import Author, OwnNames, github
from membudget.publish.servers.http_api import HttpApi
from membudget.publish.suggestions import ReviewComment, SuggestionServer, shown_in

if TYPE_CHECKING:
    from github.PullRequest import PullRequest as GithubPullRequest
    from github.PullRequestComment import PullRequestComment


class _Comment(ApiModel):
    id: int
    path: str
    line: int | None = None
    body: str
    user: Author | None = None
    """None once that account is deleted."""
    in_reply_to_id: int | None = None


class _Created(ApiModel):
    id: int


class _File(ApiModel):
    filename: str
    patch: str | None = None
    """None for a binary file, and for a diff that is too large."""


class ReviewComments(SuggestionServer):
    """The review comments of one pull request."""

    def __init__(self, api: HttpApi, own_names: OwnNames, pull_request: PullRequest) -> None:
        self._api = api
        self._own_names = own_names
        self._repository = pull_request.repository
        self._number = pull_request.number
        self._pull_request = PullRequestComments(api, own_names, pull_request)

    def own(self, prefix: str) -> Sequence[ReviewComment]:
        """Make one request for each hundred review comments, and more if one of them may be membudget's."""
        pages = self._api.pages(
            lambda exchange, page: self._pull(exchange).get_review_comments().get_page(page - 1), list[_Comment]
        )
        found = [comment for page in pages for comment in page]
        marked = [one for one in found if one.body.startswith(prefix) and one.user is not None]
        if not marked:
            return []
        own = self._own_names(self._api, frozenset(one.user.login for one in marked if one.user is not None))
        replied = {one.in_reply_to_id for one in found}
        return [
            ReviewComment(one.id, one.path, one.line, one.body, one.id in replied)
            for one in sorted(marked, key=lambda comment: comment.id)
            if one.user is not None and one.user.login in own
        ]

    def shown_lines(self, paths: Collection[str]) -> Mapping[str, Mapping[int, str]]:
        """Make one request for each hundred changed files, until all `paths` are found."""
        pages = self._api.pages(lambda exchange, page: self._pull(exchange).get_files().get_page(page - 1), list[_File])
        shown: dict[str, Mapping[int, str]] = {}
        for page in pages:
            shown |= {one.filename: shown_in(one.patch or "") for one in page if one.filename in paths}
            if shown.keys() >= set(paths):
                break
        return shown

    def create(self, body: str, path: str, line: int, head_sha: str) -> None:
        """Create a comment of a review of its own."""
        self._api.call(
            lambda exchange: self._pull(exchange).create_review_comment(body, head_sha, path, line, "RIGHT"),
            _Created,
            repeatable=False,
        )

    def edit(self, comment: ReviewComment, body: str) -> None:
        """Replace the text. The same text twice is the same comment, so a failed edit is repeated."""
        self._api.call(lambda exchange: self._there(exchange, comment).edit(body), _Created)

    def delete(self, comment: ReviewComment) -> None:
        """Delete a comment. If it is already gone, do nothing."""
        self._api.delete(lambda exchange: self._there(exchange, comment).delete())

    def head_sha(self) -> str:
        """Return the pull request's current head."""
        return self._pull_request.head_sha()

    def why_not(self, fault: ServerFault) -> str:
        """Return why a call failed, and what would help."""
        return self._api.why_not(fault, Right.COMMENTS)

    def _pull(self, exchange: Exchange) -> "GithubPullRequest":
        return github(exchange).repository(self._repository).get_pull(self._number)

    def _there(self, exchange: Exchange, comment: ReviewComment) -> "PullRequestComment":
        return self._pull(exchange).get_review_comment(comment.id)
