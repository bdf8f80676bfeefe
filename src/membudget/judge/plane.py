"""A plane through the peaks of trials: how memory grows with CPUs and connections, and how certain that is.

Peak RSS is taken as a fixed part, a part for each CPU and a part for each connection (least squares). The trials of one
place differ from each other, and some places lie beside the plane. Both widen the intervals, and so does the distance
from what was measured. The plane is bent where that is certain, and large enough to matter.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Self

from membudget.core.least_squares import LinearModel, MatrixRow, fitted
from membudget.core.quantities import KIB, MIB
from membudget.judge.scaled import Bend, Estimate, NoSize, TrialScale

_RESOLUTION_BYTES = 256 * KIB / math.sqrt(12)
"""The standard deviation of a figure that is exact to 256 KiB, which is how the kernel counts. Trials that agree more
closely agree by chance.
"""
_CERTAIN = 0.99
_SMALLEST_BEND_BYTES = MIB
_SMALLEST_BEND_SHARE = 0.02


class _Term(Enum):
    """A part of the model, as a function of CPUs and connections, both scaled to lie between -1 and 1."""

    FIXED = "fixed"
    CPUS = "cpus"
    CONNECTIONS = "connections"
    BOTH = "both"
    BENT_CPUS = "bent cpus"
    BENT_CONNECTIONS = "bent connections"


_FIGURES: Mapping[_Term, Callable[[float, float], float]] = {
    _Term.FIXED: lambda _cpus, _connections: 1.0,
    _Term.CPUS: lambda cpus, _: cpus,
    _Term.CONNECTIONS: lambda _, connections: connections,
    _Term.BOTH: lambda cpus, connections: cpus * connections,
    _Term.BENT_CPUS: lambda cpus, _: cpus * cpus,
    _Term.BENT_CONNECTIONS: lambda _, connections: connections * connections,
}
_OF_BENDS = {Bend.CPUS: _Term.BENT_CPUS, Bend.CONNECTIONS: _Term.BENT_CONNECTIONS, Bend.BOTH: _Term.BOTH}


@dataclass(frozen=True, slots=True)
class _Range:
    """The numbers with which trials ran, from the least to the most."""

    low: int
    high: int
    count: int
    """How many different numbers there are."""

    @classmethod
    def of(cls, numbers: Sequence[int]) -> Self:
        return cls(min(numbers), max(numbers), len(set(numbers)))

    def scaled(self, number: float) -> float:
        return (2 * number - self.low - self.high) / (self.high - self.low) if self.high > self.low else 0.0

    @property
    def unit(self) -> float:
        """How far one more moves the scaled number."""
        return 2 / (self.high - self.low)

    def has(self, number: int) -> bool:
        return self.low <= number <= self.high


@dataclass(frozen=True, slots=True)
class Plane:
    """A fitted plane, bent where the trials show that."""

    model: LinearModel
    terms: tuple[_Term, ...]
    cpus: _Range
    connections: _Range
    bends: tuple[Bend, ...]
    untested: tuple[Bend, ...]
    """The bends that these trials cannot show."""

    @property
    def per_cpu(self) -> Estimate | None:
        """What each CPU takes, in the middle of what was measured. None if the number did not vary."""
        return self._slope(_Term.CPUS, self.cpus)

    @property
    def per_connection(self) -> Estimate | None:
        """What each connection takes. As above."""
        return self._slope(_Term.CONNECTIONS, self.connections)

    @property
    def fixed(self) -> Estimate | None:
        """What is taken with no CPU and no connection. None if the plane is bent."""
        if self.bends:
            return None
        row = self._row(0, 0)
        return _estimate(self.model.value(row), self.model.margin(row))

    def expected(self, place: TrialScale) -> Estimate | NoSize:
        """Return the peak RSS to expect of one run in a place, or why there is none."""
        connections = place.connections if place.connections is not None else self.connections.low
        if self.cpus.count == 1 and not self.cpus.has(place.cpus):
            return NoSize.CPUS_NOT_VARIED
        if self.connections.count == 1 and not self.connections.has(connections):
            return NoSize.CONNECTIONS_NOT_VARIED
        is_inside = self.cpus.has(place.cpus) and self.connections.has(connections)
        if not is_inside and any(bend is not Bend.BOTH for bend in self.bends):
            return NoSize.BENT
        # Memory that falls in the range that was measured need not fall beyond it.
        there = self._of_one_run(place.cpus, connections)
        level = self._of_one_run(
            min(place.cpus, self.cpus.high) if _falls(self.per_cpu) else place.cpus,
            min(connections, self.connections.high) if _falls(self.per_connection) else connections,
        )
        return replace(level, high_bytes=max(level.high_bytes, there.high_bytes))

    def _of_one_run(self, cpus: int, connections: int) -> Estimate:
        row = self._row(cpus, connections)
        return _estimate(max(0.0, self.model.value(row)), self.model.margin(row, of_one_value=True), least=0)

    def _slope(self, term: _Term, numbers: _Range) -> Estimate | None:
        if term not in self.terms:
            return None
        row = tuple(numbers.unit * (one is term) for one in self.terms)
        return _estimate(self.model.value(row), self.model.margin(row))

    def _row(self, cpus: int, connections: int) -> MatrixRow:
        return _row(self.terms, self.cpus.scaled(cpus), self.connections.scaled(connections))


def _falls(each: Estimate | None) -> bool:
    return each is not None and each.value_bytes < 0


def plane(peaks: Mapping[TrialScale, Sequence[int]]) -> Plane | None:
    """Return the plane through the peak RSS of trials. None if nothing varies, or if the trials are too few."""
    cpus = _Range.of([place.cpus for place in peaks])
    connections = _Range.of([place.connections or 0 for place in peaks])
    lines = [
        *([_Term.CPUS] if cpus.count > 1 else []),
        *([_Term.CONNECTIONS] if connections.count > 1 else []),
    ]
    if not lines:
        return None
    trials = [
        (cpus.scaled(place.cpus), connections.scaled(place.connections or 0), peak)
        for place, values in peaks.items()
        for peak in values
    ]
    straight = _fit(terms := (_Term.FIXED, *lines), trials)
    if straight is None:
        return None
    bends = [bend for bend in _bends(cpus, connections) if _is_bent(straight, terms, bend, trials)]
    bent = _fit(terms := (*terms, *(_OF_BENDS[bend] for bend in bends)), trials) if bends else straight
    if bent is None:
        return None
    tested = _bends(cpus, connections)
    possible = [*([Bend.CPUS] if cpus.count > 1 else []), *([Bend.CONNECTIONS] if connections.count > 1 else [])]
    untested = tuple(bend for bend in possible if bend not in tested)
    return Plane(bent, terms, cpus, connections, tuple(bends), untested)


_Trial = tuple[float, float, int]
"""The scaled CPUs and connections, and the peak in bytes."""


def _bends(cpus: _Range, connections: _Range) -> list[Bend]:
    """Return the bends that such trials can show."""
    return [
        *([Bend.CPUS] if cpus.count > 2 else []),
        *([Bend.CONNECTIONS] if connections.count > 2 else []),
        *([Bend.BOTH] if cpus.count > 1 and connections.count > 1 else []),
    ]


def _is_bent(straight: LinearModel, terms: tuple[_Term, ...], bend: Bend, trials: Sequence[_Trial]) -> bool:
    """Return whether the plane is certainly bent, by more than a small share of the memory."""
    wider = (*terms, _OF_BENDS[bend])
    model = _fit(wider, trials)
    if model is None:
        return False
    only_bend = tuple(float(term is _OF_BENDS[bend]) for term in wider)
    moved = max(
        abs(model.value(_row(wider, cpus, connections)) - straight.value(_row(terms, cpus, connections)))
        for cpus, connections, _ in trials
    )
    level = sum(peak for _, _, peak in trials) / len(trials)
    is_certain = abs(model.value(only_bend)) > model.margin(only_bend, _CERTAIN)
    return is_certain and moved > max(_SMALLEST_BEND_BYTES, _SMALLEST_BEND_SHARE * level)


def _fit(terms: tuple[_Term, ...], trials: Sequence[_Trial]) -> LinearModel | None:
    rows = [_row(terms, cpus, connections) for cpus, connections, _ in trials]
    return fitted(rows, [peak for _, _, peak in trials], _RESOLUTION_BYTES)


def _row(terms: tuple[_Term, ...], cpus: float, connections: float) -> MatrixRow:
    return tuple(_FIGURES[term](cpus, connections) for term in terms)


def _estimate(value: float, margin: float, least: float = -math.inf) -> Estimate:
    return Estimate(round(value), round(max(least, value - margin)), round(value + margin))
