"""Requests whose answers are limited in bytes and in time, from the first byte on.

requests and urllib3 limit neither. Each read has its own timeout, so a server that sends one byte a second is read for
ever. Interim answers, headers, lines of chunks and bodies of redirects have no limit. Compressed bodies grow a
thousandfold. So the HTTP library reads from a stream of ours, which counts bytes and checks the clock before each read.
"""

import io
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.client import HTTPResponse
from threading import Lock
from typing import Any, BinaryIO, Protocol, cast
from urllib.parse import urljoin

import requests
from pydantic import SecretStr
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool, HTTPConnectionPool

_MOST_HEAD_BYTES = 1 << 18
"""The most bytes of interim answers, status line and headers. GitHub's have six kilobytes."""
_LONGEST_LINE = 1 << 16
_MOST_REDIRECTS = 5
_CHUNK_BYTES = 1 << 16
_LEAST_S = 0.001
"""The shortest timeout of a read. 0 would make the socket non-blocking."""

Clock = Callable[[], float]
"""Returns the seconds since some time in the past."""
Login = Callable[[requests.PreparedRequest], requests.PreparedRequest]
"""Adds what authorises a request."""


class TokenLogin(AuthBase):
    """Adds a token to a request."""

    def __init__(self, token: SecretStr, scheme: str) -> None:
        """`scheme` precedes the token in the header `Authorization`."""
        self._token = token
        self._scheme = scheme

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the token."""
        request.headers["Authorization"] = f"{self._scheme} {self._token.get_secret_value()}"
        return request


class Deadline:
    """The time by which something has to be over."""

    def __init__(self, seconds: float, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    def left(self) -> float:
        """Return the seconds left. 0 or less if the deadline has passed."""
        return self._end - self._clock()


class Allowance:
    """Seconds that all calls to a server may take together. The time between two calls does not count."""

    def __init__(self, seconds: float, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._left = seconds
        self._lock = Lock()

    @contextmanager
    def spend(self) -> Iterator[Deadline]:
        """Give a call, or several, a deadline: the seconds that are left. Subtract what they took."""
        begun = self._clock()
        try:
            yield Deadline(self._left, self._clock)
        finally:
            with self._lock:
                self._left -= self._clock() - begun


class LimitExceeded(Exception):
    """A server takes too long or sends too much. `str()` says which, in words that follow the server's name."""


class TooSlow(LimitExceeded):
    """The deadline has passed."""

    def __init__(self) -> None:
        super().__init__("took too long to answer")


class TooLarge(LimitExceeded):
    """An answer is larger than any that was asked for."""


class Limits:
    """How long a server may take, and how much it may send."""

    def __init__(self, deadline: Deadline, body_bytes: int, idle_s: float, connect_s: float | None = None) -> None:
        """`body_bytes`: the most bytes of a body as it is sent, chunk headers included. Can change between requests.

        `idle_s`: the most seconds between two pieces of an answer. `connect_s`: the most seconds for connecting to one
        address of a server, by default as many. urllib3 tries all addresses of a name without a look at the deadline.
        """
        self.deadline = deadline
        self.body_bytes = body_bytes
        self.idle_s = idle_s
        self.connect_s = idle_s if connect_s is None else connect_s

    def patience(self) -> float:
        """Return the seconds that the next read may take. Raises TooSlow if the deadline has passed."""
        left = self.deadline.left()
        if left <= 0:
            raise TooSlow
        return max(_LEAST_S, min(self.idle_s, left))

    def timeouts(self) -> tuple[float, float]:
        """Return the seconds for connecting to an address, and for the first read. Raises TooSlow."""
        patience = self.patience()
        return min(self.connect_s, patience), patience


class _Session(requests.Session):
    """A session without redirects of its own: requests reads and decompresses their bodies without limit."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Report no redirect, so that requests follows none."""
        del resp


@contextmanager
def bounded_session(limits: Limits) -> Iterator[requests.Session]:
    """Open a session for `ask`, under `limits`."""
    with _Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, _BoundedAdapter(limits))
        yield session


