"""The engine's hijacked connections, which send two streams in frames over one socket, for attach and exec.

Format: a header of eight bytes (stream, three zeros, big-endian length), then the payload (Engine API, "Attach to a
container", stream format).
"""

import contextlib
import socket
import struct
import threading
import time
from collections import deque
from typing import Protocol, cast

import requests

STDOUT = 1
"""The number of standard output. Standard error is 2."""
_PIECE_BYTES = 1 << 16


class _Socket(Protocol):
    def recv(self, size: int, /) -> bytes: ...
    def sendall(self, data: bytes, /) -> None: ...
    def settimeout(self, seconds: float | None, /) -> None: ...
    def shutdown(self, how: int, /) -> None: ...
    def close(self) -> None: ...


class FramedStream:
    """Frames of a hijacked connection, read with a deadline."""

    def __init__(self, sdk_socket: object) -> None:
        self._owner = sdk_socket  # the SDK's wrapper closes the connection when it is garbage-collected
        self._socket = _inner_socket(sdk_socket)
        self._buffer = bytearray()
        self._stream = STDOUT
        self._left = 0
        """The number of unread bytes in the payload of the current frame."""

    def send(self, data: bytes) -> None:
        """Write to the process's standard input."""
        self._socket.sendall(data)

    def end_input(self) -> None:
        """Close the process's standard input. Its output remains open."""
        with contextlib.suppress(OSError):  # the process ended, and the engine closed the connection
            self._socket.shutdown(socket.SHUT_WR)

    def next_frame(self, deadline: float) -> tuple[int, bytes] | None:
        """Return the next (stream, payload), or None at the end. A large frame is returned in several pieces.

        `deadline` is a time of `time.monotonic`. Raises TimeoutError after it.
        """
        if self._left == 0:
            header = self._take(8, deadline)
            if header is None:
                return None
            self._stream, self._left = struct.unpack(">BxxxL", header)
        payload = self._take(min(self._left, _PIECE_BYTES), deadline)
        if payload is None:
            return None
        self._left -= len(payload)
        return self._stream, payload

    def close(self) -> None:
        """Close the connection, which also closes the process's standard input."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        # Close the wrappers first. When a response is garbage-collected after its source was closed, it raises an
        # error.
        response = getattr(self._owner, "_response", None)
        if isinstance(response, requests.Response):
            response.close()
        if isinstance(self._owner, socket.SocketIO):
            self._owner.close()
        self._socket.close()

    def _take(self, size: int, deadline: float) -> bytes | None:
        while len(self._buffer) < size:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TimeoutError
            self._socket.settimeout(remaining)
            received = self._socket.recv(65_536)
            if not received:
                return None
            self._buffer += received
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


def feed(stream: FramedStream, data: bytes) -> None:
    """Write `data` to a process's standard input and close it, while its output is read elsewhere.

    Data that the process does not read is ignored. The thread ends when the stream is closed.
    """

    def write() -> None:
        with contextlib.suppress(OSError):
            stream.send(data)
        stream.end_input()

    threading.Thread(target=write, name="membudget-input", daemon=True).start()


def _inner_socket(sdk_socket: object) -> _Socket:
    """Return the socket itself. For Unix sockets, the SDK returns a reader around it, which cannot write."""
    inner: _Socket = getattr(sdk_socket, "_sock", cast("_Socket", sdk_socket))
    return inner


class LineTail:
    """The last lines of an output of any length, in bounded memory."""

    def __init__(self, lines: int = 50, longest_line: int = 2000) -> None:
        self._lines: deque[str] = deque(maxlen=lines)
        self._longest = longest_line
        self._open = bytearray()

    def feed(self, data: bytes) -> None:
        """Add a piece of the output."""
        *complete, rest = data.split(b"\n")
        for line in complete:
            self._extend(line)
            self._lines.append(self._open.decode(errors="replace").rstrip("\r"))
            self._open.clear()
        self._extend(rest)

    def lines(self) -> tuple[str, ...]:
        """Return the last lines, including an unfinished one."""
        unfinished = [self._open.decode(errors="replace")] if self._open else []
        return tuple([*self._lines, *unfinished][-(self._lines.maxlen or 0) :])

    def _extend(self, part: bytes) -> None:
        self._open += part[: max(0, self._longest - len(self._open))]
