"""Work on several things at once, on threads, so that an interruption ends all of it."""

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_SIGNALS_S = 0.2
"""Signals reach the main thread between two waits of this length."""


def side_by_side(work: Callable[[T], R], things: Iterable[T], jobs: int, cancel: Callable[[], None]) -> list[R]:
    """`work` done on each of `things`, `jobs` at a time; results in the order of `things`.

    With one job everything happens in the calling thread. When work fails or a signal interrupts, what has not begun
    is left, `cancel` is called to end what runs, and the first exception is raised once all threads are done.
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
