"""A helper as a local process."""

import os
import select
import subprocess
import sys
import tempfile
import time

from membudget.engine.child_environment import helper_environment
from membudget.engine.helper import HelperFailed, LineBuffer

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
        """End it: it leaves by itself when its input ends, and is killed if it has not after `grace_s`."""
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
