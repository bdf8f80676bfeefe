"""GitHub's API, which Forgejo and Gitea speak as well: PyGithub for one request, and whose token it is."""

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol, TypeVar

from pydantic import SecretStr

from membudget.publish.pull_request import ServerFault
from membudget.publish.server import Right
from membudget.publish.servers.exchange import ApiModel, Dialect, Exchange
from membudget.publish.servers.http_api import HttpApi

if TYPE_CHECKING:
    from membudget.publish.servers.github_requester import GithubRequester

GITHUB = Dialect(
    "GitHub",
    {
        Right.COMMENTS: "give the job `permissions: pull-requests: write` (a fork's token never may)",
        Right.LABELS: "give the job `permissions: pull-requests: write` (a fork's token never may)",
        Right.STATUSES: "give the job `permissions: statuses: write` (a fork's token never may)",
        Right.CHECK_RUNS: "give the job `permissions: checks: write` (a fork's token never may)",
        Right.ISSUES: "give the job `permissions: issues: write`",
        Right.COMMIT_COMMENTS: "give the job `permissions: contents: write`",
    },
    refusal=re.compile(r"Resource not accessible"),
    accept="application/vnd.github+json",
    most_a_page=100,
)
WORKFLOW_TOKEN_AUTHOR = "github-actions[bot]"  # noqa: S105 - a name
_NAMELESS = "the token lacks the scope `read:user`, so membudget cannot tell which comment is its own"

OwnNames = Callable[[HttpApi, frozenset[str]], frozenset[str]]
"""Returns the logins of membudget's own comments. The second argument: the authors of comments with its marker."""


def github(exchange: Exchange) -> "GithubRequester":
    """Return PyGithub for one request. The first call imports it, which takes a quarter of a second."""
    from membudget.publish.servers.github_requester import requester

    return requester(exchange)


class Author(ApiModel):
    """An account."""

    login: str


class AuthoredText(Protocol):
    """Something that an account wrote."""

    @property
    def user(self) -> Author | None:
        """None once that account is deleted."""


Wrote = TypeVar("Wrote", bound=AuthoredText)


class OwnWork:
    """Tells what membudget wrote with this token from what others wrote. It asks the server at most once."""

    def __init__(self, api: HttpApi, own_names: OwnNames) -> None:
        self._api = api
        self._own_names = own_names
        self._names: frozenset[str] | None = None

    def learn(self, created: AuthoredText) -> None:
        """Take the author of what was just created as the token's user."""
        if created.user is not None:
            self._names = frozenset({created.user.login})

    def of(self, marked: Iterable[Wrote]) -> list[Wrote]:
        """Return those that membudget wrote. `marked` have its marker, which anyone can copy. Raises ServerFault."""
        found = list(marked)
        if found and self._names is None:
            self._names = self._own_names(self._api, frozenset(one.user.login for one in found if one.user is not None))
        return [one for one in found if one.user is not None and one.user.login in (self._names or ())]


class _Viewer(ApiModel):
    viewer: Author


class _Viewed(ApiModel):
    data: _Viewer


def github_names(token: SecretStr) -> OwnNames:
    """Return who comments on GitHub with this token."""
    if token.get_secret_value().startswith("ghs_"):
        return _app_name
    return lambda api, _: asked_name(api, frozenset({WORKFLOW_TOKEN_AUTHOR}))


def asked_name(api: HttpApi, otherwise: frozenset[str]) -> frozenset[str]:
    """Return the login to which the server says the token belongs. `otherwise` if a workflow's token may not ask.

    Raises ServerFault.
    """
    try:
        return frozenset({api.call(lambda exchange: github(exchange).owner().complete(), Author).login})
    except ServerFault as fault:
        if "required scope" in fault.said:  # on Forgejo and Gitea, where workflows' tokens have no scopes
            raise ServerFault(_NAMELESS, fault.status) from None
        if fault.status in (401, 403, 404) and not _says_nothing(fault):
            return otherwise
        raise


def _app_name(api: HttpApi, authors: frozenset[str]) -> frozenset[str]:
    """Return the name of an app. A workflow's token belongs to one of GitHub's own apps, and is the usual one.

    No app may GET /user. GraphQL answers an installation's token with "name[bot]" (fullsend-ai/fullsend#1953). It is
    asked only if another app's comment has membudget's marker: the token may then be that of a team's own app.
    """
    if not any(author.endswith("[bot]") and author != WORKFLOW_TOKEN_AUTHOR for author in authors):
        return frozenset({WORKFLOW_TOKEN_AUTHOR})
    try:
        viewed = api.call(
            lambda exchange: github(exchange).graphql_query("query { viewer { login } }", {}),
            _Viewed,
        )
        return frozenset({viewed.data.viewer.login})
    except ServerFault as fault:
        if _says_nothing(fault):
            raise
        return frozenset({WORKFLOW_TOKEN_AUTHOR})


def _says_nothing(fault: ServerFault) -> bool:
    """Return whether a refusal says nothing about the token: a rate limit, or an answer that is not the API's."""
    return fault.is_limit or fault.may_have_happened
