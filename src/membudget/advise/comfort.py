"""At which limit is the workload not slowed down? Compares the trials at a limit with trials without one.

Growth counts only if it exceeds a share and a floor, as in a check: in a run of 40 ms of CPU time, 5 % is noise. Chance
does not decide, either: what looks slower is compared again, by trials with and without the limit in turns, until the
evidence of a check (`judge.evidence`) says that it is slower, or that noise may be the reason.
"""

import statistics
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from math import comb

from membudget.advise.answer import Ask, Comfortable, Purpose
from membudget.advise.rung import Rung, Tried, aligned_up, step_bytes
from membudget.budgets.fit import FitSettings
from membudget.judge.evidence import Evidence, Proof, against_maximum, against_tolerance
from membudget.judge.fitted import Cost, Discomfort

_CPU_FLOOR_MS = 50
_LATENCY_FLOOR_US = 1000
_TRIALS = 3
"""How many trials of a rung are compared at first."""
_IN_TURNS = (5, 10)
"""After how many trials with a limit and without one, in turns, what looks slower is judged again."""
_MOST_IN_TURNS = 20
"""How many such pairs of trials a fit may take."""
_FAR = 2
"""What exceeds the tolerance this many times in every trial is slower without trials in turns."""
_CLEAR_ARRANGEMENTS = 100
"""How many ways there have to be to arrange the trials, of which one separates them like that by chance."""
_MOST_RUNGS = 5
"""How many rungs are tried between the limit that survives and one that is comfortable."""
_TOPS = (1, 2, 4)
"""Which multiples of the first upper bound are tried."""
_STEPS = 2
"""How close the answer has to be, in steps between rungs."""


class RungPace(StrEnum):
    """What a comparison shows."""

    AS_FAST = "as fast"
    """Nothing shows a slowdown, though noise may hide one."""
    UNCLEAR = "unclear"
    """It looks slower, but noise explains that as well."""
    SLOWER = "slower"


@dataclass(frozen=True, slots=True)
class ComparedFigure:
    """One figure of a rung, compared with the trials without a limit, or with what may be."""

    pace: RungPace
    cost: Cost
    is_hidden: bool = False
    """Whether noise may hide more than what is tolerated."""


@dataclass(frozen=True, slots=True)
class RungComparison:
    """All figures of a rung. One that is slower makes it slower."""

    figures: tuple[ComparedFigure, ...]

    @property
    def pace(self) -> RungPace:
        """The worst pace of a figure."""
        paces = {figure.pace for figure in self.figures}
        return next((pace for pace in (RungPace.SLOWER, RungPace.UNCLEAR) if pace in paces), RungPace.AS_FAST)

    @property
    def costs(self) -> tuple[Cost, ...]:
        """What makes the rung uncomfortable, or may do so."""
        return tuple(figure.cost for figure in self.figures if figure.pace is self.pace is not RungPace.AS_FAST)

    @property
    def hidden(self) -> tuple[Cost, ...]:
        """What noise may hide."""
        return tuple(figure.cost for figure in self.figures if figure.is_hidden)


