"""Issues of a repository, over the part of the API that GitHub, Forgejo and Gitea have in common."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from membudget.publish.comment import Comment, CommentServer
from membudget.publish.pull_request import ServerFault
from membudget.publish.server import Right
from membudget.publish.servers.exchange import ApiModel, Exchange
from membudget.publish.servers.github_api import Author, OwnNames, github
from membudget.publish.servers.http_api import HttpApi

if TYPE_CHECKING:
    from github.Issue import Issue

_CLOSED = "closed"


class _Link(ApiModel):
    pass


class _Issue(ApiModel):
    number: int
    html_url: str
    state: str
    body: str | None = None
    user: Author | None = None
    """None once that account is deleted."""
    pull_request: _Link | None = None
    """The lists have pull requests as well. Forgejo and Gitea send null for an issue."""


class ApiIssues(CommentServer):
    """The issues of a repository. The number of an issue is its ID here, and its first text is its body."""

    def __init__(self, api: HttpApi, own_names: OwnNames, repository: str, title: str) -> None:
        """`title` is that of a new issue."""
        self._api = api
        self._own_names = own_names
        self._repository = repository
        self._title = title
        self._own: frozenset[str] | None = None

    def own(self, prefix: str) -> Sequence[Comment]:
        """Return the issues, open or closed, the first one first. Of the others, those that are still open.

        Make one request for each hundred issues and pull requests. The search would need one, but finds a new issue
        only minutes later.
        """
        pages = self._api.pages(
            lambda exchange, page: (
                github(exchange).repository(self._repository).get_issues(state="all").get_page(page - 1)
            ),
            list[_Issue],
        )
        marked = (one for page in pages for one in page if (one.body or "").startswith(prefix))
        found = self._ours(one for one in marked if one.pull_request is None)
        return [self._comment(one) for number, one in enumerate(found) if number == 0 or one.state != _CLOSED]

    def create(self, body: str) -> Comment:
        """Open an issue. The answer also names the token's user."""
        created = self._api.call(
            lambda exchange: github(exchange).repository(self._repository).create_issue(self._title, body),
            _Issue,
            repeatable=False,
        )
        if created.user is not None:
            self._own = frozenset({created.user.login})
        return self._comment(created)

    def edit(self, comment: Comment, body: str) -> None:
        """Replace the text. Title and state are left to people."""
        self._api.call(lambda exchange: self._there(exchange, comment).edit(body=body), _Issue)

    def delete(self, comment: Comment) -> None:
        """Close an issue that says the same as another one. Only people can delete issues."""
        self._api.call(lambda exchange: self._there(exchange, comment).edit(state=_CLOSED), _Issue)

    def head_sha(self) -> str:
        """Issues are about no pull request."""
        raise ValueError("an issue has no head")

    def why_not(self, fault: ServerFault) -> str:
        """Return why a call failed, and what would help."""
        if fault.status == 410:
            return f"issues are switched off in {self._repository}: switch them on, or tell in another way"
        return self._api.why_not(fault, Right.ISSUES)

    def _there(self, exchange: Exchange, comment: Comment) -> "Issue":
        return github(exchange).repository(self._repository).get_issue(comment.id)

    def _comment(self, found: _Issue) -> Comment:
        return Comment(found.number, found.body or "", self._api.hide(found.html_url))

    def _ours(self, marked: Iterable[_Issue]) -> list[_Issue]:
        found = sorted(marked, key=lambda issue: issue.number)
        if found and self._own is None:
            authors = frozenset(issue.user.login for issue in found if issue.user is not None)
            self._own = self._own_names(self._api, authors)
        return [issue for issue in found if issue.user is not None and issue.user.login in (self._own or ())]
