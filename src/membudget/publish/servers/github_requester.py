"""PyGithub on membudget's connections: bounded in bytes and time, without PyGithub's retries, redirects and logs.

PyGithub makes the request: its method, address and content. The connection adds the token below PyGithub, so no frame,
header or log of PyGithub holds it. The answer is kept as it came, and strict models read it (`http_api`). PyGithub's
own objects return None where their types promise a value, and make a request for each field that an answer lacks.

Importing this module takes a quarter of a second. `github_api` imports it for the first request.
"""

import logging
from collections.abc import ItemsView, Mapping
from typing import cast
from urllib.parse import urlsplit

from github.AuthenticatedUser import AuthenticatedUser
from github.Commit import Commit
from github.Consts import DEFAULT_PER_PAGE
from github.Repository import Repository
from github.Requester import HTTPRequestsConnectionClass, HTTPSRequestsConnectionClass, Requester

from membudget.publish.servers.exchange import ApiAnswer, Exchange

_SILENT = logging.getLogger(__name__)
"""PyGithub logs answers, which may repeat the token, and the addresses of artifacts, which are keys."""
_SILENT.setLevel(logging.CRITICAL)


class GithubRequester(Requester):
    """Where an action begins. The objects that it returns are lazy: they make no request until told to do something."""

    def repository(self, name: str) -> Repository:
        """Return the repository "owner/name"."""
        return Repository(self, url=f"/repos/{name}")

    def commit(self, repository: str, sha: str) -> Commit:
        """Return a commit. PyGithub would ask the server for the SHA if it were not given."""
        return Commit(self, {}, {"url": f"/repos/{repository}/commits/{sha}", "sha": sha}, completed=True)

    def owner(self) -> AuthenticatedUser:
        """Return the user whose token it is."""
        return AuthenticatedUser(self, url="/user")


def requester(exchange: Exchange) -> GithubRequester:
    """Return PyGithub for one request. The exchange refuses a second one, which only PyGithub could have wanted."""
    of = exchange

    class Connection(_Connection):
        """Belongs to the exchange."""

        exchange = of

    class OneRequest(GithubRequester):
        """A class for this request, because PyGithub keeps the class of connections there."""

    OneRequest.injectConnectionClasses(  # they only have to look like these
        cast("type[HTTPRequestsConnectionClass]", Connection),
        cast("type[HTTPSRequestsConnectionClass]", Connection),
    )
    OneRequest.injectLogger(_SILENT)
    return OneRequest(
        auth=None,
        base_url=exchange.url,
        timeout=int(exchange.limits.idle_s),  # unused: the limits hold
        user_agent="membudget",
        per_page=exchange.dialect.most_a_page or DEFAULT_PER_PAGE,  # the default is not sent
        verify=True,
        retry=None,
        pool_size=None,
        seconds_between_requests=None,
        seconds_between_writes=None,
        lazy=True,
    )


class _Refused(Exception):
    """The answer is no success. It ends here, because PyGithub would follow, repeat or misread it."""


class _Connection:
    """Looks like a connection to PyGithub. It keeps nothing of a request."""

    exchange: Exchange

    def __init__(self, host: str, port: int | None = None, **settings: object) -> None:
        del settings
        self._server = host if port is None else f"{host}:{port}"

    def request(self, verb: str, url: str, input: str | None, headers: Mapping[str, str], *_: object) -> None:  # noqa: A002 - PyGithub's name
        """Send the request, and read the answer."""
        scheme = urlsplit(self.exchange.url).scheme
        self.exchange.ask(verb, f"{scheme}://{self._server}{url}", headers, input)

    def getresponse(self) -> "_Response":
        """Return the answer if it is a success."""
        answer = self.exchange.answer
        if answer is None or not answer.is_success:
            raise _Refused
        return _Response(answer)

    def close(self) -> None:
        """Do nothing: the session is already closed."""


class _Response:
    """An answer as PyGithub reads it."""

    status = 200
    """For every success: PyGithub repeats a request after a 202, and follows a 301."""

    def __init__(self, answer: ApiAnswer) -> None:
        self._answer = answer

    def getheaders(self) -> ItemsView[str, str]:
        """Return all headers."""
        return self._answer.headers.items()

    def read(self) -> str:
        """Return the body."""
        return self._answer.content.decode(errors="replace")