@dataclass(slots=True)
class ComfortSearch:
    """Searches between a limit that works and one at which nothing is slower."""

    tried: list[Tried]
    """The trials so far. Those of this search are added."""
    settings: FitSettings
    largest_bytes: int
    pairs: int = field(default=0, init=False)
    """How many trials were run in turns with one without a limit."""

    def run(self, survives_bytes: int, top_bytes: int) -> Generator[Ask, Tried, Comfortable]:
        """Ask for trials, and return the smallest limit that is comfortable."""
        if not is_comparable(self._rung(survives_bytes), self._rung(None)):
            return Comfortable(None)
        lowest = yield from self._look(survives_bytes, 0)
        if lowest is None or lowest.pace is RungPace.AS_FAST:
            passes, hidden = self._rung(survives_bytes).passes, lowest.hidden if lowest is not None else ()
            return Comfortable(survives_bytes if lowest is not None else None, passes, hidden=hidden)
        if lowest.pace is RungPace.UNCLEAR:  # a larger limit would only be larger by chance
            return Comfortable(None, costs_below=lowest.costs, is_clear=False)
        return (yield from self._above(survives_bytes, top_bytes, lowest))

    def _above(self, low: int, top_bytes: int, lowest: RungComparison) -> Generator[Ask, Tried, Comfortable]:
        """Search above a limit that is too small. A limit counts as comfortable if nothing there looks slower."""
        below, at_high, high = lowest, None, None
        for limit in dict.fromkeys(min(times * top_bytes, self.largest_bytes) for times in _TOPS):
            if limit > low:
                found = yield from self._look(limit, 0)
                if found is not None and found.pace is RungPace.AS_FAST:
                    high, at_high = limit, found
                    break
                low, below = limit, _slower(found) or below
        if high is None or at_high is None:
            return Comfortable(None, costs_below=below.costs)
        for number in range(1, _MOST_RUNGS + 1):
            if high - low <= _STEPS * step_bytes(high):
                break
            middle = aligned_up((low + high) // 2)
            found = yield from self._look(middle, number)
            if found is not None and found.pace is RungPace.AS_FAST:
                high, at_high = middle, found
            else:
                low, below = middle, _slower(found) or below
        return Comfortable(high, self._rung(high).passes, below.costs, hidden=at_high.hidden)

    def _look(self, limit: int, number: int) -> Generator[Ask, Tried, RungComparison | None]:
        """Return what a limit costs, or None if a trial failed there or without a limit."""
        for trial in range(len(self._rung(limit).trials), _TRIALS):
            left = (_MOST_RUNGS - number) * _TRIALS + _TRIALS - trial - 1
            self.tried.append((yield Ask(limit, Purpose.COMFORT, trial + 1, _TRIALS, left)))
        if not self._rung(limit).passed:
            return None
        found = compared(self._rung(limit), self._rung(None), self.settings)
        if found.pace is not RungPace.UNCLEAR:
            return found
        begun = self.pairs
        most = max((count for count in _IN_TURNS if count <= _MOST_IN_TURNS - begun), default=0)
        for count in range(1, most + 1):
            left = (_MOST_RUNGS - number) * _TRIALS + 2 * (most - count)
            self.pairs += 1
            for side, purpose in ((None, Purpose.REFERENCE), (limit, Purpose.COMFORT)):
                self.tried.append((yield Ask(side, purpose, count, most, left)))
                if not self.tried[-1].passed:
                    return None
            if count in _IN_TURNS:
                rung, free = (self._rung(side).last(self.pairs - begun) for side in (limit, None))
                found = compared(rung, free, self.settings, is_last=count == most)
                if found.pace is not RungPace.UNCLEAR:
                    break
        return found

    def _rung(self, limit: int | None) -> Rung:
        return Rung.at(limit, self.tried)


def _slower(found: RungComparison | None) -> RungComparison | None:
    return found if found is not None and found.pace is RungPace.SLOWER else None


def compared(rung: Rung, free: Rung, settings: FitSettings, *, is_last: bool = False) -> RungComparison:
    """Return how a rung compares with the trials without a limit, and with the thresholds.

    CPU time is in milliseconds, latency in microseconds, refaults in bytes, and stalls in percent of the trial.
    `is_last` says that no further trials will follow.
    """
    return RungComparison((*_slowdowns(rung, free, settings, is_last=is_last), *_pressure(rung, settings)))


def is_comparable(rung: Rung, free: Rung) -> bool:
    """Return whether there is any figure to compare: without one, nothing tells whether a limit is comfortable."""
    return rung.median(_cpu) is not None and free.median(_cpu) is not None


def _slowdowns(rung: Rung, free: Rung, settings: FitSettings, *, is_last: bool) -> Iterator[ComparedFigure]:
    for what, figure, percent, floor in (
        (Discomfort.CPU, _cpu, settings.cpu, _CPU_FLOOR_MS),
        (Discomfort.LATENCY, _p95, settings.latency, _LATENCY_FLOOR_US),
    ):
        before, now = free.values(figure), rung.values(figure)
        if not before or not now:
            continue
        usual, median = statistics.median(before), statistics.median(now)
        tolerated = max(floor, usual * percent / 100)
        found = against_tolerance([round(value) for value in before], [round(value) for value in now], int(tolerated))
        growth = (100 * found.low / usual, 100 * found.high / usual) if usual else None
        is_far = found.low > _FAR * tolerated and comb(len(before) + len(now), len(now)) >= _CLEAR_ARRANGEMENTS
        pace = _pace(found, looks_slower=median - usual > tolerated, is_far=is_far, is_last=is_last)
        is_hidden = pace is RungPace.AS_FAST and found.high > tolerated
        yield ComparedFigure(pace, Cost(what, median, usual, growth), is_hidden)


def _pressure(rung: Rung, settings: FitSettings) -> Iterator[ComparedFigure]:
    for what, figure, most in (
        (Discomfort.REFAULTS, _refaulted, float(settings.refaults)),
        (Discomfort.STALLED, _stalled, settings.stalled),
    ):
        known = rung.values(figure)
        if not known:
            continue
        # a trial without the figure did not reach its limit, while others did
        values = [*known, *[0.0] * (rung.passes - len(known))]
        found = against_maximum([round(_PARTS * value) for value in values], round(_PARTS * most))
        median = statistics.median(values)
        is_far = found.low > _FAR * _PARTS * most and len(values) >= _TRIALS
        yield ComparedFigure(_pace(found, looks_slower=median > most, is_far=is_far), Cost(what, median))


_PARTS = 1000
"""Evidence is about whole numbers, and shares are not."""


def _pace(found: Evidence, *, looks_slower: bool, is_far: bool, is_last: bool = False) -> RungPace:
    """Return what the evidence says. Growth that is certain but may be tolerable counts after the last trials."""
    is_certain = found.is_settled if found.proof is Proof.BROKEN else found.proof is Proof.OPEN and is_last
    if is_certain or is_far:
        return RungPace.SLOWER
    return RungPace.UNCLEAR if looks_slower or found.proof in (Proof.BROKEN, Proof.OPEN) else RungPace.AS_FAST


def _cpu(trial: Tried) -> float | None:
    return trial.cpu_ms


def _p95(trial: Tried) -> float | None:
    return trial.answers.p95_us if trial.answers is not None else None


def _refaulted(trial: Tried) -> float | None:
    return trial.refaulted_bytes


def _stalled(trial: Tried) -> float | None:
    return trial.stalled_percent
