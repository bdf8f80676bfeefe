"""A server that answers each request with more than anybody asked for, and counts what it got rid of."""

import itertools
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.support.serving import serving

_OK = b"HTTP/1.1 200 OK\r\n"
_PIECE = b"x" * 65_536


def _drip() -> Iterator[bytes]:
    """A byte, and a byte, as slowly as the reader's patience allows."""
    yield _OK + b"Content-Length: 1000000\r\n\r\n"
    pause = threading.Event()
    while True:
        yield b" "
        pause.wait(0.02)


ANSWERS: dict[str, Callable[[], Iterable[bytes]]] = {
    "a body without an end": lambda: itertools.chain(
        [_OK, b"Content-Length: 1000000000000\r\n\r\n"], itertools.repeat(_PIECE)
    ),
    "a body of no told length": lambda: itertools.chain([_OK, b"\r\n"], itertools.repeat(_PIECE)),
    "chunks without an end": lambda: itertools.chain(
        [_OK, b"Transfer-Encoding: chunked\r\n\r\n"], itertools.repeat(b"10000\r\n" + _PIECE + b"\r\n")
    ),
    "a length of a chunk without an end": lambda: itertools.chain(
        [_OK, b"Transfer-Encoding: chunked\r\n\r\n1;"], itertools.repeat(_PIECE)
    ),
    "headers without an end": lambda: itertools.chain([_OK], itertools.repeat(b"X-More: " + b"x" * 1000 + b"\r\n")),
    "interim answers without an end": lambda: itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a status line without an end": lambda: itertools.chain([b"HTTP/1.1 200 "], itertools.repeat(_PIECE)),
    "a redirect with a body without an end": lambda: itertools.chain(
        [b"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n"], itertools.repeat(_PIECE)
    ),
    "a compressed body": lambda: [
        _OK,
        b"Content-Encoding: gzip\r\nContent-Length: 20\r\n\r\n",
        b"\x1f\x8b" + b"x" * 18,
    ],
}
SLOW = "one byte after the other"


@dataclass(slots=True)
class Hostile:
    """What is known of it."""

    host: str
    sent_bytes: int = 0
    connections: int = 0
    """How many asked for something."""


@contextmanager
def hostile_server(answer: str) -> Iterator[Hostile]:
    """One that answers each connection's first request so."""
    made = ANSWERS.get(answer, _drip)

    class Connection(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(30)
            self.request.recv(65_536)
            hostile.connections += 1
            try:
                for piece in made():
                    self.request.sendall(piece)
                    hostile.sent_bytes += len(piece)
            except OSError:  # the reader has gone
                return

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection)
    hostile = Hostile(f"127.0.0.1:{server.server_address[1]}")
    with serving(server):
        yield hostile
