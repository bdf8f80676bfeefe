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

    def within(self, seconds: float) -> "Deadline":
        """One that passes `seconds` from now, or with this one where that is earlier."""
        return Deadline(min(seconds, self.left()), self._clock)


class Allowance:
    """Seconds that one may spend on servers in all. What lies between two calls does not count."""

    def __init__(self, seconds: float, clock: Clock = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._left = seconds
        self._lock = Lock()

    def renew(self) -> None:
        """Another conversation begins."""
        with self._lock:
            self._left = self.seconds

    @contextmanager
    def spend(self) -> Iterator[Deadline]:
        """Spend what is left, or a part of it."""
        begun = self._clock()
        try:
            yield Deadline(self._left, self._clock)
        finally:
            with self._lock:
                self._left -= self._clock() - begun
