"""Asks CPython and Ruby for their live heaps. They have to be started with a module of ours, which answers a signal.

The modules are `in_python/sitecustomize.py` and `in_ruby/live_heap.rb`.
"""

import re
import time

from membudget.measure.live_heap.anonymous_files import content, open_files
from membudget.measure.live_heap.confined import LiveHeapAnswer, NoAnswer
from membudget.measure.live_heap.messages import LONGEST_REASON, AskableRuntime
from membudget.measure.live_heap.runtimes import RunningRuntime

ASKED_BY = 63
"""SIGRTMAX - 1, for which the modules have a handler."""
_ANSWER_FILES = frozenset(f"{folder}membudget-live-heap (deleted)" for folder in ("/memfd:", "/dev/shm/", "/tmp/"))  # noqa: S108
_ANSWER = re.compile(r"bytes=(\d{1,18})\n|error=([^\n]{0,400})\n")
_UNASKED = {
    AskableRuntime.CPYTHON: "it runs with -I, -E or -S",
    AskableRuntime.RUBY: "the service replaces RUBYOPT",
}
"""Why a process may have been started without our module."""
_POLL_S = 0.05
_AGAIN_S = 2.0
"""How often it is asked. A signal that comes right before a blocking call does not interrupt it, and Python then waits
with its handler until the call ends.
"""


def ask(process: RunningRuntime, timeout_s: float) -> LiveHeapAnswer:
    """Return the bytes that a Python or a Ruby keeps after three collections.

    Python says what its allocator and malloc have given out, Ruby how large its objects are.
    Needs no confined child: it only sends a signal, and reads a number.
    """
    try:
        return LiveHeapAnswer(_live_bytes(process, time.monotonic() + timeout_s))
    except NoAnswer as error:
        return LiveHeapAnswer(None, str(error)[:LONGEST_REASON])
    except TimeoutError:
        return LiveHeapAnswer(None, "it did not answer in time")
    except OSError as error:
        return LiveHeapAnswer(None, f"it could not be asked: {error}"[:LONGEST_REASON])


def _live_bytes(process: RunningRuntime, deadline: float) -> int:
    if ASKED_BY not in process.caught:
        raise NoAnswer(f"it cannot be asked: {_UNASKED[process.runtime]}, or it is in a service of a compose file")
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
    answers = (number for link, number in open_files(folder, deadline) if link in _ANSWER_FILES)
    number = next(answers, None)
    return _ANSWER.fullmatch(content(folder, number, 1000).decode(errors="replace")) if number is not None else None
