"""Which trials may run side by side: as many as there are places for, and as memory holds at their limits."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from membudget.measure.probe.messages import Depth
from membudget.measure.trial import Outcome, Trial


class Admission:
    """Lets trials in. Threads wait until there is room."""

    def __init__(self, places: int, free_bytes: int) -> None:
        self._places = places
        self._most = self._free = free_bytes
        self._running = 0
        self._changed = threading.Condition()

    @contextmanager
    def admitted(self, limit_bytes: int | None) -> Iterator[None]:
        """Room for one trial that may use up to `limit_bytes`; None: there is no telling, it runs alone.

        A trial that asks for more than there is runs alone, too: the kernel, not we, has the last word on it.
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
    """The CPUs of each place, so that none takes another's time."""
    share = max(1, cpus // places)
    return [tuple(number % cpus for number in range(place * share, (place + 1) * share)) for place in range(places)]


def cpu_list(share: tuple[int, ...], wanted: int, cpus: int) -> str | None:
    """The CPUs of one container, as the kernel lists them: `wanted` of a share; None: all `cpus` of the machine."""
    given = share[:wanted]
    return None if len(given) == cpus else ",".join(map(str, given))


T = TypeVar("T")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Turn(Generic[T]):
    """One trial to run."""

    side: T
    number: int
    """From 1; 0 is the warm-up, whose figures are discarded unless a process is OOM-killed in it alone."""

    @property
    def is_warm_up(self) -> bool:
        """Whether it only fills the page cache."""
        return self.number == 0


def interleaved(sides: Sequence[T], trials: int) -> Iterator[Turn[T]]:
    """A discarded warm-up of each side, then `trials` of each in turn, the order reversed every round (ABBA).

    Whatever drifts on the machine then drifts for both: page cache belongs to whoever touches it first, and the
    second of two sides finds it warm.
    """
    for side in sides:
        yield Turn(side, 0)
    for number in range(1, trials + 1):
        yield from (Turn(side, number) for side in (sides if number % 2 else reversed(sides)))


def with_killed_warm_up(warm_up: Trial | None, trials: Sequence[Trial | Result]) -> list[Trial | Result]:
    """`trials`, and before them the warm-up where a process was OOM-killed in it and in none of them.

    Each deployment has a first run. A kill in it is as real as any other.
    """
    kills = any(isinstance(trial, Trial) and trial.outcome is Outcome.OOM_KILLED for trial in trials)
    if warm_up is None or warm_up.outcome is not Outcome.OOM_KILLED or kills:
        return list(trials)
    return [warm_up, *trials]


class TrialLedger:
    """What the runners of a run share: the numbers of its trials, and what they learned of its images."""

    def __init__(self) -> None:
        self.rates_hz: dict[str, int] = {}
        """Higher rates that turned out to be needed: of both sides of an image, which are compared."""
        self.depths: dict[str, Depth] = {}
        """How closely the processes of an image may be looked at, where the kernel killed some: of both sides."""
        self._last = 0
        self._lock = threading.Lock()

    def next_number(self) -> int:
        """From 1."""
        with self._lock:
            self._last += 1
            return self._last
