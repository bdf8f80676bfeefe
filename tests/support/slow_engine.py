"""An engine behind a slow way: a proxy before its socket that holds back each request for a time."""

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.serving import serving

_METHODS = (b"GET ", b"POST ", b"PUT ", b"DELETE ", b"HEAD ")
_PIECE_BYTES = 1 << 16


class _Proxy(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """A thread for each connection; closing it waits for all."""

    def __init__(self, path: Path, engine: str, delay_s: float) -> None:
        super().__init__(str(path), _Connection)
        self.engine, self.delay_s = engine, delay_s


class _Connection(socketserver.BaseRequestHandler):
    server: _Proxy

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX) as engine:
            engine.connect(self.server.engine)
            answers = threading.Thread(target=_forward, args=(engine, self.request, 0.0))
            answers.start()
            _forward(self.request, engine, self.server.delay_s)
            answers.join()


@contextmanager
def slow_engine(address: str, folder: Path, delay_s: float) -> Iterator[str]:
    """The address of a proxy before the engine at `address`, a Unix socket, which delays each request."""
    path = folder / "slow.sock"
    with serving(_Proxy(path, address.removeprefix("unix://"), delay_s)):
        yield f"unix://{path}"


def _forward(source: socket.socket, target: socket.socket, delay_s: float) -> None:
    """Pass on what comes until it ends; then say so to the other side."""
    with contextlib.suppress(OSError):
        while piece := source.recv(_PIECE_BYTES):
            if piece.startswith(_METHODS):
                time.sleep(delay_s)
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
