"""Growth since a release or a date: the head against the figures that the history has of then.

A row of its own is judged exactly as growth over the base is, with the trials of then in place of the base's.
"""

from collections.abc import Iterator
from dataclasses import replace

from membudget.budgets.rules import Creep, EffectiveBudget, WarnLevels
from membudget.core.metrics import IMAGE_METRICS, Metric, MetricValue
from membudget.judge.bounds import Bound, BoundKind
from membudget.judge.evidence import Samples
from membudget.judge.measurement import ImageMeasurement, SideMeasurement
from membudget.judge.metric import Inconclusive, Row, Verdict, judge_metric
from membudget.judge.reasons import Excuse, GrowthNotJudged, NotMeasured, RowReason, Worsened
from membudget.judge.then import Then, ThenState
from membudget.judge.values import trial_samples

_EXCUSES = {ThenState.NO_HISTORY: Excuse.NO_HISTORY, ThenState.EXCUSED: Excuse.HISTORY_NOT_USABLE}


def creep_rows(image: ImageMeasurement, head: SideMeasurement) -> Iterator[Row]:
    """Yield a row for each creep budget. The head is compared under the base's settings, as the history was."""
    for metric, budget in image.budgets.items():
        if budget.creep is None:
            continue
        samples = replace(trial_samples(metric, None, head), base=())
        row = creep_row(metric, head.metrics[metric], samples, budget.creep, image.then.get(metric))
        if image.fails_with_base_settings and metric not in IMAGE_METRICS:
            excused = (GrowthNotJudged(Excuse.SETTINGS_CHANGED),)
            row = replace(row, verdict=None, reasons=excused, inconclusive=None, is_settled=True)
        yield row


def creep_row(metric: Metric, head: MetricValue, samples: Samples, creep: Creep, then: Then | None) -> Row:
    """Judge the growth since then. `samples` are the head's. Without `then`, the figures of then are unknown."""
    known = then or Then(ThenState.UNKNOWN, MetricValue.absent(metric, "the history was not read"))
    tolerance = creep.tolerance
    budget = (
        EffectiveBudget(warn=WarnLevels(tolerance=tolerance)) if creep.warns else EffectiveBudget(tolerance=tolerance)
    )
    is_there = known.state is ThenState.FOUND
    compared = replace(samples, base=() if metric in IMAGE_METRICS else known.samples)
    row = judge_metric(
        metric,
        known.value if is_there else None,
        head,
        budget,
        compared,
        excuse=_EXCUSES.get(known.state, Excuse.HISTORY_NOT_USABLE),
    )
    if known.state is ThenState.UNKNOWN and not creep.warns and head.value is not None:
        reasons = (NotMeasured(known.value.reason),)
        row = replace(
            row, verdict=Verdict.INCONCLUSIVE, reasons=reasons, inconclusive=Inconclusive.NOT_MEASURED, is_settled=True
        )
    return _as_creep(replace(row, since=creep.since, then=then))


def _as_creep(row: Row) -> Row:
    """Return the row with its bounds named as those of creep."""
    return replace(
        row,
        reasons=tuple(map(_reason, row.reasons)),
        nearest=_bound(row.nearest) if row.nearest is not None else None,
        exceeded=tuple(replace(one, bound=_bound(one.bound)) for one in row.exceeded),
    )


def _reason(reason: RowReason) -> RowReason:
    return replace(reason, bound=_bound(reason.bound)) if isinstance(reason, Worsened) else reason


def _bound(bound: Bound) -> Bound:
    return replace(bound, kind=BoundKind.CREEP) if bound.kind.is_growth else bound