def ask(  # noqa: PLR0913 - a request has so many parts
    session: requests.Session,
    limits: Limits,
    method: str,
    url: str,
    *,
    login: Login | tuple[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    content: bytes | None = None,
    follows: bool = True,
) -> requests.Response:
    """Send a request, and return the answer with its body unread.

    Redirects of a GET are followed, without login if they lead to another server. Raises LimitExceeded and
    requests.RequestException.
    """
    sent = {"Accept-Encoding": "identity", **(headers or {})}
    for _ in range(_MOST_REDIRECTS):
        answer = session.request(
            method,
            url,
            params=query,
            data=content,
            headers=sent,
            auth=login or no_login,
            timeout=limits.timeouts(),
            stream=True,
            allow_redirects=False,
        )
        if not (follows and method == "GET" and answer.is_redirect):
            return answer
        answer.close()  # unread
        try:
            asked, url, query = answer.url, urljoin(answer.url, answer.headers["Location"]), None
            leaves = session.should_strip_auth(asked, url)  # type: ignore[no-untyped-call] # as the stubs have it
        except ValueError:  # brackets that hold no address, or a port that is none
            raise requests.exceptions.InvalidURL from None
        if leaves:
            login = None
            sent = {name: value for name, value in sent.items() if name != "Authorization"}
    raise requests.TooManyRedirects


def no_login(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Add no login. If requests were given none, it would use that of `.netrc`."""
    return request


def body(answer: requests.Response, most_bytes: int) -> bytes:
    """Return the body. Raises LimitExceeded if it has more than `most_bytes`, and what urllib3 raises."""
    content = bytearray()
    for chunk in chunks(answer):
        content += chunk
        if len(content) > most_bytes:
            raise TooLarge(f"sent more than {most_bytes:,} bytes")
    return bytes(content)


def chunks(answer: requests.Response) -> Iterator[bytes]:
    """Yield the body as it arrives. Compressed bodies are refused, because none was asked for.

    Raises LimitExceeded, and what urllib3 raises.
    """
    if answer.headers.get("Content-Encoding", "identity").strip().lower() not in ("identity", ""):
        raise LimitExceeded("sent a compressed answer, which nobody asked for")
    while chunk := answer.raw.read(_CHUNK_BYTES, decode_content=False):
        yield chunk


def save(url: str, into: BinaryIO, most_bytes: int, limits: Limits) -> bool:
    """Write the body of an answer to a file. Return False if it has more than `most_bytes`.

    Raises LimitExceeded, requests.HTTPError for an answer that is no success, and what `ask` and urllib3 raise.
    """
    with bounded_session(limits) as session, ask(session, limits, "GET", url) as answer:
        answer.raise_for_status()
        written = 0
        for chunk in chunks(answer):
            written += len(chunk)
            if written > most_bytes:
                return False
            into.write(chunk)
    return True


class _Socket(Protocol):
    def settimeout(self, seconds: float | None, /) -> None: ...


class _Source(io.RawIOBase):
    """A connection's stream, up to the limits."""

    def __init__(self, stream: io.RawIOBase, connection: _Socket, limits: Limits) -> None:
        super().__init__()
        self._stream = stream
        self._connection = connection
        self._limits = limits
        self._left = _MOST_HEAD_BYTES
        self._is_head = True

    def body_begins(self) -> None:
        """Count the body's bytes from here. The head is read whole, and some of the body may be read already."""
        self._left = self._limits.body_bytes
        self._is_head = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int | None:
        """Read some bytes. Raises LimitExceeded."""
        target = memoryview(buffer)  # type: ignore[arg-type] # io.RawIOBase promises a buffer
        if self._left <= 0:
            what, most = ("head", _MOST_HEAD_BYTES) if self._is_head else ("body", self._limits.body_bytes)
            raise TooLarge(f"sent more than {most:,} bytes as the {what} of an answer")
        self._connection.settimeout(self._limits.patience())
        try:
            count = self._stream.readinto(target[: self._left])
        except TimeoutError:
            self._limits.patience()
            raise
        self._left -= count or 0
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Reader(io.BufferedReader):
    """Reads lines of limited length. urllib3 reads the lines before chunks without a limit."""

    def readline(self, size: int | None = -1, /) -> bytes:
        bounded = size is not None and 0 <= size <= _LONGEST_LINE + 1
        line = super().readline(size if bounded else _LONGEST_LINE + 1)
        if not bounded and len(line) > _LONGEST_LINE:
            raise TooLarge(f"sent a line of more than {_LONGEST_LINE:,} bytes")
        return line


class _BoundedResponse(HTTPResponse):
    """An answer that is read from a limited stream."""

    def __init__(self, connection: socket.socket, *args: object, limits: Limits, **more: object) -> None:
        super().__init__(connection, *args, **more)  # type: ignore[arg-type] # as http.client gives them
        self._source = _Source(self.fp.detach(), connection, limits)
        self.fp = _Reader(self._source)

    def begin(self) -> None:
        super().begin()
        self._source.body_begins()


class _BoundedAdapter(HTTPAdapter):
    """Makes connections whose answers are limited."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(max_retries=0)
        answers = staticmethod(partial(_BoundedResponse, limits=limits))
        self._connections = {
            scheme: type(kind.__name__, (kind,), {"response_class": answers})
            for scheme, kind in (("http", HTTPConnection), ("https", HTTPSConnection))
        }

    def get_connection_with_tls_context(self, *args: Any, **more: Any) -> ConnectionPool:  # noqa: ANN401 - passed on
        """Return a pool of limited connections."""
        pool = cast("HTTPConnectionPool", super().get_connection_with_tls_context(*args, **more))
        pool.ConnectionCls = self._connections[pool.scheme or "http"]
        return pool
