"""Decides which trial comes next, and which may run beside it."""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from membudget.measure.probe.messages import Depth
from membudget.measure.trial import Outcome, Trial

MOST_BY_ITSELF = 8
"""The most trials at once that nobody asked for. Each needs a probe, and the disk is one for all."""


def most_at_once(wanted: Sequence[int], cpus: int, asked: int | None) -> int:
    """Return how many trials of different images may run at once, each on CPUs of its own.

    `wanted` has the CPUs that each image may use, and `cpus` is the number of the machine's. Images that want fewest
    decide: the others then wait for their turn. `asked` is the most that the user wants; None leaves it to us.
    """
    left, count = cpus, 0
    for share in sorted(wanted):
        left -= share
        if left < 0:
            break
        count += 1
    return max(1, min(count, MOST_BY_ITSELF if asked is None else asked))


@dataclass(frozen=True, slots=True)
class MachineNeed:
    """What a trial needs of the machine while it runs."""

    cpus: int
    memory_bytes: int | None
    """The most memory that it may use. None if nothing limits it."""
    is_alone: bool = False
    """Whether no other trial may run beside it."""


class Admission:
    """Admits trials, in the order in which they ask. Threads wait until there is room."""

    def __init__(self, places: int, free_bytes: int, cpus: int) -> None:
        """There are `places` for trials at most, on `cpus` CPUs and within `free_bytes` of memory."""
        self._places = places
        self._most_bytes = self._free_bytes = free_bytes
        self._cpus = cpus
        self._free_cpus = set(range(cpus))
        self._running = 0
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def admitted(self, need: MachineNeed) -> Iterator[tuple[int, ...]]:
        """Reserve room for one trial, and provide the numbers of its CPUs.

        A trial that asks for more than there is, or whose memory nothing limits, runs alone. The kernel then decides
        whether the memory suffices. A trial never overtakes another: otherwise, one that needs much would wait for all
        others.
        """
        most_bytes = self._most_bytes
        is_unbounded = need.is_alone or need.memory_bytes is None
        memory_bytes = most_bytes if need.memory_bytes is None or is_unbounded else min(need.memory_bytes, most_bytes)
        count = self._cpus if is_unbounded else min(need.cpus, self._cpus)
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                self._changed.wait_for(lambda: self._waiting[0] is ticket and self._has_room(memory_bytes, count))
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
            self._running += 1
            self._free_bytes -= memory_bytes
            given = tuple(sorted(self._free_cpus)[:count])
            self._free_cpus.difference_update(given)
        try:
            yield given
        finally:
            with self._changed:
                self._running -= 1
                self._free_bytes += memory_bytes
                self._free_cpus.update(given)
                self._changed.notify_all()

    @property
    def waiting(self) -> int:
        """How many trials wait for room."""
        return len(self._waiting)

    def _has_room(self, memory_bytes: int, cpus: int) -> bool:
        is_enough = memory_bytes <= self._free_bytes and cpus <= len(self._free_cpus)
        return is_enough and self._running < self._places


def cpu_list(given: tuple[int, ...], wanted: int, cpus: int) -> str | None:
    """Return the CPUs of one container as the kernel lists them: `wanted` of those given. None means all CPUs."""
    used = given[:wanted]
    return None if len(used) == cpus else ",".join(map(str, used))


T = TypeVar("T")
Other = TypeVar("Other")


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


def with_killed_warm_up(warm_up: Trial | None, trials: Sequence[Trial | Other]) -> list[Trial | Other]:
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
