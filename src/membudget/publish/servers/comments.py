"""The comment, over the part of the API that GitHub, Forgejo and Gitea have in common."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from pydantic import SecretStr

from membudget.publish.comment import Comment, Draft, keep_current
from membudget.publish.pull_request import NotPosted, Posted, PullRequest
from membudget.publish.servers.dialect import COMMENTS, LABELS
from membudget.publish.servers.http_api import ApiFault, ApiModel, HttpApi

if TYPE_CHECKING:
    from github.Issue import Issue
    from github.IssueComment import IssueComment

    from membudget.publish.servers.github_requester import GithubRequester

WORKFLOW_TOKEN_AUTHOR = "github-actions[bot]"  # noqa: S105 - a name
_ROUNDS = 2
"""No comment is created twice blindly: the server may have done it and failed afterwards, so the next round looks."""

_GONE = (404, 410)
"""A comment that was there when we looked may be deleted before we edit it."""

_NAMELESS = (
    "the token may not ask whose it is, and which comment is its own is not known: it needs the scope `read:user`"
)

OwnNames = Callable[[HttpApi, frozenset[str]], frozenset[str]]
"""By which logins our own comments are. The second argument: by whom those are that have our marker."""


class _Author(ApiModel):
    login: str


class _Comment(ApiModel):
    id: int
    html_url: str
    body: str | None = None
    user: _Author | None = None
    """None once that account is deleted."""


class _Viewer(ApiModel):
    viewer: _Author


class _Viewed(ApiModel):
    data: _Viewer


class _Head(ApiModel):
    sha: str


class _PullRequest(ApiModel):
    head: _Head


class ApiCommenter:
    """Comments with one token on one server."""

    def __init__(self, api: HttpApi, own_names: OwnNames) -> None:
        self._api = api
        self._own_names = own_names

    def post(self, pull_request: PullRequest, draft: Draft) -> Posted | NotPosted:
        """Create or edit the comment of the draft's key."""
        may_be_there = False
        for _ in range(_ROUNDS):
            comments = _Comments(self._api, self._own_names, pull_request)
            try:
                return keep_current(comments, draft)
            except ApiFault as fault:
                reason = self._reason(fault)
                may_be_there |= comments.is_writing and fault.may_have_happened
                if not fault.may_have_happened and fault.status not in _GONE:
                    break
        return self._looked(pull_request, draft, reason) if may_be_there else NotPosted(reason)

    def _looked(self, pull_request: PullRequest, draft: Draft, reason: str) -> Posted | NotPosted:
        """What a look says became of a comment that the server did not confirm."""
        try:
            found = _Comments(self._api, self._own_names, pull_request).own(draft.settings.prefix)
        except ApiFault:
            return NotPosted(reason, is_known=False)
        for comment in found:
            if draft.is_same(comment.body) and draft.settings.written_by(comment.body) == draft.run:
                return Posted(comment.url, created=True)
        return NotPosted(reason)

    def newest(self, pull_request: PullRequest, prefix: str) -> str | None:
        """The text of our own comment that starts with `prefix`; None where there is none. Raises ApiFault."""
        own = _Comments(self._api, self._own_names, pull_request).own(prefix)
        return own[-1].body if own else None

    def take_label_off(self, pull_request: PullRequest, label: str) -> str | None:
        """Why it cannot be taken off, on GitHub; None where it is off now."""
        # PyGithub's remove_from_labels leaves a slash in the label as it is, which makes another path
        path = f"/repos/{pull_request.repository}/issues/{pull_request.number}/labels/{quote(label, safe='')}"
        try:
            self._api.delete(lambda github: github.requestJsonAndCheck("DELETE", path))
        except ApiFault as fault:
            return self._api.why_not(fault, LABELS)
        return None

    def _reason(self, fault: ApiFault) -> str:
        if fault.status == 404:
            return f"{self._api.dialect.name} knows no such pull request, or does not show it to this token"
        return self._api.why_not(fault, COMMENTS)


