"""Asks CPython for its live heap. It has to be started with `in_python/sitecustomize.py`, which answers a signal."""

import os
import re
import stat
import time

from membudget.measure.live_heap.confined import Answer, NoAnswer
from membudget.measure.live_heap.messages import LONGEST_REASON
from membudget.measure.live_heap.runtimes import RunningRuntime

ASKED_BY = 63
"""SIGRTMAX - 1, for which the module has a handler."""
_ANSWER_FILE = "/memfd:membudget-live-heap (deleted)"
_ANSWER = re.compile(r"bytes=(\d{1,18})\n|error=([^\n]{0,400})\n")
_MOST_FILES = 100_000
_POLL_S = 0.05
_AGAIN_S = 2.0
"""How often it is asked. A signal that comes right before a blocking call does not interrupt it, and Python then waits
with its handler until the call ends.
"""


def ask(process: RunningRuntime, timeout_s: float) -> Answer:
    """Return the bytes that Python's allocator and malloc have given out, after three collections.

    Needs no confined child: it only sends a signal, and reads a number.
    """
    try:
        return Answer(_live_bytes(process, time.monotonic() + timeout_s))
    except NoAnswer as error:
        return Answer(None, str(error)[:LONGEST_REASON])
    except TimeoutError:
        return Answer(None, "it did not answer in time")
    except OSError as error:
        return Answer(None, f"it could not be asked: {error}"[:LONGEST_REASON])


def _live_bytes(process: RunningRuntime, deadline: float) -> int:
    if ASKED_BY not in process.caught:
        raise NoAnswer("it cannot be asked: it runs with -I, -E or -S, or in a service of a compose file")
    asked_at = float("-inf")
    while (said := _said(process.folder, deadline)) is None:
        if time.monotonic() - asked_at >= _AGAIN_S:
            process.signal(ASKED_BY)
            asked_at = time.monotonic()
        time.sleep(_POLL_S)
    if said[2] is not None:
        raise NoAnswer(said[2])
    return int(said[1])


def _said(folder: int, deadline: float) -> re.Match[str] | None:
    """Return the answer, if the process has written one."""
    files = os.open("fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        with os.scandir(files) as listed:
            for count, entry in enumerate(listed):
                if count > _MOST_FILES:
                    raise NoAnswer(f"it has more than {_MOST_FILES:,} open files")
                if time.monotonic() > deadline:
                    raise TimeoutError
                if _link(entry.name, files) == _ANSWER_FILE:
                    return _ANSWER.fullmatch(_content(entry.name, files))
    finally:
        os.close(files)
    if time.monotonic() > deadline:
        raise TimeoutError
    return None


def _link(name: str, folder: int) -> str | None:
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError:  # it has just been closed
        return None


def _content(name: str, folder: int) -> str:
    descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NoAnswer("its answer is no file")
        return file.read(1000).decode(errors="replace")
