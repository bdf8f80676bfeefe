"""The client's part of WebSocket (RFC 6455) that a debugger needs: text messages over a connection of little patience.

The other end is untrusted: messages, heads and time are bounded.
"""

import os
import re
import socket
import struct

from membudget.measure.live_heap.confined import NoAnswer, left_s

_LONGEST_HEAD_BYTES = 1 << 14
LONGEST_MESSAGE_BYTES = 1 << 20
"""The longest message, unless a connection says otherwise."""
_MOST_FRAMES = 10_000
"""The most frames that are read on one connection. The other end could send empty ones for ever."""
_CONTINUED, _TEXT, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x8, 0x9, 0xA
_LENGTH = re.compile(rb"^content-length: *(\d{1,7})\r?$", re.IGNORECASE | re.MULTILINE)


class Connection:
    """A TCP connection to a port on loopback, with a deadline on `time.monotonic`."""

    def __init__(self, port: int, deadline: float, longest_message_bytes: int = LONGEST_MESSAGE_BYTES) -> None:
        self._deadline = deadline
        self._longest_bytes = longest_message_bytes
        self._data = b""
        self._frames = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.settimeout(left_s(self._deadline))
        self._socket.connect(("127.0.0.1", port))
        self._host = f"127.0.0.1:{port}"

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def get(self, path: str) -> bytes:
        """Return the body of a resource, over HTTP. Raises NoAnswer and OSError."""
        self._send(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())
        head = self._head()
        length = _LENGTH.search(head)
        if not re.match(rb"HTTP/1\.\d 200\b", head) or length is None:
            raise NoAnswer("its inspector did not answer")
        return self._take(int(length[1]))

    def upgrade(self, path: str) -> None:
        """Turn the connection into a WebSocket. Raises NoAnswer and OSError."""
        lines = (
            f"GET {path} HTTP/1.1", f"Host: {self._host}", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: bWVtYnVkZ2V0LWhlYXBzIQ==",
        )  # fmt: skip
        self._send("\r\n".join((*lines, "", "")).encode())
        if not self._head().startswith(b"HTTP/1.1 101"):
            raise NoAnswer("its inspector refused the debugger")

    def send(self, text: str) -> None:
        """Send a message."""
        self._frame(_TEXT, text.encode())

    def receive(self) -> bytes:
        """Return the next message. Raises NoAnswer, TimeoutError and OSError."""
        message = b""
        while True:
            is_last, code, payload = self._next_frame()
            if code == _PING:
                self._frame(_PONG, payload[:125])
            elif code == _CLOSE:
                raise NoAnswer("its inspector closed the connection")
            elif code in (_TEXT, _CONTINUED):
                message += payload
                if len(message) > self._longest_bytes:
                    raise NoAnswer(f"its inspector sent a message of more than {self._longest_bytes >> 20} MiB")
                if is_last:
                    return message

    def _frame(self, code: int, payload: bytes) -> None:
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + struct.pack("!H", size)
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        self._send(bytes([0x80 | code]) + length + mask + masked)

    def _next_frame(self) -> tuple[bool, int, bytes]:
        self._frames += 1
        if self._frames > _MOST_FRAMES:
            raise NoAnswer("its inspector sent too many messages")
        first, second = self._take(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", self._take(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._take(8))
        if second & 0x80 or size > self._longest_bytes:
            largest = f"{self._longest_bytes >> 20} MiB"
            raise NoAnswer(f"its inspector sent a message that is none, or of more than {largest}")
        return bool(first & 0x80), first & 0xF, self._take(size)

    def _head(self) -> bytes:
        while b"\r\n\r\n" not in self._data:
            if len(self._data) > _LONGEST_HEAD_BYTES:
                raise NoAnswer("its inspector sent no answer of HTTP")
            self._more()
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        return head

    def _take(self, count: int) -> bytes:
        while len(self._data) < count:
            self._more()
        taken, self._data = self._data[:count], self._data[count:]
        return taken

    def _more(self) -> None:
        self._socket.settimeout(left_s(self._deadline))
        data = self._socket.recv(1 << 16)
        if not data:
            raise NoAnswer("its inspector closed the connection")
        self._data += data

    def _send(self, data: bytes) -> None:
        self._socket.settimeout(left_s(self._deadline))
        self._socket.sendall(data)
