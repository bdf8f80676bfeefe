"""A rung of the ladder: the trials at one limit, what they used, and how they ended."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from membudget.core.files import Stored
from membudget.core.metrics import Metric
from membudget.core.quantities import KIB, MIB
from membudget.measure.load import LoadResult
from membudget.measure.trial import Outcome, Trial

GRID_BYTES = 256 * KIB
"""Limits are multiples of this. The kernel charges memory in batches of this size for each CPU."""
_SMALLEST_STEP_BYTES = MIB
_STEP_SHARE = 50
"""A step is a fiftieth of the limit: 2 %."""


class Ended(StrEnum):
    """How a trial at a limit ended."""

    PASSED = "passed"
    """The workload passed and nothing was killed."""
    KILLED = "killed"
    """The kernel killed at least one process, whether or not the workload then passed."""
    FAILED = "failed"
    """The workload failed without an OOM kill. A runtime that reaches its own ceiling ends like this, too."""
    TIMED_OUT = "timed out"


_ENDED = {
    Outcome.OOM_KILLED: Ended.KILLED,
    Outcome.WORKLOAD_FAILED: Ended.FAILED,
    Outcome.TIMED_OUT: Ended.TIMED_OUT,
}


@dataclass(frozen=True, slots=True)
class Answers(Stored):
    """How the service answered the largest group of requests."""

    requests: int
    duration_ms: int
    p50_us: int | None
    p95_us: int | None
    p99_us: int | None

    @property
    def per_second(self) -> float:
        """Requests per second."""
        return 1000 * self.requests / max(1, self.duration_ms)

    @classmethod
    def of(cls, loads: Sequence[LoadResult]) -> Self | None:
        """Return the answers to the largest group. None if there were no requests."""
        largest = max(loads, key=lambda load: load.requests, default=None)
        if largest is None:
            return None
        return cls(largest.requests, largest.duration_ms, largest.p50_us, largest.p95_us, largest.p99_us)


@dataclass(frozen=True, slots=True)
class Tried(Stored):
    """The figures of one trial that a fit needs. They are few, so that a fit can keep them for every trial."""

    limit_bytes: int | None
    """None if there was no limit."""
    ended: Ended
    reason: str | None = None
    """Why it did not pass: a sentence that may come from outside. No decision depends on it."""
    duration_ms: int = 0
    peak_rss_bytes: int | None = None
    peak_memory_bytes: int | None = None
    """The kernel's mark."""
    cpu_ms: int | None = None
    refaulted_bytes: int | None = None
    """Memory that was reclaimed and needed again. None if the limit was not reached or the kernel does not say."""
    stalled_ms: int | None = None
    """Time in which at least one process waited for memory. None as above."""
    answers: Answers | None = None

    @property
    def passed(self) -> bool:
        """Whether the workload passed and nothing was killed."""
        return self.ended is Ended.PASSED

    @property
    def stalled_percent(self) -> float | None:
        """The share of the trial in which at least one process waited for memory."""
        return None if self.stalled_ms is None else 100 * self.stalled_ms / max(1, self.duration_ms)

    @classmethod
    def of(cls, trial: Trial, limit_bytes: int | None) -> Self:
        """Return what is kept of a trial."""
        ended = _ENDED.get(trial.outcome, Ended.PASSED if trial.workload_passed else Ended.FAILED)
        contact = trial.at_limit
        return cls(
            limit_bytes=limit_bytes,
            ended=ended,
            reason=trial.reason,
            duration_ms=trial.duration_ms,
            peak_rss_bytes=trial.metrics[Metric.PEAK_RSS].value,
            peak_memory_bytes=trial.metrics[Metric.PEAK_MEMORY].value,
            cpu_ms=trial.metrics[Metric.CPU_SECONDS].value,
            refaulted_bytes=contact.refaulted_bytes if contact is not None else None,
            stalled_ms=contact.stalled_ms if contact is not None else None,
            answers=Answers.of(trial.load),
        )


@dataclass(frozen=True, slots=True)
class Rung:
    """All trials at one limit."""

    limit_bytes: int | None
    trials: tuple[Tried, ...]

    @property
    def passed(self) -> bool:
        """Whether every trial passed."""
        return all(trial.passed for trial in self.trials)

    @property
    def passes(self) -> int:
        """How many trials passed."""
        return sum(trial.passed for trial in self.trials)

    @classmethod
    def at(cls, limit_bytes: int | None, tried: Sequence[Tried]) -> Self:
        """Return the rung of a limit, with those of the trials that had this limit."""
        return cls(limit_bytes, tuple(trial for trial in tried if trial.limit_bytes == limit_bytes))

    @property
    def failures(self) -> tuple[Tried, ...]:
        """The trials that did not pass."""
        return tuple(trial for trial in self.trials if not trial.passed)

    def last(self, count: int) -> Self:
        """Return the rung as if only its last trials had been run."""
        return replace(self, trials=self.trials[-count:])

    def values(self, of: Callable[[Tried], float | None]) -> list[float]:
        """Return a figure of each trial that passed, as far as it is known."""
        return [value for trial in self.trials if trial.passed and (value := of(trial)) is not None]

    def median(self, of: Callable[[Tried], float | None]) -> float | None:
        """Return the median of a figure over the trials that passed. None if it is unknown in all of them."""
        values = self.values(of)
        return statistics.median(values) if values else None


def rungs(trials: Sequence[Tried]) -> list[Rung]:
    """Return the rungs from the smallest limit to the largest. Trials without a limit come last."""
    limits = sorted({trial.limit_bytes for trial in trials if trial.limit_bytes is not None})
    free = [None] if any(trial.limit_bytes is None for trial in trials) else []
    return [Rung.at(limit, trials) for limit in [*limits, *free]]


def step_bytes(limit_bytes: int) -> int:
    """Return the distance to the next rung above a limit, which is also the resolution of the answer."""
    return max(_SMALLEST_STEP_BYTES, aligned_down(limit_bytes // _STEP_SHARE))


def aligned_up(size_bytes: int) -> int:
    """Return a size rounded up to the grid of limits."""
    return -(-size_bytes // GRID_BYTES) * GRID_BYTES


def aligned_down(size_bytes: int) -> int:
    """Return a size rounded down to the grid of limits."""
    return size_bytes // GRID_BYTES * GRID_BYTES
