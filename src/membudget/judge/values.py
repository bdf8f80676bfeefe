"""Aggregates trials to values: of a side, of a phase, and as single samples."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from membudget.core.definition import Aggregation
from membudget.core.intervals import student
from membudget.core.metrics import PEAKS, TRIAL_METRICS, Metric, MetricValue
from membudget.judge.evidence import Samples
from membudget.judge.measurement import SideMeasurement
from membudget.measure.trial import Outcome, Phase, Trial


def aggregate(trials: Sequence[Trial]) -> dict[Metric, MetricValue]:
    """Return every trial metric, aggregated over the measured trials of a side without its warm-up."""
    return {metric: aggregated(metric, [trial.metrics[metric] for trial in trials]) for metric in TRIAL_METRICS}


def all_absent(reason: str) -> dict[Metric, MetricValue]:
    """Return every trial metric as absent for the same reason."""
    return {metric: MetricValue.absent(metric, reason) for metric in TRIAL_METRICS}


def aggregated(metric: Metric, readings: Sequence[MetricValue]) -> MetricValue:
    """Return the median, the largest or the mean of the readings, with the lesser precision if one of them has it."""
    values = [reading.value for reading in readings if reading.value is not None]
    if not values:
        return MetricValue.absent(metric, readings[0].reason or "unknown" if readings else "no trial was run")
    if metric.definition.aggregation is Aggregation.ESTIMATE:
        return _estimated(metric, [reading for reading in readings if reading.value is not None])
    worst = metric.definition.aggregation is Aggregation.MAXIMUM
    missing = [reading for reading in readings if reading.value is None] if worst else []
    if missing and not max(values):
        why = f"not counted in {len(missing)} of {len(readings)} trials: {missing[0].reason}"
        return MetricValue.absent(metric, why)  # zero in the other trials proves nothing about these
    lesser = [reading.precision for reading in readings if reading.value is not None and reading.is_less_precise]
    combine = max if worst else statistics.median
    read = [reading for reading in readings if reading.value is not None]
    value, at_most, at_least = (
        round(combine(figures))
        for figures in (
            values,
            [reading.at_most or reading.value or 0 for reading in read],
            [reading.at_least if reading.at_least is not None else reading.value or 0 for reading in read],
        )
    )
    precision = lesser[0] if lesser else None
    if missing or any(reading.is_lower_bound for reading in readings):
        precision = (
            precision or f"lower bound: {missing[0].reason if missing else 'the value of a trial is a lower bound'}"
        )
        return MetricValue.of(metric, value, precision, is_lower_bound=True)
    found = MetricValue.of(metric, value, precision, at_most if at_most > value else None)
    return replace(found, at_least=at_least) if at_least < value else found


def _estimated(metric: Metric, readings: Sequence[MetricValue]) -> MetricValue:
    """Return the mean of the trials' estimates. Its interval comes from their differences, or from a single trial."""
    values = [reading.value or 0 for reading in readings]
    if len(values) == 1:
        return readings[0]
    mean = statistics.fmean(values)
    margin = student(len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return MetricValue.estimate(metric, round(mean), math.floor(mean - margin), math.ceil(mean + margin))


@dataclass(frozen=True, slots=True)
class PhaseSummary:
    """One phase, aggregated over all trials of a side."""

    name: str
    duration_ms: int
    peak_rss: MetricValue
    peak_memory: MetricValue

    @property
    def by_metric(self) -> dict[Metric, MetricValue]:
        """The values of the phase, by metric."""
        return {Metric.PEAK_RSS: self.peak_rss, Metric.PEAK_MEMORY: self.peak_memory}


def phase_summaries(trials: Sequence[Trial]) -> tuple[PhaseSummary, ...]:
    """Return the phases that all of `trials` reached, in order."""
    if not trials:
        return ()
    shortest = min(trials, key=lambda trial: len(trial.phases)).phases
    columns = [[trial.phases[number] for trial in trials] for number in range(len(shortest))]
    return tuple(
        PhaseSummary(
            name=column[0].name,
            duration_ms=round(statistics.median(phase.duration_ms for phase in column)),
            peak_rss=aggregated(Metric.PEAK_RSS, [phase.peak_rss for phase in column]),
            peak_memory=aggregated(Metric.PEAK_MEMORY, [phase.peak_memory for phase in column]),
        )
        for column in columns
        if len({phase.name for phase in column}) == 1
    )


def phase_values(side: SideMeasurement | None) -> dict[tuple[str, Metric], MetricValue]:
    """Return the values of each phase of a side. If two phases have the same name, the larger value counts."""
    values: dict[tuple[str, Metric], MetricValue] = {}
    for summary in phase_summaries(side.trials) if side is not None else ():
        for metric, value in summary.by_metric.items():
            before = values.get((summary.name, metric))
            if before is None or before.value is None or (value.value or 0) > before.value:
                values[summary.name, metric] = value
    return values


_OF_THE_LARGEST_PHASE = 0.99
"""The limit was reached in a phase if its mark is at least this share of the trial's highest mark."""


def trial_samples(metric: Metric, base: SideMeasurement | None, head: SideMeasurement) -> Samples:
    """Return the samples of a metric of whole trials."""
    return _samples(metric, base, head, lambda trial: trial.metrics.get(metric), reached_limit)


def phase_samples(phase: str, metric: Metric, base: SideMeasurement | None, head: SideMeasurement) -> Samples:
    """Return the samples of a metric of one phase. If two phases have the same name, the larger value counts."""

    def of_trial(trial: Trial) -> MetricValue | None:
        named = (one for one in trial.phases if one.name == phase)
        values = [one.by_metric[metric] for one in named]
        return max(values, key=lambda value: value.value or 0, default=None)

    def reached(trial: Trial) -> bool:
        own = _highest([one for one in trial.phases if one.name == phase])
        return reached_limit(trial) and own >= _OF_THE_LARGEST_PHASE * _highest(trial.phases)

    return _samples(metric, base, head, of_trial, reached)


def reached_limit(trial: Trial) -> bool:
    """Return whether a process was killed at the limit, or memory was reclaimed there."""
    return trial.at_limit is not None or was_killed(trial)


def was_killed(trial: Trial) -> bool:
    """Return whether a process of the container itself was OOM-killed, rather than one of a sidecar."""
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
    if metric.definition.aggregation is not Aggregation.MEDIAN:
        return Samples()
    before = [value for _, value in _read(base, of_trial)]
    read = list(_read(head, of_trial))
    trials = [trial for trial, _ in read]
    at_limit = [reached(trial) for trial in trials] if metric in PEAKS else []
    return Samples(
        base=tuple(value.value or 0 for value in before),
        head=tuple(value.value or 0 for _, value in read),
        head_worst=tuple(value.worst(metric) or 0 for _, value in read),
        head_unread=len(head.trials) - len(read),
        reached_limit=tuple(at_limit),
        cut_off=tuple(at and _is_cut_off(metric, trial) for at, trial in zip(at_limit, trials, strict=False)),
    )


def _is_cut_off(metric: Metric, trial: Trial) -> bool:
    """Return whether this peak of a trial at its limit is only a lower bound.

    The kernel's mark cannot exceed the limit. Only a kill cuts off RSS, because there is no swap to reclaim it to.
    """
    return metric is Metric.PEAK_MEMORY or was_killed(trial)


def _read(
    side: SideMeasurement | None, of_trial: Callable[[Trial], MetricValue | None]
) -> list[tuple[Trial, MetricValue]]:
    """Return the trials that have a value, with the value."""
    found = [(trial, of_trial(trial)) for trial in (side.trials if side is not None else ())]
    return [(trial, value) for trial, value in found if value is not None and value.value is not None]


def largest_samples(side: SideMeasurement, column: str, unjudged: tuple[str, ...]) -> tuple[int, ...]:
    """Return each trial's largest sample of a column of the series, outside of unjudged phases.

    Empty if a trial has none.
    """
    largest = [_largest_of(trial, column, unjudged) for trial in side.trials]
    known = [value for value in largest if value is not None]
    return tuple(known) if len(known) == len(largest) else ()


def _largest_of(trial: Trial, column: str, unjudged: tuple[str, ...]) -> int | None:
    left_out = [
        range(phase.begin_us, phase.begin_us + 1000 * phase.duration_ms)
        for phase in trial.phases
        if phase.name in unjudged
    ]
    series = trial.series
    judged = (
        value
        for time_us, value in zip(series.time_us, series.column(column), strict=False)
        if not any(time_us in span for span in left_out)
    )
    return max(judged, default=None)
