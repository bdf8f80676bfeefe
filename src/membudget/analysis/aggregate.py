"""Trials to values: one figure a metric for a side."""

import statistics
from collections.abc import Sequence

from membudget.metrics import DEFINITIONS, Aggregation, Metric, MetricValue
from membudget.trials.trial import Trial

TRIAL_METRICS = tuple(
    metric for metric, definition in DEFINITIONS.items() if definition.aggregation is not Aggregation.CONSTANT
)
"""What a trial measures; the others are properties of the image."""


def aggregate(trials: Sequence[Trial]) -> dict[Metric, MetricValue]:
    """Each trial metric over the measured trials of a side, warm-up not among them."""
    return {metric: aggregated(metric, [trial.metrics[metric] for trial in trials]) for metric in TRIAL_METRICS}


def all_absent(reason: str) -> dict[Metric, MetricValue]:
    """Each trial metric as absent, for one reason."""
    return {metric: MetricValue.absent(metric, reason) for metric in TRIAL_METRICS}


def aggregated(metric: Metric, readings: Sequence[MetricValue]) -> MetricValue:
    """One value of some readings of `metric`: the median or the largest, with the least of their precisions."""
    values = [reading.value for reading in readings if reading.value is not None]
    if not values:
        return MetricValue.absent(metric, readings[0].reason or "unknown" if readings else "no trial was run")
    usual = DEFINITIONS[metric].precision
    lesser = [reading.precision for reading in readings if reading.value is not None and reading.precision != usual]
    worst = DEFINITIONS[metric].aggregation is Aggregation.MAXIMUM
    combine = max if worst else statistics.median
    value, at_most = (
        round(combine(figures))
        for figures in (values, [reading.at_most or reading.value for reading in readings if reading.value is not None])
    )
    return MetricValue.of(metric, value, lesser[0] if lesser else None, at_most if at_most > value else None)
