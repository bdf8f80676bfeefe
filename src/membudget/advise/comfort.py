"""At which limit is the workload not slowed down? Compares the trials at a limit with trials without one.

Growth counts only if it exceeds a share and a floor, as in a check: in a run of 40 ms of CPU time, 5 % is noise.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from membudget.advise.answer import Ask, Comfortable, Purpose
from membudget.advise.rung import Rung, Tried, aligned_up, step_bytes
from membudget.budgets.fit import FitSettings
from membudget.judge.fitted import Cost, Discomfort

_CPU_FLOOR_MS = 50
_LATENCY_FLOOR_US = 1000
_TRIALS = 3
"""How many trials the figures of a rung are the median of."""
_MOST_RUNGS = 5
"""How many rungs are tried between the limit that survives and one that is comfortable."""
_TOPS = (1, 2, 4)
"""Which multiples of the first upper bound are tried."""
_STEPS = 2
"""How close the answer has to be, in steps between rungs."""


@dataclass(slots=True)
class ComfortSearch:
    """Searches between a limit that works and one at which nothing is slower."""

    tried: list[Tried]
    """The trials so far. Those of this search are added."""
    settings: FitSettings
    largest_bytes: int

    def run(self, survives_bytes: int, top_bytes: int) -> Generator[Ask, Tried, Comfortable]:
        """Ask for trials, and return the smallest limit that is comfortable."""
        lowest = self._rung(survives_bytes)
        if not is_comparable(lowest, self._rung(None)):
            return Comfortable(None)
        below = self._costs(lowest)
        if not below:
            return Comfortable(survives_bytes, lowest.passes)
        low, high = survives_bytes, None
        for limit in dict.fromkeys(min(times * top_bytes, self.largest_bytes) for times in _TOPS):
            if limit > low:
                found = yield from self._look(limit, 0)
                if found is not None and not found:
                    high = limit
                    break
                low, below = limit, found or below
        if high is None:
            return Comfortable(None, costs_below=tuple(below))
        for number in range(1, _MOST_RUNGS + 1):
            if high - low <= _STEPS * step_bytes(high):
                break
            middle = aligned_up((low + high) // 2)
            found = yield from self._look(middle, number)
            if found is not None and not found:
                high = middle
            else:
                low, below = middle, found or below
        return Comfortable(high, self._rung(high).passes, tuple(below))

    def _look(self, limit: int, number: int) -> Generator[Ask, Tried, list[Cost] | None]:
        """Return what a limit costs, or None if a trial failed there."""
        for trial in range(len(self._rung(limit).trials), _TRIALS):
            left = (_MOST_RUNGS - number) * _TRIALS + _TRIALS - trial - 1
            self.tried.append((yield Ask(limit, Purpose.COMFORT, trial + 1, _TRIALS, left)))
        rung = self._rung(limit)
        return self._costs(rung) if rung.passed else None

    def _costs(self, rung: Rung) -> list[Cost]:
        return costs(rung, self._rung(None), self.settings)

    def _rung(self, limit: int | None) -> Rung:
        return Rung(limit, tuple(trial for trial in self.tried if trial.limit_bytes == limit))


def costs(rung: Rung, free: Rung, settings: FitSettings) -> list[Cost]:
    """Return what makes a rung uncomfortable. Empty if nothing that was measured does.

    CPU time is in milliseconds, latency in microseconds, refaults in bytes, and stalls in percent of the trial.
    """
    return [*_slowdowns(rung, free, settings), *_pressure(rung, settings)]


def is_comparable(rung: Rung, free: Rung) -> bool:
    """Return whether there is any figure to compare: without one, nothing tells whether a limit is comfortable."""
    return rung.median(_cpu) is not None and free.median(_cpu) is not None


def _slowdowns(rung: Rung, free: Rung, settings: FitSettings) -> Iterator[Cost]:
    for what, figure, percent, floor in (
        (Discomfort.CPU, _cpu, settings.cpu, _CPU_FLOOR_MS),
        (Discomfort.LATENCY, _p95, settings.latency, _LATENCY_FLOOR_US),
    ):
        now, before = rung.median(figure), free.median(figure)
        if now is not None and before is not None and now - before > max(floor, before * percent / 100):
            yield Cost(what, now, before)


def _pressure(rung: Rung, settings: FitSettings) -> Iterator[Cost]:
    refaulted, stalled = rung.median(_refaulted), rung.median(_stalled)
    if refaulted is not None and refaulted > settings.refaults:
        yield Cost(Discomfort.REFAULTS, refaulted)
    if stalled is not None and stalled > settings.stalled:
        yield Cost(Discomfort.STALLED, stalled)


def _cpu(trial: Tried) -> float | None:
    return trial.cpu_ms


def _p95(trial: Tried) -> float | None:
    return trial.answers.p95_us if trial.answers is not None else None


def _refaulted(trial: Tried) -> float | None:
    return trial.refaulted_bytes


def _stalled(trial: Tried) -> float | None:
    return trial.stalled_percent
