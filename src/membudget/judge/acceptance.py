"""How to accept growth that is wanted: the budgets, or the exception, under which the same figures pass.

Every proposal is judged before it is made, so that it is never too small.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from membudget.budgets.rules import EffectiveBudget, Tolerance
from membudget.budgets.suggested import (
    accepted_duration,
    accepted_rate,
    accepted_size,
    limit_for,
    rounded_down,
    rounded_up,
)
from membudget.core.definition import Better, Unit
from membudget.core.intervals import shift_interval
from membudget.core.metrics import BOUNDED_BY_LIMIT, PEAKS, Metric
from membudget.judge.bounds import BoundKind, tolerated_growth
from membudget.judge.evidence import CONFIDENCE_OF_A_FAILURE, NO_SAMPLES, Samples
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.metric import Row, Verdict, judge_metric
from membudget.judge.values import phase_samples, trial_samples


@dataclass(frozen=True, slots=True)
class Acceptance:
    """New values for the budget of one metric. None for a part that need not change."""

    metric: Metric
    phase: str | None
    max: int | None = None
    headroom: int | None = None
    """The distance to the limit, in bytes."""
    growth: Tolerance | None = None
    """The tolerated growth. The tolerated drop if more is better."""
    allow: int | None = None
    """What an exception has to allow. None where exceptions do not apply: to phases and to sums of groups."""
    min: int | None = None


@dataclass(frozen=True, slots=True)
class LargerLimit:
    """A larger memory limit for an image that reached its own. Nobody knows whether it is large enough."""

    bytes: int
    was_killed: bool
    """Whether the kernel killed a process at the limit. Otherwise it only reclaimed memory there."""


def larger_limit(image: ImageMeasurement, rows: Sequence[Row]) -> LargerLimit | None:
    """Return a limit that an image may need that failed at its own. None if it did not.

    The peak would have been as large as the limit or larger. Half as much again is what `init` leaves above a peak.
    """
    if any(row.metric is Metric.OOM_KILLS and row.verdict is Verdict.FAIL for row in rows):
        side = image.side_for_maximums
        in_sidecar = side is not None and side.only_sidecars_were_killed
        return None if in_sidecar else LargerLimit(limit_for(image.limit_bytes, None), was_killed=True)
    failed_there = any(_failed_at_limit(row) for row in rows)
    return LargerLimit(limit_for(image.limit_bytes, None), was_killed=False) if failed_there else None


def _failed_at_limit(row: Row) -> bool:
    return row.verdict is Verdict.FAIL and row.metric in PEAKS and row.trials_at_limit is not None


def image_acceptances(image: ImageMeasurement, rows: Sequence[Row]) -> tuple[Acceptance, ...]:
    """Return how to accept the rows of an image that fail. Rows that no budget would let pass are left out.

    Nobody knows how large a peak would have been that reached the limit. Its budgets get as much room as the
    `larger_limit` gives.
    """
    found: dict[tuple[str | None, Metric], Acceptance] = {}
    larger = larger_limit(image, rows)
    for row in rows:
        if larger is not None and row.metric in PEAKS and (larger.was_killed or row.trials_at_limit is not None):
            made = _up_to(row, larger.bytes)
        else:
            made = _acceptance(image, row)
        if made is not None:
            known = found.get((row.phase, row.metric))
            found[row.phase, row.metric] = _both(known, made) if known is not None else made
    return tuple(found.values())


def _acceptance(image: ImageMeasurement, row: Row) -> Acceptance | None:
    if row.verdict is not Verdict.FAIL or row.metric is Metric.OOM_KILLS or not row.exceeded:
        return None
    samples = _samples(image, row)
    accepted = _accepted(row, samples, image.limit_bytes)
    if accepted is None:
        return None
    return _changes(row, accepted, image.limit_bytes, _allowed(row, samples) if row.phase is None else None)


def _up_to(row: Row, peak_bytes: int) -> Acceptance | None:
    """Return the budgets under which a peak of `peak_bytes` passes. None if it passes already."""
    budget, before = row.budget, row.base.value if row.base is not None else None
    if row.is_own and row.verdict is None:  # only shown
        return None
    if budget.max is not None:
        budget = replace(budget, max=max(budget.max, peak_bytes))
    if budget.tolerance is not None and before is not None and not row.is_own:
        growth = peak_bytes - before
        if growth > tolerated_growth(before, budget.tolerance):
            budget = replace(budget, tolerance=Tolerance(budget.tolerance.percent, rounded_up(growth)))
    if budget == row.budget:
        return None
    return _changes(row, budget, None, peak_bytes if row.phase is None else None)


def group_acceptances(rows: Sequence[Row]) -> tuple[Acceptance, ...]:
    """Return how to accept the sums of a group that fail."""
    made = []
    for row in rows:
        accepted = _accepted(row, NO_SAMPLES, None) if row.verdict is Verdict.FAIL and row.exceeded else None
        if accepted is not None:
            made.append(_changes(row, accepted, None, None))
    return tuple(made)


def _samples(image: ImageMeasurement, row: Row) -> Samples:
    """Return the samples that the row was judged by."""
    side = image.own.side if row.is_own and image.own is not None else image.head
    base = None if row.is_own else image.base
    if side is None:
        return NO_SAMPLES
    if row.phase is None:
        return trial_samples(row.metric, base, side)
    return phase_samples(row.phase, row.metric, base, side)


def _accepted(row: Row, samples: Samples, limit_bytes: int | None) -> EffectiveBudget | None:
    """Return the budget with the fewest changes under which the row passes. None if there is none."""
    broken = {one.bound.kind for one in row.exceeded}
    for kinds in (broken, {bound.kind for bound in row.bounds}):
        budget = _raised(row, samples, kinds, limit_bytes)
        judged = judge_metric(row.metric, row.base, row.head, budget, samples)
        if judged.verdict is not None and judged.verdict.passes:
            return budget
    return None


def _raised(row: Row, samples: Samples, kinds: set[BoundKind], limit_bytes: int | None) -> EffectiveBudget:
    budget, unit = row.budget, row.metric.definition.unit
    worst, growth = _worst(row, samples), _growth(row, samples)
    if budget.max is not None and BoundKind.MAX in kinds:
        most = max(budget.max, _with_room(worst, unit))
        if limit_bytes is not None and row.metric in BOUNDED_BY_LIMIT and row.phase is None:
            most = min(most, limit_bytes)  # the file may not allow more
        budget = replace(budget, max=most)
    if budget.below_limit is not None and BoundKind.HEADROOM in kinds and limit_bytes is not None:
        distance = max(limit_bytes - accepted_size(worst), (limit_bytes - worst) // 2, 0)
        budget = replace(budget, below_limit=max(budget.below_limit, limit_bytes - rounded_down(distance)))
    if budget.min is not None and BoundKind.MIN in kinds:
        budget = replace(budget, min=min(budget.min, _with_room(worst, unit)))
    if budget.tolerance is not None and kinds & {BoundKind.GROWTH, BoundKind.DROP}:
        floor = max(budget.tolerance.floor, accepted_duration(growth) if unit.is_rate else _with_room(growth, unit))
        budget = replace(budget, tolerance=Tolerance(budget.tolerance.percent, floor))
    return budget


def _with_room(figure: int, unit: Unit) -> int:
    """Return a readable value with some room above a figure, or below a rate. Counts are exact."""
    match unit:
        case Unit.BYTES:
            return accepted_size(figure)
        case Unit.MILLISECONDS | Unit.MICROSECONDS:
            return accepted_duration(figure)
        case Unit.PER_1000_SECONDS | Unit.PER_1000_SECONDS_AND_GIB:
            return accepted_rate(figure)
        case Unit.COUNT:
            return figure


def _worst(row: Row, samples: Samples) -> int:
    """Return the worst value that the metric may have had in any trial."""
    sign = row.metric.definition.sign
    known = [row.head.value or 0, row.head.worst(row.metric) or 0, *(row.head.interval or ())]
    worst: int = max(sign * value for value in (*known, *samples.head, *samples.head_worst))
    return sign * worst


def _growth(row: Row, samples: Samples) -> int:
    """Return the largest growth that the figures leave possible, or the largest drop if more is better."""
    before, sign = row.base.value or 0 if row.base is not None else 0, row.metric.definition.sign
    known = (row.head.value or 0, row.head.worst(row.metric) or 0)
    possible = max(sign * (value - before) for value in known)
    if not samples.base or not samples.head:
        return possible
    base, head = ([sign * value for value in side] for side in (samples.base, samples.head))
    return max(possible, round(shift_interval(base, head, CONFIDENCE_OF_A_FAILURE).high))


def _allowed(row: Row, samples: Samples) -> int | None:
    """Return what an exception has to allow. None if none can cover the row, because the true value is unknown."""
    return None if row.head.is_lower_bound else _with_room(_worst(row, samples), row.metric.definition.unit)


def _changes(row: Row, accepted: EffectiveBudget, limit_bytes: int | None, allow: int | None) -> Acceptance:
    before = row.budget
    has_less = accepted.below_limit != before.below_limit and limit_bytes is not None
    return Acceptance(
        row.metric,
        row.phase,
        accepted.max if accepted.max != before.max else None,
        (limit_bytes or 0) - (accepted.below_limit or 0) if has_less else None,
        accepted.tolerance if accepted.tolerance != before.tolerance else None,
        allow,
        accepted.min if accepted.min != before.min else None,
    )


def _both(one: Acceptance, other: Acceptance) -> Acceptance:
    """Return the changes of two rows of the same budget: of the comparison, and of the head's own settings."""

    def largest(first: int | None, second: int | None) -> int | None:
        return max((value for value in (first, second) if value is not None), default=None)

    def smallest(first: int | None, second: int | None) -> int | None:
        return min((value for value in (first, second) if value is not None), default=None)

    worst = largest if one.metric.definition.better is Better.LESS else smallest
    return replace(
        one,
        max=largest(one.max, other.max),
        min=smallest(one.min, other.min),
        headroom=smallest(one.headroom, other.headroom),
        growth=one.growth or other.growth,
        allow=worst(one.allow, other.allow) if None not in (one.allow, other.allow) else None,
    )
