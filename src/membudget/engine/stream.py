"""The engine's hijacked connections: two streams in frames over one socket, for attach and exec.

Format: eight bytes of header (stream, three zeros, big-endian length), then the payload
(Engine API, "Attach to a container", stream format).
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
        self._owner = sdk_socket  # the SDK's wrapper closes the connection when it is collected
        self._socket = _inner_socket(sdk_socket)
        self._buffer = bytearray()
        self._stream = STDOUT
        self._left = 0
        """Of the payload of the frame that is being read."""

    def send(self, data: bytes) -> None:
        """Write to the process's standard input."""
        self._socket.sendall(data)

    def end_input(self) -> None:
        """The process sees the end of its standard input; its output goes on."""
        with contextlib.suppress(OSError):  # it ended, and the engine hung up
            self._socket.shutdown(socket.SHUT_WR)

    def next_frame(self, deadline: float) -> tuple[int, bytes] | None:
        """The next (stream, payload), or None at the end of the stream. A large frame comes in several pieces.

        `deadline` is on `time.monotonic`. Raises TimeoutError when it passes first.
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
        """Hang up; the process sees the end of its standard input."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        # From the top down: a response that finds what it reads from closed already complains when it is collected.
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
    """Give a process `data` on its standard input, then the end of it, while its output is read elsewhere.

    A process that does not read it all is none of our business: the thread ends when the stream is closed.
    """

    def write() -> None:
        with contextlib.suppress(OSError):
            stream.send(data)
        stream.end_input()

    threading.Thread(target=write, name="membudget-input", daemon=True).start()


def _inner_socket(sdk_socket: object) -> _Socket:
    """The socket itself: the SDK hands out a reader around it, which cannot write, for Unix sockets."""
    inner: _Socket = getattr(sdk_socket, "_sock", cast("_Socket", sdk_socket))
    return inner


class LineTail:
    """The last lines of an output of any length, in bounded memory."""

    def __init__(self, lines: int = 50, longest_line: int = 2000) -> None:
        self._lines: deque[str] = deque(maxlen=lines)
        self._longest = longest_line
        self._open = bytearray()

    def feed(self, data: bytes) -> None:
        """Add output as it comes."""
        *complete, rest = data.split(b"\n")
        for line in complete:
            self._extend(line)
            self._lines.append(self._open.decode(errors="replace").rstrip("\r"))
            self._open.clear()
        self._extend(rest)

    def lines(self) -> tuple[str, ...]:
        """The last lines, an unfinished one included."""
        unfinished = [self._open.decode(errors="replace")] if self._open else []
        return tuple([*self._lines, *unfinished][-(self._lines.maxlen or 0) :])

    def _extend(self, part: bytes) -> None:
        self._open += part[: max(0, self._longest - len(self._open))]
