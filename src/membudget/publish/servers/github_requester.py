"""PyGithub on membudget's connections: bounded in bytes and time, without PyGithub's retries, redirects and logs.

PyGithub makes the request: its method, address and content. The connection adds the token below PyGithub, so no frame,
header or log of PyGithub holds it. The answer is kept as it came, and strict models read it (`http_api`). PyGithub's
own objects return None where their types promise a value, and make a request for each field that an answer lacks.

Importing this module takes a quarter of a second. `http_api` imports it for the first request.
"""

import logging
from collections.abc import ItemsView, Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from github.AuthenticatedUser import AuthenticatedUser
from github.Commit import Commit
from github.Consts import DEFAULT_PER_PAGE
from github.Repository import Repository
from github.Requester import HTTPRequestsConnectionClass, HTTPSRequestsConnectionClass, Requester
from requests.structures import CaseInsensitiveDict

from membudget.publish.json_bounds import oversized
from membudget.publish.servers.dialect import Dialect
from membudget.web.bounded_http import Limits, Login, PastLimit, ask, body, bounded_session

_MOST_TABLES = 20_000
"""Objects and arrays of one answer. A hundred pull requests have a fifth of it; PyGithub takes kilobytes for each."""
_SILENT = logging.getLogger(__name__)
"""PyGithub logs answers, which may repeat the token, and the addresses of artifacts, which are keys."""
_SILENT.setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Got:
    """An answer, read whole."""

    status: int
    headers: CaseInsensitiveDict[str]
    content: bytes
    names_next: bool
    """Whether the list goes on, by the header `Link`."""
    is_success: bool


class GithubRequester(Requester):
    """Where an action begins. The objects that it returns are lazy: they make no request until told to do something."""

    def repository(self, name: str) -> Repository:
        """The repository "owner/name"."""
        return Repository(self, url=f"/repos/{name}")

    def commit(self, repository: str, sha: str) -> Commit:
        """A commit. PyGithub would ask the server for the SHA if it were not given."""
        return Commit(self, {}, {"url": f"/repos/{repository}/commits/{sha}", "sha": sha}, completed=True)

    def owner(self) -> AuthenticatedUser:
        """Whose token it is."""
        return AuthenticatedUser(self, url="/user")


class Exchange:
    """One request and its answer."""

    def __init__(self, url: str, login: Login, dialect: Dialect, limits: Limits, *, follows: bool) -> None:
        """`follows`: whether a reading request goes on to where it is redirected."""
        self._url = url
        self.scheme = urlsplit(url).scheme
        self._login = login
        self._dialect = dialect
        self._limits = limits
        self._follows = follows
        self.answer: Got | None = None

    def requester(self) -> GithubRequester:
        """PyGithub, for one request. A second one is refused: only PyGithub could have wanted it."""

        class Connection(_Connection):
            """Knows what it is for."""

            exchange = self

        class OneRequest(GithubRequester):
            """A class for this request, because PyGithub keeps the class of connections there."""

        OneRequest.injectConnectionClasses(  # they only have to look like these
            cast("type[HTTPRequestsConnectionClass]", Connection),
            cast("type[HTTPSRequestsConnectionClass]", Connection),
        )
        OneRequest.injectLogger(_SILENT)
        return OneRequest(
            auth=None,
            base_url=self._url,
            timeout=int(self._limits.idle_s),  # unused: the limits hold
            user_agent="membudget",
            per_page=self._dialect.most_a_page or DEFAULT_PER_PAGE,  # the default is not sent
            verify=True,
            retry=None,
            pool_size=None,
            seconds_between_requests=None,
            seconds_between_writes=None,
            lazy=True,
        )

    def ask(self, method: str, url: str, headers: Mapping[str, str], content: str | None) -> None:
        """Keep what the server answers. Raises PastLimit, and what requests and urllib3 raise."""
        if self.answer is not None:
            raise _AskedAgain
        with bounded_session(self._limits) as session:
            answer = ask(
                session,
                self._limits,
                method,
                url,
                login=self._login,
                headers={**headers, "Accept": self._dialect.accept},
                content=content.encode() if content is not None else None,
                follows=self._follows,
            )
            read = body(answer, self._limits.body_bytes)
        # a redirected write was not done, and is not repeated elsewhere
        is_success = answer.status_code < (400 if method == "GET" else 300)
        problem = oversized(read, _MOST_TABLES) if is_success else None
        if problem is not None:
            raise PastLimit(f"sent an answer that {problem}")
        self.answer = Got(answer.status_code, answer.headers, read, "next" in answer.links, is_success)


class _AskedAgain(Exception):
    """PyGithub makes a request of its own."""


class _Refused(Exception):
    """The answer is no success. It ends here, because PyGithub would follow, repeat or misread it."""


class _Connection:
    """Looks like a connection to PyGithub. It keeps nothing of a request."""

    exchange: Exchange

    def __init__(self, host: str, port: int | None = None, **settings: object) -> None:
        del settings
        self._server = host if port is None else f"{host}:{port}"

    def request(self, verb: str, url: str, input: str | None, headers: Mapping[str, str], *_: object) -> None:  # noqa: A002 - PyGithub's name
        """Send it, and read the answer."""
        self.exchange.ask(verb, f"{self.exchange.scheme}://{self._server}{url}", headers, input)

    def getresponse(self) -> "_Response":
        """The answer, if it is a success."""
        answer = self.exchange.answer
        if answer is None or not answer.is_success:
            raise _Refused
        return _Response(answer)

    def close(self) -> None:
        """It is closed."""


class _Response:
    """An answer as PyGithub reads it."""

    status = 200
    """Whatever it was: PyGithub repeats a request after a 202, and follows a 301."""

    def __init__(self, answer: Got) -> None:
        self._answer = answer

    def getheaders(self) -> ItemsView[str, str]:
        """All of them."""
        return self._answer.headers.items()

    def read(self) -> str:
        """The body."""
        return self._answer.content.decode(errors="replace")
