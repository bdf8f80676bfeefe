"""Issues of a repository, over the part of the API that GitHub, Forgejo and Gitea have in common."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from membudget.publish.comment import HIDDEN, Comment, CommentServer
from membudget.publish.pull_request import ServerFault
from membudget.publish.server import Right
from membudget.publish.servers.exchange import ApiModel, Exchange
from membudget.publish.servers.github_api import Author, OwnNames, OwnWork, github
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


class IssueList:
    """The issues of a repository that membudget may have written, which a run lists once.

    The search would need one request, but finds a new issue only minutes later.
    """

    def __init__(self, api: HttpApi, own_names: OwnNames, repository: str, since: datetime | None) -> None:
        """`since`: issues that nobody changed after this time are not listed. None: all are."""
        self._api = api
        self._repository = repository
        self._since = since
        self._marked: dict[int, _Issue] = {}
        self._newest: int | None = None
        self.own = OwnWork(api, own_names)

    def titled(self, title: str) -> "ApiIssues":
        """Return the issues, of which new ones get a title."""
        return ApiIssues(self._api, self, self._repository, title)

    def ours(self, prefix: str) -> list[_Issue]:
        """Return membudget's own issues that begin with `prefix`, the first one first.

        The first call makes one request for each hundred issues and pull requests, later calls one request for the new
        ones. Raises ServerFault, also if the list is too long to be read: an issue may be there, and would be doubled.
        """
        before, newest = self._newest, self._newest or 0
        for page in self._api.pages(self._page, list[_Issue], must_end=True):
            for one in page:
                self.keep(one)
                newest = max(newest, one.number)
            if before is not None and any(one.number <= before for one in page):
                break
        self._newest = newest
        found = [one for one in self.own.of(self._marked.values()) if (one.body or "").startswith(prefix)]
        return sorted(found, key=lambda issue: issue.number)

    def keep(self, issue: _Issue) -> None:
        """Take over an issue as the server has it now."""
        if issue.pull_request is None and (issue.body or "").startswith(HIDDEN):
            self._marked[issue.number] = issue
        else:
            self.forget(issue.number)

    def forget(self, number: int) -> None:
        """Drop an issue that is no longer there."""
        self._marked.pop(number, None)

    def _page(self, exchange: Exchange, page: int) -> object:
        """Ask for a page. The newest comes first, on every server."""
        of = github(exchange).repository(self._repository)
        all_issues = of.get_issues(state="all", since=self._since) if self._since else of.get_issues(state="all")
        return all_issues.get_page(page - 1)


class ApiIssues(CommentServer):
    """The issues of a repository. The number of an issue is its ID here, and its first text is its body."""

    def __init__(self, api: HttpApi, listed: IssueList, repository: str, title: str) -> None:
        """`title` is that of a new issue."""
        self._api = api
        self._listed = listed
        self._repository = repository
        self._title = title

    def own(self, prefix: str) -> Sequence[Comment]:
        """Return the issues, open or closed, the first one first. Of the others, those that are still open."""
        found = self._listed.ours(prefix)
        return [self._comment(one) for number, one in enumerate(found) if number == 0 or one.state != _CLOSED]

    def create(self, body: str) -> Comment:
        """Open an issue. The answer also names the token's user."""
        created = self._api.call(
            lambda exchange: github(exchange).repository(self._repository).create_issue(self._title, body),
            _Issue,
            repeatable=False,
        )
        self._listed.own.learn(created)
        self._listed.keep(created)
        return self._comment(created)

    def edit(self, comment: Comment, body: str) -> None:
        """Replace the text. Title and state are left to people."""
        try:
            edited = self._api.call(lambda exchange: self._there(exchange, comment).edit(body=body), _Issue)
        except ServerFault as fault:
            if fault.is_gone:
                self._listed.forget(comment.id)
            raise
        self._listed.keep(edited)

    def delete(self, comment: Comment) -> None:
        """Close an issue that says the same as another one. Only people can delete issues."""
        self._listed.keep(self._api.call(lambda exchange: self._there(exchange, comment).edit(state=_CLOSED), _Issue))

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
