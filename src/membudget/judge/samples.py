"""The values that the trials of both sides gave. Their spread tells noise from change."""

from collections.abc import Callable, Sequence

from membudget.core.metrics import DEFINITIONS, Aggregation, Metric, MetricValue
from membudget.judge.each_trial import Samples
from membudget.judge.measurement import SideMeasurement
from membudget.measure.trial import Outcome, Phase, Trial

_PEAKS = (Metric.PEAK_RSS, Metric.PEAK_MEMORY, Metric.PEAK_WORKING_SET)
"""What a limit bounds."""
_OF_THE_LARGEST_PHASE = 0.99
"""A phase whose mark is as near to the trial's highest is one in which the limit was reached."""


def trial_samples(metric: Metric, base: SideMeasurement | None, head: SideMeasurement) -> Samples:
    """Of a metric of whole trials."""
    return _samples(metric, base, head, lambda trial: trial.metrics.get(metric), reached_limit)


def phase_samples(phase: str, metric: Metric, base: SideMeasurement | None, head: SideMeasurement) -> Samples:
    """Of a metric of one phase; of two phases of one name, the larger value."""

    def of_trial(trial: Trial) -> MetricValue | None:
        named = (one for one in trial.phases if one.name == phase)
        values = [one.peak_rss if metric is Metric.PEAK_RSS else one.peak_memory for one in named]
        return max(values, key=lambda value: value.value or 0, default=None)

    def reached(trial: Trial) -> bool:
        own = _highest([one for one in trial.phases if one.name == phase])
        return reached_limit(trial) and own >= _OF_THE_LARGEST_PHASE * _highest(trial.phases)

    return _samples(metric, base, head, of_trial, reached)


def reached_limit(trial: Trial) -> bool:
    """Whether something was killed at the limit, or memory was taken back there."""
    return trial.at_limit is not None or was_killed(trial)


def was_killed(trial: Trial) -> bool:
    """Whether a process of the container itself was OOM-killed."""
    in_sidecar = any(sidecar.oom_kills.value for sidecar in trial.sidecars)
    return trial.oom is not None or (trial.outcome is Outcome.OOM_KILLED and not in_sidecar)


def _highest(phases: Sequence[Phase]) -> int:
    return max((one.peak_memory.value or 0 for one in phases), default=0)


def _samples(
    metric: Metric,
    base: SideMeasurement | None,
    head: SideMeasurement,
    of_trial: Callable[[Trial], MetricValue | None],
    reached: Callable[[Trial], bool],
) -> Samples:
    if DEFINITIONS[metric].aggregation is not Aggregation.MEDIAN:
        return Samples()
    before = [value for _, value in _read(base, of_trial)]
    read = list(_read(head, of_trial))
    trials = [trial for trial, _ in read]
    at_limit = [reached(trial) for trial in trials] if metric in _PEAKS else []
    return Samples(
        base=tuple(value.value or 0 for value in before),
        head=tuple(value.value or 0 for _, value in read),
        head_at_most=tuple(value.at_most or value.value or 0 for _, value in read),
        head_unread=len(head.trials) - len(read),
        reached_limit=tuple(at_limit),
        cut_off=tuple(at and _is_cut_off(metric, trial) for at, trial in zip(at_limit, trials, strict=False)),
    )


def _is_cut_off(metric: Metric, trial: Trial) -> bool:
    """Whether a trial at its limit has a lower bound of this peak.

    The kernel's mark cannot go beyond the limit. RSS is cut off by a kill alone: there is no swap to take it back to.
    """
    return metric is Metric.PEAK_MEMORY or was_killed(trial)


def _read(
    side: SideMeasurement | None, of_trial: Callable[[Trial], MetricValue | None]
) -> list[tuple[Trial, MetricValue]]:
    """The trials that have a value, and that."""
    found = [(trial, of_trial(trial)) for trial in (side.trials if side is not None else ())]
    return [(trial, value) for trial, value in found if value is not None and value.value is not None]
