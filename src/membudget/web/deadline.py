"""How long servers may take, all calls together."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime
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


_LONGEST_NUMBER = 12
_LONGEST_DATE = 64


def asked_wait(text: str | None, now: float) -> float | None:
    """Seconds from `now`, as `time.time` has it. None where the header is absent, or has neither seconds nor a date."""
    seconds = whole_number(text)
    if seconds is not None or text is None or len(text) > _LONGEST_DATE:
        return seconds
    try:
        date = parsedate_to_datetime(text)
        return max(0.0, (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def whole_number(text: str | None) -> float | None:
    """A header's number: up to twelve plain digits. None where it is anything else."""
    is_number = text is not None and text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER
    return float(text) if is_number and text is not None else None
