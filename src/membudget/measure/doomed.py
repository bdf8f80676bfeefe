"""Ends a trial at its first OOM kill, if only its outcome matters.

A service may restart what the kernel kills, and run on until its timeout. Nothing that follows can make it pass.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from membudget.core.errors import EnvironmentFault

_ASK_EVERY_S = 0.1


@contextmanager
def ended_at_first_kill(
    kills: Callable[[], int | None], end: Callable[[], None], every_s: float = _ASK_EVERY_S
) -> Iterator[None]:
    """Call `end` once, from a thread of its own, as soon as `kills` returns more than 0.

    `kills` returns None while nothing is known. An EnvironmentFault of either ends the watch: the trial's own thread
    reports it.
    """
    over = threading.Event()

    def watch() -> None:
        with contextlib.suppress(EnvironmentFault):
            while not over.wait(every_s):
                if kills():
                    end()
                    return

    watching = threading.Thread(target=watch, name="membudget-doomed", daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()
