"""Asks CPython for its live heap. It has to be started with `in_python/sitecustomize.py`, which answers a signal."""

import re
import time

from membudget.measure.live_heap.anonymous_files import content, open_files
from membudget.measure.live_heap.confined import Answer, NoAnswer
from membudget.measure.live_heap.messages import LONGEST_REASON
from membudget.measure.live_heap.runtimes import RunningRuntime

ASKED_BY = 63
"""SIGRTMAX - 1, for which the module has a handler."""
_ANSWER_FILE = "/memfd:membudget-live-heap (deleted)"
_ANSWER = re.compile(r"bytes=(\d{1,18})\n|error=([^\n]{0,400})\n")
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
    answers = (number for link, number in open_files(folder, deadline) if link == _ANSWER_FILE)
    number = next(answers, None)
    return _ANSWER.fullmatch(content(folder, number, 1000).decode(errors="replace")) if number is not None else None
