"""How long servers may take, all calls together."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

Clock = Callable[[], float]
"""Seconds since some time in the past."""


class Deadline:
    """When something has to be over."""

    def __init__(self, seconds: float, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    def left(self) -> float:
        """Seconds; none or less once it has passed."""
        return self._end - self._clock()


class Allowance:
    """Seconds that all calls to servers may take together. The time between two calls does not count."""

    def __init__(self, seconds: float, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._left = seconds
        self._lock = Lock()

    @contextmanager
    def spend(self) -> Iterator[Deadline]:
        """The deadline of a call, or of several: the seconds that are left. What they took is taken off."""
        begun = self._clock()
        try:
            yield Deadline(self._left, self._clock)
        finally:
            with self._lock:
                self._left -= self._clock() - begun
