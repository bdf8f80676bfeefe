"""Helper processes: small programs of ours that work where membudget itself may not be.

A helper reads one JSON object a line and answers each with one. It runs as a local process when membudget sees the
engine's machine as it is, and in a container when it does not (inside the action, or without root).
"""

from typing import Protocol

from membudget.core.errors import EnvironmentFault


class HelperFailed(EnvironmentFault):
    """A helper ended, or did not answer in time."""


class Helper(Protocol):
    """A running helper. `close` ends it, whatever state it is in."""

    def send(self, line: str) -> None:
        """Give it one line. Raises HelperFailed when it is gone."""

    def receive(self, timeout_s: float) -> str:
        """Its next line. Raises TimeoutError, or HelperFailed when it is gone."""

    def close(self) -> None:
        """End it. Never raises."""


class LineBuffer:
    """Puts lines together from what comes in pieces. A line has an end, or its helper has failed."""

    def __init__(self, longest_bytes: int = 1 << 20) -> None:
        self._longest = longest_bytes
        self._buffer = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> None:
        """Add a piece. Raises HelperFailed when a line is too long."""
        self._buffer += data
        if len(self._buffer) > self._longest and self._end() < 0:
            self._buffer.clear()
            raise HelperFailed(f"a helper sent a line of more than {self._longest >> 20} MiB")

    def next(self) -> str | None:
        """The first whole line, which is taken out; None when there is none yet."""
        end = self._end()
        if end < 0:
            return None
        line = self._buffer[:end].decode(errors="replace")
        del self._buffer[: end + 1]
        self._searched = 0
        return line

    def _end(self) -> int:
        end = self._buffer.find(b"\n", self._searched)
        self._searched = len(self._buffer) if end < 0 else end
        return end
