"""Makes the rows that an image is judged by: growth over the base, maximums of the head, and exceptions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from membudget.budgets.exceptions import ExceptionInForce
from membudget.budgets.rules import NO_BUDGET, EffectiveBudget
from membudget.core.metrics import IMAGE_METRICS, Metric, MetricValue
from membudget.judge.bounds import fixed_bounds, tightest
from membudget.judge.measurement import FailureStage, ImageMeasurement, OwnMeasurement, Presence, SideMeasurement
from membudget.judge.metric import Row, Verdict, judge_metric
from membudget.judge.reasons import Excepted, Excuse, TrialsWereOver
from membudget.judge.values import phase_samples, phase_values, trial_samples


def growth_excuse(image: ImageMeasurement) -> Excuse | None:
    """Return why growth need not be judged if the base has no value. None if it must be judged.

    A base that does not build or work is no excuse, until it is repaired or someone approves.
    """
    match image.presence:
        case Presence.NEW:
            return Excuse.NEW
        case Presence.HEAD_ONLY:
            return Excuse.NO_BASE_REVISION
        case _ if image.base_waived and base_is_broken(image):
            return Excuse.BASE_WAIVED
        case _ if image.fails_with_base_settings:
            return Excuse.SETTINGS_CHANGED
        case _:
            return None


def base_is_broken(image: ImageMeasurement) -> bool:
    """Return whether the base itself failed, rather than the environment."""
    failure = image.base.failure if image.base is not None else None
    return failure is not None and failure.stage is not FailureStage.ENVIRONMENT


def image_rows(image: ImageMeasurement, head: SideMeasurement) -> Iterator[Row]:
    """Yield a row for each metric and each budget of a phase, then the rows of the head under its own settings."""
    excuse = growth_excuse(image)
    base = image.base.metrics if image.base is not None else {}
    for metric, value in head.metrics.items():
        budget = image.budgets.get(metric, NO_BUDGET).without_creep
        compared = budget if metric in IMAGE_METRICS else _compared_by(image, budget)
        samples = trial_samples(metric, image.base, head)
        yield judge_metric(metric, base.get(metric), value, compared, samples, excuse=excuse)
    yield from _phase_rows(image, head, excuse)
    if image.own is not None:
        yield from _own_rows(image, image.own)


def _compared_by(image: ImageMeasurement, budget: EffectiveBudget) -> EffectiveBudget:
    """Return the part of a budget that applies to the runs compared with the base."""
    if image.own is None or not image.own.counts:
        return budget
    return NO_BUDGET if image.fails_with_base_settings else budget.growth_alone


def _phase_rows(image: ImageMeasurement, head: SideMeasurement, excuse: Excuse | None) -> Iterator[Row]:
    heads, bases = phase_values(head), phase_values(image.base)
    is_split = image.own is not None and image.own.counts
    for phase, budgets in image.phase_budgets.items():
        for metric, budget in budgets.items():
            compared = _compared_by(image, budget)
            value, before = heads.get((phase, metric)), bases.get((phase, metric))
            if not compared.is_set or (is_split and value is None):  # only the head's settings have such a phase
                continue
            if before is None and image.base is not None:
                before = _no_phase(metric, phase, image.base)
            samples = phase_samples(phase, metric, image.base, head)
            value = value or _no_phase(metric, phase, head)
            row = judge_metric(metric, before, value, compared, samples, excuse=excuse)
            yield replace(row, phase=phase)


def _own_rows(image: ImageMeasurement, own: OwnMeasurement) -> Iterator[Row]:
    """Yield the maximums of the head under its own settings. They have no verdict until the change is approved."""
    for metric, value in own.side.metrics.items():
        budget = image.budgets.get(metric, NO_BUDGET).maximum_alone
        if budget.is_set and metric not in IMAGE_METRICS:
            yield _own(judge_metric(metric, None, value, budget, trial_samples(metric, None, own.side)), own)
    values = phase_values(own.side)
    for phase, budgets in image.phase_budgets.items():
        for metric, budget in budgets.items():
            if budget.maximum_alone.is_set:
                value = values.get((phase, metric)) or _no_phase(metric, phase, own.side)
                samples = phase_samples(phase, metric, None, own.side)
                row = judge_metric(metric, None, value, budget.maximum_alone, samples)
                yield replace(_own(row, own), phase=phase)


def _own(row: Row, own: OwnMeasurement) -> Row:
    row = replace(row, is_own=True)
    if own.counts:
        return row
    return replace(row, verdict=None, reasons=(), inconclusive=None, is_within_noise=False, is_settled=True)


def _no_phase(metric: Metric, phase: str, side: SideMeasurement) -> MetricValue:
    return MetricValue.absent(metric, str(side.failure or f"no trial reached the phase {phase}"))


class ExceptionUse(StrEnum):
    """Whether an exception currently changes a verdict."""

    IN_USE = "in use"
    NOT_NEEDED = "not needed"
    EXCEEDED = "exceeded"
    """The value is worse than even the exception allows."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """An exception that is in force."""

    row: Row
    exception: ExceptionInForce
    use: ExceptionUse


def with_exceptions(image: ImageMeasurement, rows: Sequence[Row]) -> tuple[tuple[Row, ...], tuple[Allowed, ...]]:
    """Return the rows with exceptions applied, and the exceptions in force."""
    allowed = []
    judged = []
    for row in rows:
        exception = image.exceptions.get(row.metric)
        if exception is None or row.phase is not None or row.head.value is None or _is_only_shown(row):
            judged.append(row)
            continue
        is_used = _is_used(row, exception)
        passes = row.verdict in (Verdict.PASS, Verdict.WARN)
        use = ExceptionUse.IN_USE if is_used else ExceptionUse.NOT_NEEDED if passes else ExceptionUse.EXCEEDED
        allowed.append(Allowed(row, exception, use))
        judged.append(_excepted(row, exception) if is_used else row)
    return tuple(judged), tuple(allowed)


def merged_exceptions(of_rows: Sequence[Allowed], of_creep: Sequence[Allowed]) -> tuple[Allowed, ...]:
    """Return each exception once, as the row says that needs it most."""
    needed = {one.row.metric: one for one in of_creep if one.use is not ExceptionUse.NOT_NEEDED}
    return tuple(needed.get(one.row.metric, one) if one.use is ExceptionUse.NOT_NEEDED else one for one in of_rows)


def _is_only_shown(row: Row) -> bool:
    return row.is_own and row.verdict is None


def _is_used(row: Row, exception: ExceptionInForce) -> bool:
    """Return whether the row passes only because of the exception, which covers the measured value."""
    if row.head.is_lower_bound:
        return False  # the true value is unknown, so an exception cannot cover it
    sign, over = row.metric.definition.sign, row.trials_over
    is_covered = sign * (row.head.worst(row.metric) or 0) <= sign * exception.allow
    if row.budget.every:  # an exception must cover every single trial
        is_each = over is None or sign * over.worst <= sign * exception.allow
        return row.verdict is Verdict.FAIL and is_covered and is_each
    is_over = row.verdict is Verdict.WARN and over is not None
    return (is_over or row.verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE)) and is_covered


def _excepted(row: Row, exception: ExceptionInForce) -> Row:
    over, bound, sign = row.trials_over, tightest(fixed_bounds(row.budget)), row.metric.definition.sign
    is_beyond = over is not None and sign * over.worst > sign * exception.allow
    beyond = TrialsWereOver(bound, over) if is_beyond and over is not None and bound is not None else None
    reason = Excepted(exception.until, beyond)
    verdict = Verdict.WARN if exception.ends_soon or is_beyond else Verdict.PASS
    return replace(row, verdict=verdict, reasons=(reason,), is_excepted=True, inconclusive=None)
