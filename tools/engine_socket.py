"""Sockets on which engines answer. Standard library only, like tools/engine.py."""

import contextlib
import socket
from pathlib import Path


def answers(path: Path) -> bool:
    """Whether an engine answers on a socket."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(path))
        connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
        return b" 200 " in connection.recv(64)
    return False
