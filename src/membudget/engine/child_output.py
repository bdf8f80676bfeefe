"""Runs a program whose output is an answer: bounded while it is read, and ended when it takes too long.

The programs evaluate files that a stranger may have written, such as bake files. Such a file can be small and its
output endless.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import IO

from membudget.core.errors import ProgramFailed, shortened

_CHUNK_BYTES = 1 << 16
_FIRST_ERROR_BYTES, _LAST_ERROR_BYTES = 1 << 12, 1 << 14
"""What is kept of the errors: a stack trace has its reason at its top, and most programs have it at the end."""
_LONGEST_REASON = 250
_NO_MEMORY = "out of memory"
"""What a program in Go says before it ends for want of memory."""


def answer_of(
    command: Sequence[str], folder: Path, environ: Mapping[str, str], *, most_bytes: int, most_s: float
) -> str:
    """Return what a program printed. Raises ProgramFailed, also if that is too much or takes too long."""
    try:
        process = subprocess.Popen(
            command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise ProgramFailed(f"{command[0]} cannot be started: {error.strerror}") from None
    assert process.stdout is not None  # noqa: S101 - both are pipes
    assert process.stderr is not None  # noqa: S101
    with process.stdout as said, process.stderr as errors:
        try:
            deadline = time.monotonic() + most_s
            answer, tail = _read(said, errors, most_bytes, deadline)
            exit_code = process.wait(max(0.0, deadline - time.monotonic()))
        except (TimeoutError, subprocess.TimeoutExpired):
            raise ProgramFailed(f"it took longer than {most_s:.0f} s") from None
        finally:
            _end(process)
    if exit_code != 0:
        reason = _reason(tail.decode(errors="replace").splitlines()) or f"exit code {exit_code}"
        raise ProgramFailed(reason, lacked_memory=_NO_MEMORY in reason)
    return answer.decode(errors="replace")


def _read(said: IO[bytes], errors: IO[bytes], most_bytes: int, deadline: float) -> tuple[bytes, bytes]:
    """Return the output, and the beginning and the end of the errors. Raises ProgramFailed and TimeoutError."""
    answer, tail = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(said, selectors.EVENT_READ, answer)
        selector.register(errors, selectors.EVENT_READ, tail)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready or time.monotonic() > deadline:
                raise TimeoutError
            for key, _ in ready:
                chunk = os.read(key.fd, _CHUNK_BYTES)
                if not chunk:
                    selector.unregister(key.fileobj)
                key.data.extend(chunk)
            if len(answer) > most_bytes:
                raise ProgramFailed(f"it printed more than {most_bytes >> 20} MiB")
            del tail[_FIRST_ERROR_BYTES:-_LAST_ERROR_BYTES]
    return bytes(answer), bytes(tail)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and all that it started, also if it has ended itself: what it left may hold the output open."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nothing is left (macOS says EPERM)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _reason(lines: Sequence[str]) -> str | None:
    """Return the last line about an error with the indented lines below it, or else the last line.

    A program in Go that crashes says why in one line, and a stack trace follows.
    """
    crash = next((line for line in lines if line.startswith(("fatal error: ", "panic: "))), None)
    if crash is not None:
        return shortened(crash, _LONGEST_REASON)
    errors = [number for number, line in enumerate(lines) if line.lower().startswith("error")]
    told = lines[errors[-1] :] if errors else [line for line in lines if line.strip()][-1:]
    told = [*told[:1], *takewhile(lambda line: line.startswith(" "), told[1:])]
    return shortened(" ".join(told), _LONGEST_REASON) if told else None
