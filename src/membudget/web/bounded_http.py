"""Requests whose answers are bounded in bytes and in time, from the first byte on.

requests and urllib3 bound neither: each read has a timeout of its own, so one byte a second goes on for ever; interim
answers, headers, lines of chunks and the bodies of redirects are read without end; and compressed bodies grow a
thousandfold. So what the HTTP library reads from is ours: it counts, and looks at the clock before each read.
"""

import io
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.client import HTTPResponse
from threading import Lock
from typing import Any, Protocol, cast
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool, HTTPConnectionPool

_MOST_HEAD_BYTES = 1 << 18
"""Of interim answers, status line and headers. GitHub's have six kilobytes."""
_LONGEST_LINE = 1 << 16
_MOST_REDIRECTS = 5
_CHUNK_BYTES = 1 << 16
_LEAST_S = 0.001
"""A socket takes no shorter timeout for one."""

Clock = Callable[[], float]
"""Returns the seconds since some time in the past."""
Login = Callable[[requests.PreparedRequest], requests.PreparedRequest]
"""Adds what authorises a request."""


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


class PastLimit(Exception):
    """A server takes too long, or sends too much. `str()` is what it did, to be put after the server's name."""


class TooSlow(PastLimit):
    """The deadline has passed."""

    def __init__(self) -> None:
        super().__init__("took too long to answer")


class TooLarge(PastLimit):
    """What it sends is larger than anything we asked for."""


class Limits:
    """How long a server may take, and how much it may send. `body_bytes` may change between two requests."""

    def __init__(self, deadline: Deadline, body_bytes: int, idle_s: float) -> None:
        """`body_bytes`: of one answer's body as it is sent, with what wraps chunks. `idle_s`: seconds of silence."""
        self.deadline = deadline
        self.body_bytes = body_bytes
        self.idle_s = idle_s

    def patience(self) -> float:
        """Seconds that the next read may take. Raises TooSlow where there are none."""
        left = self.deadline.left()
        if left <= 0:
            raise TooSlow
        return max(_LEAST_S, min(self.idle_s, left))


class _Session(requests.Session):
    """One to which no answer is a redirect: requests reads the bodies of those, and decompresses them, without end."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None."""
        del resp


@contextmanager
def bounded_session(limits: Limits) -> Iterator[requests.Session]:
    """A session for requests under `limits`. Give it to `ask`."""
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
    """The answer, its body unread. Redirects of a GET are followed, without login where they lead to another server.

    Raises PastLimit and requests.RequestException.
    """
    sent = {"Accept-Encoding": "identity", **(headers or {})}
    for _ in range(_MOST_REDIRECTS):
        answer = session.request(
            method,
            url,
            params=query,
            data=content,
            headers=sent,
            auth=login or nobody,
            timeout=limits.patience(),
            stream=True,
            allow_redirects=False,
        )
        if not (follows and method == "GET" and answer.is_redirect):
            return answer
        answer.close()  # unread
        try:
            asked, url, query = answer.url, urljoin(answer.url, answer.headers["Location"]), None
        except ValueError:  # brackets that hold no address
            raise requests.exceptions.InvalidURL from None
        if session.should_strip_auth(asked, url):  # type: ignore[no-untyped-call] # as the stubs have it
            login = None
            sent = {name: value for name, value in sent.items() if name != "Authorization"}
    raise requests.TooManyRedirects


def nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No login: without one, requests would take that of `.netrc`."""
    return request


def body(answer: requests.Response, most_bytes: int) -> bytes:
    """The body. Raises PastLimit where it has more than `most_bytes`, and what urllib3 raises."""
    content = bytearray()
    for chunk in chunks(answer):
        content += chunk
        if len(content) > most_bytes:
            raise TooLarge(f"sent more than {most_bytes:,} bytes")
    return bytes(content)


def chunks(answer: requests.Response) -> Iterator[bytes]:
    """The body as it comes. Nothing is decompressed: we ask for nothing that would have to be."""
    if answer.headers.get("Content-Encoding", "identity").strip().lower() not in ("identity", ""):
        raise PastLimit("sent a compressed answer, which nobody asked for")
    while chunk := answer.raw.read(_CHUNK_BYTES, decode_content=False):
        yield chunk


class _Socket(Protocol):
    def settimeout(self, seconds: float | None, /) -> None: ...


class _Source(io.RawIOBase):
    """What a connection gives, as long as it may."""

    def __init__(self, stream: io.RawIOBase, connection: _Socket, limits: Limits) -> None:
        super().__init__()
        self._stream = stream
        self._connection = connection
        self._limits = limits
        self._left = _MOST_HEAD_BYTES
        self._is_head = True

    def body_begins(self) -> None:
        """All before it was read, and a part of it may have been."""
        self._left = self._limits.body_bytes
        self._is_head = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int | None:
        """Raises PastLimit."""
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
    """Lines of bounded length: urllib3 asks for those of chunks without a bound."""

    def readline(self, size: int | None = -1, /) -> bytes:
        bounded = size is not None and 0 <= size <= _LONGEST_LINE + 1
        line = super().readline(size if bounded else _LONGEST_LINE + 1)
        if not bounded and len(line) > _LONGEST_LINE:
            raise TooLarge(f"sent a line of more than {_LONGEST_LINE:,} bytes")
        return line


class _BoundedResponse(HTTPResponse):
    """An answer that is read through ours."""

    def __init__(self, connection: socket.socket, *args: object, limits: Limits, **more: object) -> None:
        super().__init__(connection, *args, **more)  # type: ignore[arg-type] # as http.client gives them
        self._source = _Source(self.fp.detach(), connection, limits)
        self.fp = _Reader(self._source)

    def begin(self) -> None:
        super().begin()
        self._source.body_begins()


class _BoundedAdapter(HTTPAdapter):
    """Makes connections whose answers are bounded."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(max_retries=0)
        answers = staticmethod(partial(_BoundedResponse, limits=limits))
        self._connections = {
            scheme: type(kind.__name__, (kind,), {"response_class": answers})
            for scheme, kind in (("http", HTTPConnection), ("https", HTTPSConnection))
        }

    def get_connection_with_tls_context(self, *args: Any, **more: Any) -> ConnectionPool:  # noqa: ANN401 - passed on
        """A pool of them."""
        pool = cast("HTTPConnectionPool", super().get_connection_with_tls_context(*args, **more))
        pool.ConnectionCls = self._connections[pool.scheme or "http"]
        return pool
