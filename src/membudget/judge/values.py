"""Trials to values: one figure a metric for a side."""

import math
import statistics
from collections.abc import Sequence

from membudget.core.metrics import DEFINITIONS, Aggregation, Metric, MetricValue
from membudget.measure.trial import Trial

TRIAL_METRICS = tuple(
    metric for metric, definition in DEFINITIONS.items() if definition.aggregation is not Aggregation.CONSTANT
)
"""What a trial measures; the others are properties of the image."""

_STUDENT = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26, 15: 2.13, 30: 2.04}
"""97.5 % quantiles of Student's t, by degrees of freedom."""


def aggregate(trials: Sequence[Trial]) -> dict[Metric, MetricValue]:
    """Each trial metric over the measured trials of a side, warm-up not among them."""
    return {metric: aggregated(metric, [trial.metrics[metric] for trial in trials]) for metric in TRIAL_METRICS}


def all_absent(reason: str) -> dict[Metric, MetricValue]:
    """Each trial metric as absent, for one reason."""
    return {metric: MetricValue.absent(metric, reason) for metric in TRIAL_METRICS}


def aggregated(metric: Metric, readings: Sequence[MetricValue]) -> MetricValue:
    """One value of some readings of `metric`: median, largest or mean, with the least of their precisions."""
    values = [reading.value for reading in readings if reading.value is not None]
    if not values:
        return MetricValue.absent(metric, readings[0].reason or "unknown" if readings else "no trial was run")
    if DEFINITIONS[metric].aggregation is Aggregation.ESTIMATE:
        return _estimated(metric, [reading for reading in readings if reading.value is not None])
    worst = DEFINITIONS[metric].aggregation is Aggregation.MAXIMUM
    missing = [reading for reading in readings if reading.value is None] if worst else []
    if missing and not max(values):
        why = f"not counted in {len(missing)} of {len(readings)} trials: {missing[0].reason}"
        return MetricValue.absent(metric, why)  # none in the others says nothing of these
    usual = DEFINITIONS[metric].precision
    lesser = [reading.precision for reading in readings if reading.value is not None and reading.precision != usual]
    combine = max if worst else statistics.median
    value, at_most = (
        round(combine(figures))
        for figures in (values, [reading.at_most or reading.value for reading in readings if reading.value is not None])
    )
    precision = lesser[0] if lesser else None
    if missing or any(reading.is_lower_bound for reading in readings):
        precision = precision or f"lower bound: {missing[0].reason if missing else 'a trial has no more'}"
        return MetricValue.of(metric, value, precision, is_lower_bound=True)
    return MetricValue.of(metric, value, precision, at_most if at_most > value else None)


def _estimated(metric: Metric, readings: Sequence[MetricValue]) -> MetricValue:
    """The mean of the trials' estimates; its interval by how far the trials differ, or of one trial its own."""
    values = [reading.value or 0 for reading in readings]
    if len(values) == 1:
        return readings[0]
    mean = statistics.fmean(values)
    margin = _student(len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return MetricValue.estimate(metric, round(mean), math.floor(mean - margin), math.ceil(mean + margin))


def _student(degrees: int) -> float:
    """97.5 % quantile of Student's t; of fewer degrees where it is not tabled, which is the wider interval."""
    return _STUDENT[max(known for known in _STUDENT if known <= degrees)]
