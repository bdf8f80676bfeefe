"""Helper processes: small programs of ours that work where membudget itself may not be.

A helper reads one JSON object a line and answers each with one. It runs as a local process when membudget sees the
engine's machine as it is, and in a container when it does not (inside the action, or without root).
"""

import os
import select
import subprocess
import sys
import tempfile
import time
from typing import Protocol

from membudget.core.errors import EnvironmentFault
from membudget.engine.child_environment import helper_environment


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


_GRACE_S = 2.0
_TOLD_BYTES = 2000
"""Of what it wrote to standard error."""


class SubprocessHelper:
    """`python -m MODULE`, talked to over pipes. Its own session: a Ctrl-C at the terminal is for us alone."""

    def __init__(self, module: str, longest_line_bytes: int = 1 << 20) -> None:
        self._module = module
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._lines = LineBuffer(longest_line_bytes)
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            env=helper_environment(os.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )

    def send(self, line: str) -> None:
        """Give it one line."""
        pipe = self._process.stdin
        assert pipe is not None  # noqa: S101 - Popen was given PIPE
        try:
            pipe.write(line.encode() + b"\n")
            pipe.flush()
        except (BrokenPipeError, ValueError):
            raise self._failure("ended early") from None

    def receive(self, timeout_s: float) -> str:
        """Its next line."""
        pipe = self._process.stdout
        assert pipe is not None  # noqa: S101 - Popen was given PIPE
        deadline = time.monotonic() + timeout_s
        while (line := self._lines.next()) is None:
            readable, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                raise TimeoutError
            received = os.read(pipe.fileno(), 1 << 20)
            if not received:
                raise self._failure("ended early")
            self._lines.feed(received)
        return line

    def close(self, grace_s: float = _GRACE_S) -> None:
        """Close its input, which ends it. Kill it where it still runs after `grace_s` seconds."""
        process = self._process
        try:
            if process.stdin is not None:
                process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
        self._errors.close()

    def _failure(self, what: str) -> HelperFailed:
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - _TOLD_BYTES))
        said = self._errors.read(_TOLD_BYTES).decode(errors="replace").strip()
        return HelperFailed(f"the helper {self._module} {what}: {said or 'it said nothing'}")
