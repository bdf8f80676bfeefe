"""Which rows an image is judged by: growth over the base, maximums of the head, and what exceptions make of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from membudget.budgets.exceptions import ExceptionInForce
from membudget.budgets.rules import NO_BUDGET, EffectiveBudget
from membudget.core.metrics import IMAGE_METRICS, Metric, MetricValue
from membudget.judge.measurement import FailureStage, ImageMeasurement, OwnMeasurement, Presence, SideMeasurement
from membudget.judge.metric import Row, Verdict, judge_metric
from membudget.judge.reasons import Excepted, Excuse
from membudget.judge.values import phase_samples, phase_values, trial_samples


def growth_excuse(image: ImageMeasurement) -> Excuse | None:
    """Why growth need not be judged where the base has no figure; None where it must be.

    A base that does not build or work is no excuse: whoever repairs it, or is approved, goes on from there.
    """
    match image.presence:
        case Presence.NEW:
            return Excuse.NEW
        case Presence.HEAD_ONLY:
            return Excuse.NO_BASE_REVISION
        case _ if image.base_waived and base_is_broken(image):
            return Excuse.BASE_WAIVED
        case _ if image.lacks_old_way:
            return Excuse.SETTINGS_CHANGED
        case _:
            return None


def base_is_broken(image: ImageMeasurement) -> bool:
    """Whether the base has no figures for a reason of its own, not of our environment's."""
    failure = image.base.failure if image.base is not None else None
    return failure is not None and failure.stage is not FailureStage.ENVIRONMENT


def image_rows(image: ImageMeasurement, head: SideMeasurement) -> Iterator[Row]:
    """A row for each metric, and for each budget of a phase. Then the rows of the head under its own settings."""
    excuse = growth_excuse(image)
    base = image.base.metrics if image.base is not None else {}
    for metric, value in head.metrics.items():
        budget = image.budgets.get(metric, NO_BUDGET)
        compared = budget if metric in IMAGE_METRICS else _compared_by(image, budget)
        samples = trial_samples(metric, image.base, head)
        yield judge_metric(metric, base.get(metric), value, compared, samples, excuse=excuse)
    yield from _phase_rows(image, head, excuse)
    if image.own is not None:
        yield from _own_rows(image, image.own)


def _compared_by(image: ImageMeasurement, budget: EffectiveBudget) -> EffectiveBudget:
    """What of a budget the runs that are compared with the base have to keep."""
    if image.own is None or not image.own.counts:
        return budget
    return NO_BUDGET if image.lacks_old_way else budget.growth_alone


def _phase_rows(image: ImageMeasurement, head: SideMeasurement, excuse: Excuse | None) -> Iterator[Row]:
    heads, bases = phase_values(head), phase_values(image.base)
    is_split = image.own is not None and image.own.counts
    for phase, budgets in image.phase_budgets.items():
        for metric, budget in budgets.items():
            compared = _compared_by(image, budget)
            value, before = heads.get((phase, metric)), bases.get((phase, metric))
            if not compared.is_set or (is_split and value is None):  # of a phase that only the head's settings have
                continue
            if before is None and image.base is not None:
                before = _no_phase(metric, phase, image.base)
            samples = phase_samples(phase, metric, image.base, head)
            value = value or _no_phase(metric, phase, head)
            row = judge_metric(metric, before, value, compared, samples, excuse=excuse)
            yield replace(row, phase=phase)


def _own_rows(image: ImageMeasurement, own: OwnMeasurement) -> Iterator[Row]:
    """Maximums of the head under its own settings. Until the change is approved, they have no verdict."""
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


class Use(StrEnum):
    """Whether an exception changes a verdict now."""

    IN_USE = "in use"
    NOT_NEEDED = "not needed"
    EXCEEDED = "exceeded"
    """The row is above even what is allowed."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """An exception that is in force."""

    row: Row
    exception: ExceptionInForce
    use: Use


def with_exceptions(image: ImageMeasurement, rows: Sequence[Row]) -> tuple[tuple[Row, ...], tuple[Allowed, ...]]:
    """The rows as exceptions let them be, and those exceptions."""
    allowed = []
    judged = []
    for row in rows:
        exception = image.exceptions.get(row.metric)
        if exception is None or row.phase is not None or row.head.value is None or _is_only_shown(row):
            judged.append(row)
            continue
        is_used = _is_used(row, exception)
        passes = row.verdict in (Verdict.PASS, Verdict.WARN)
        use = Use.IN_USE if is_used else Use.NOT_NEEDED if passes else Use.EXCEEDED
        allowed.append(Allowed(row, exception, use))
        judged.append(_excepted(row, exception) if is_used else row)
    return tuple(judged), tuple(allowed)


def _is_only_shown(row: Row) -> bool:
    return row.is_own and row.verdict is None


def _is_used(row: Row, exception: ExceptionInForce) -> bool:
    """Whether the row would not pass as it does without the exception, which covers what was measured."""
    if row.head.is_lower_bound:
        return False  # nothing says how much the exception would have to cover
    most = row.head.at_most or row.head.value or 0
    if row.budget.every:  # of a single trial it is known how high it was, or nothing is excepted
        over = row.trials_over
        return row.verdict is Verdict.FAIL and max(most, over.highest if over else 0) <= exception.allow
    is_over = row.verdict is Verdict.WARN and row.trials_over is not None
    return (is_over or row.verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE)) and most <= exception.allow


def _excepted(row: Row, exception: ExceptionInForce) -> Row:
    over = row.trials_over
    is_beyond = over is not None and over.highest > exception.allow
    reason = Excepted(exception.until, over if is_beyond else None)
    verdict = Verdict.WARN if exception.ends_soon or is_beyond else Verdict.PASS
    return replace(row, verdict=verdict, reasons=(reason,), is_excepted=True, inconclusive=None)
