"""The phases of some trials as one: medians, phase by phase."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from membudget.core.metrics import Metric, MetricValue
from membudget.judge.measurement import SideMeasurement
from membudget.judge.values import aggregated
from membudget.measure.trial import Trial


@dataclass(frozen=True, slots=True)
class PhaseSummary:
    """One phase over all trials of a side."""

    name: str
    duration_ms: int
    peak_rss: MetricValue
    peak_memory: MetricValue


def phase_summaries(trials: Sequence[Trial]) -> tuple[PhaseSummary, ...]:
    """The phases that all of `trials` went through, in their order."""
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
    """What each phase of a side has its own value of; of two phases of one name, the larger."""
    values: dict[tuple[str, Metric], MetricValue] = {}
    for summary in phase_summaries(side.trials) if side is not None else ():
        for metric, value in ((Metric.PEAK_RSS, summary.peak_rss), (Metric.PEAK_MEMORY, summary.peak_memory)):
            before = values.get((summary.name, metric))
            if before is None or before.value is None or (value.value or 0) > before.value:
                values[summary.name, metric] = value
    return values
