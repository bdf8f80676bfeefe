"""Work: done side by side on threads, and ended by one signal that spares clean-up.

Signals belong to the process, and so does the state of this module. Callers that never install the handlers, such as
tests, are not affected.
"""

import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from membudget.core.errors import Interrupted
from membudget.core.quantities import parse_whole

T = TypeVar("T")
R = TypeVar("R")

MOST_JOBS = 64
"""The most images that may be measured side by side."""
AUTO_JOBS = "auto"
"""Stands for as many images side by side as have CPUs and memory of their own."""


def parse_jobs(text: str) -> int | None:
    """Return the number of images to measure side by side. None stands for "auto". Raises ValueError."""
    if text == AUTO_JOBS:
        return None
    try:
        return parse_whole(text, 1, MOST_JOBS)
    except ValueError as error:
        raise ValueError(f"{AUTO_JOBS} or {error}") from None


_SIGNALS_S = 0.2
"""How often the main thread wakes up to receive signals."""


def side_by_side(work: Callable[[T], R], things: Iterable[T], jobs: int, cancel: Callable[[], None]) -> list[R]:
    """Run `work` on each of `things`, `jobs` at a time. Return the results in the order of `things`.

    With one job, everything runs in the calling thread. If work fails or a signal arrives, remaining work is dropped,
    `cancel` is called to end running work, and the first exception is raised once all threads have ended.
    """
    if jobs <= 1:
        return [work(thing) for thing in things]
    with ThreadPoolExecutor(jobs, thread_name_prefix="membudget") as threads:
        futures = [threads.submit(work, thing) for thing in things]
        try:
            left = set(futures)
            while left:
                done, left = wait(left, timeout=_SIGNALS_S, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            cancel()
            raise
        return [future.result() for future in futures]


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _State:
    shields = 0
    pending = False
    unwinding = False


def install_signal_handlers() -> None:
    """Make the first of these signals raise Interrupted in the main thread. Later signals are ignored."""
    for number in _SIGNALS:
        if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
            continue  # nohup(1): the process has to outlive its terminal
        signal.signal(number, _on_signal)


def _on_signal(number: int, frame: FrameType | None) -> None:
    del number, frame
    if _State.unwinding:
        return
    if _State.shields:
        _State.pending = True
        return
    _State.unwinding = True
    raise Interrupted


@contextmanager
def shielded() -> Iterator[None]:
    """Hold signals back until the block ends."""
    _State.shields += 1
    try:
        yield
    finally:
        _State.shields -= 1
        if _State.pending and not _State.shields:
            _State.pending = False
            _State.unwinding = True
            raise Interrupted