class _Comments:
    """The comments of one pull request."""

    def __init__(self, api: HttpApi, own_names: OwnNames, pull_request: PullRequest) -> None:
        self._api = api
        self._own_names = own_names
        self._own: frozenset[str] | None = None
        self._last_page = 1
        self.is_writing = False
        """Whether the last request was to create or to edit a comment."""
        self._repository = pull_request.repository
        self._number = pull_request.number

    def own(self, prefix: str) -> Sequence[Comment]:
        """One request for each hundred comments. The second time it looks from where the first time ended."""
        self.is_writing = False
        marked: list[_Comment] = []
        pages = self._api.pages(lambda github: self._issue(github).get_comments(), list[_Comment], self._last_page)
        for number, page in enumerate(pages, start=self._last_page):
            is_full = len(page) == self._api.dialect.most_a_page
            self._last_page = number + is_full  # what comes after a full page is on the next one
            marked += [comment for comment in page if (comment.body or "").startswith(prefix)]
        return [self._comment(found) for found in self._ours(marked)]

    def create(self, body: str) -> Comment:
        """Not repeated by itself. The answer also says who we are."""
        self.is_writing = True
        created = self._api.call(lambda github: self._issue(github).create_comment(body), _Comment, repeatable=False)
        if created.user is not None:
            self._own = frozenset({created.user.login})
        return self._comment(created)

    def edit(self, comment: Comment, body: str) -> None:
        """The same text twice is the same comment, so a failed edit is repeated."""
        self.is_writing = True
        self._api.call(lambda github: self._there(github, comment).edit(body), _Comment)

    def delete(self, comment: Comment) -> None:
        """What is gone already is fine."""
        self._api.delete(lambda github: self._there(github, comment).delete())

    def head_sha(self) -> str:
        """The pull request's head as it is now."""
        found = self._api.call(
            lambda github: github.repository(self._repository).get_pull(self._number).complete(), _PullRequest
        )
        return found.head.sha

    def _issue(self, github: "GithubRequester") -> "Issue":
        return github.repository(self._repository).get_issue(self._number)

    def _there(self, github: "GithubRequester", comment: Comment) -> "IssueComment":
        """By its id: Forgejo and Gitea give no address in the API with a comment."""
        return self._issue(github).get_comment(comment.id)

    def _comment(self, found: _Comment) -> Comment:
        return Comment(found.id, found.body or "", self._api.hide(found.html_url))

    def _ours(self, marked: Iterable[_Comment]) -> list[_Comment]:
        found = sorted(marked, key=lambda comment: comment.id)
        if found and self._own is None:
            authors = frozenset(comment.user.login for comment in found if comment.user is not None)
            self._own = self._own_names(self._api, authors)
        return [comment for comment in found if comment.user is not None and comment.user.login in (self._own or ())]


def github_names(token: SecretStr) -> OwnNames:
    """Who we are on GitHub."""
    if token.get_secret_value().startswith("ghs_"):
        return _app_name
    return lambda api, _: asked_name(api, frozenset({WORKFLOW_TOKEN_AUTHOR}))


def asked_name(api: HttpApi, otherwise: frozenset[str]) -> frozenset[str]:
    """The login that the server knows the token by; `otherwise` where a workflow's token may not ask."""
    try:
        return frozenset({api.call(lambda github: github.owner().complete(), _Author).login})
    except ApiFault as fault:
        if "required scope" in fault.said:  # on Forgejo and Gitea; workflows' tokens have none there
            raise ApiFault(_NAMELESS, fault.status) from None
        if fault.status in (401, 403, 404):
            return otherwise
        raise


def _app_name(api: HttpApi, authors: frozenset[str]) -> frozenset[str]:
    """Who an app is: a workflow's token is one of GitHub's own, and nearly always that is what we have.

    No app may GET /user. GraphQL answers an installation's token with "name[bot]" (fullsend-ai/fullsend#1953), and is
    asked only where another app's comment has our marker, which may be ours with the token of a team's own app.
    """
    if not any(author.endswith("[bot]") and author != WORKFLOW_TOKEN_AUTHOR for author in authors):
        return frozenset({WORKFLOW_TOKEN_AUTHOR})
    try:
        viewed = api.call(lambda github: github.graphql_query("query { viewer { login } }", {}), _Viewed)
        return frozenset({viewed.data.viewer.login})
    except ApiFault as fault:
        if fault.may_have_happened:
            raise
        return frozenset({WORKFLOW_TOKEN_AUTHOR})
