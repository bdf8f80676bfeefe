"""What the trials of both sides gave, value by value: noise is told by how they differ."""

from collections.abc import Callable

from membudget.analysis.measurement import SideMeasurement
from membudget.analysis.metric_verdict import Samples
from membudget.metrics import DEFINITIONS, Aggregation, Metric, MetricValue
from membudget.trials.trial import Trial


def trial_samples(metric: Metric, base: SideMeasurement | None, head: SideMeasurement) -> Samples:
    """Of a metric of whole trials."""
    return _samples(metric, base, head, lambda trial: trial.metrics.get(metric))


def phase_samples(phase: str, metric: Metric, base: SideMeasurement | None, head: SideMeasurement) -> Samples:
    """Of a metric of one phase; of two phases of one name, the larger value."""

    def of_trial(trial: Trial) -> MetricValue | None:
        named = (one for one in trial.phases if one.name == phase)
        values = [one.peak_rss if metric is Metric.PEAK_RSS else one.peak_memory for one in named]
        return max(values, key=lambda value: value.value or 0, default=None)

    return _samples(metric, base, head, of_trial)


def _samples(
    metric: Metric, base: SideMeasurement | None, head: SideMeasurement, of_trial: Callable[[Trial], MetricValue | None]
) -> Samples:
    if DEFINITIONS[metric].aggregation is not Aggregation.MEDIAN:
        return Samples()
    return Samples(_values(base, of_trial), _values(head, of_trial))


def _values(side: SideMeasurement | None, of_trial: Callable[[Trial], MetricValue | None]) -> tuple[int, ...]:
    values = map(of_trial, side.trials if side is not None else ())
    return tuple(value.value for value in values if value is not None and value.value is not None)
