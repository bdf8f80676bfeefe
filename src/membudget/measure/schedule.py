"""Decides which trial comes next, and which may run beside it."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from membudget.measure.probe.messages import Depth
from membudget.measure.trial import Outcome, Trial


class Admission:
    """Admits trials. Threads wait until there is room."""

    def __init__(self, places: int, free_bytes: int) -> None:
        self._places = places
        self._most = self._free = free_bytes
        self._running = 0
        self._changed = threading.Condition()

    @contextmanager
    def admitted(self, limit_bytes: int | None) -> Iterator[None]:
        """Reserve room for one trial that may use up to `limit_bytes`. If that is None, the trial runs alone.

        A trial that asks for more than there is also runs alone. The kernel then decides whether the memory suffices.
        """
        need = self._most if limit_bytes is None else min(limit_bytes, self._most)
        with self._changed:
            self._changed.wait_for(lambda: self._running < self._places and need <= self._free)
            self._running += 1
            self._free -= need
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._free += need
                self._changed.notify_all()


def cpu_shares(cpus: int, places: int) -> list[tuple[int, ...]]:
    """Return the CPUs of each place. Places share CPUs only if there are fewer CPUs than places."""
    share = max(1, cpus // places)
    return [tuple(number % cpus for number in range(place * share, (place + 1) * share)) for place in range(places)]


def cpu_list(share: tuple[int, ...], wanted: int, cpus: int) -> str | None:
    """Return the CPUs of one container as the kernel lists them: `wanted` CPUs of a share. None means all CPUs."""
    given = share[:wanted]
    return None if len(given) == cpus else ",".join(map(str, given))


T = TypeVar("T")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Turn(Generic[T]):
    """One trial to run."""

    side: T
    number: int
    """The number of the trial, from 1. 0 is the warm-up, whose figures are discarded unless only there a process was
    OOM-killed.
    """

    @property
    def is_warm_up(self) -> bool:
        """Whether this trial is the warm-up, which fills the page cache."""
        return self.number == 0


def interleaved(sides: Sequence[T], trials: int) -> Iterator[Turn[T]]:
    """Yield a warm-up of each side, then `trials` of each side in turn, reversing the order every round (ABBA).

    Any drift of the machine then affects both sides. For example, page cache is charged to the side that touches it
    first, and the second side finds it warm.
    """
    for side in sides:
        yield Turn(side, 0)
    for number in range(1, trials + 1):
        yield from (Turn(side, number) for side in (sides if number % 2 else reversed(sides)))


def with_killed_warm_up(warm_up: Trial | None, trials: Sequence[Trial | Result]) -> list[Trial | Result]:
    """Return `trials`, preceded by the warm-up if a process was OOM-killed in it and in none of them.

    Every deployment has a first run, so a kill there is as real as any other.
    """
    kills = any(isinstance(trial, Trial) and trial.outcome is Outcome.OOM_KILLED for trial in trials)
    if warm_up is None or warm_up.outcome is not Outcome.OOM_KILLED or kills:
        return list(trials)
    return [warm_up, *trials]


class TrialLedger:
    """State that the runners of a run share: trial numbers, and what they learned about the images."""

    def __init__(self) -> None:
        self.rates_hz: dict[str, int] = {}
        """Higher rates that turned out to be necessary. They apply to both sides of an image, which are compared."""
        self.depths: dict[str, Depth] = {}
        """How closely processes of an image may be read, if the kernel killed some. Applies to both sides."""
        self._last = 0
        self._lock = threading.Lock()

    def next_number(self) -> int:
        """Return the next trial number. The first is 1."""
        with self._lock:
            self._last += 1
            return self._last
