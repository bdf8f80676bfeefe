"""The part of a trial whose peaks count: all of it, or without the phases that are not judged. Pure."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from membudget.measure.probe.messages import PhaseReading, ProbeReport, Reading, Series


@dataclass(frozen=True, slots=True)
class JudgedPart:
    """What the peaks of a trial are taken from."""

    series: Series
    kernel_peak: Reading
    certified_peak_bytes: int | None
    """The kernel's mark of this part and no other; None where it could not be told apart."""
    largest_usage_bytes: int | None
    """The largest usage that RSS was read for."""


def judged_part(report: ProbeReport, unjudged: AbstractSet[str]) -> JudgedPart:
    """What of `report` counts when the phases named `unjudged` do not."""
    left_out = [phase for phase in report.phases if phase.name in unjudged]
    if not left_out:
        sampled = max(report.series.usage_bytes, default=None)
        largest = report.effort.largest_usage_bytes if report.effort is not None else sampled
        return JudgedPart(report.series, report.kernel_peak, report.kernel_peak.value, largest)
    series = _without(report.series, left_out)
    phases = [phase for phase in report.phases if phase.name not in unjudged]
    read = [phase.largest_usage_bytes for phase in phases if phase.largest_usage_bytes is not None]
    # A sample's own usage can be more than its RSS was read for: it is a peak of memory, and certifies none of RSS.
    largest = max(read or series.usage_bytes, default=None)
    marks = [phase.kernel_peak.value for phase in phases if phase.kernel_peak.value is not None]
    if marks and len(marks) == len(phases):
        return JudgedPart(series, Reading(max(marks)), max(marks), largest)
    why = next((phase.kernel_peak.reason for phase in phases if phase.kernel_peak.value is None), None)
    if largest is None:
        return JudgedPart(series, Reading(None, why or "no judged phase was reached"), None, None)
    peak = Reading(max([*read, *series.usage_bytes, *marks]), note=f"sampled, lower bound: {why}")
    return JudgedPart(series, peak, None, largest)


def _without(series: Series, phases: list[PhaseReading]) -> Series:
    kept = [
        index
        for index, time_us in enumerate(series.time_us)
        if not any(phase.begin_us <= time_us < phase.end_us for phase in phases)
    ]
    columns = (series.time_us, series.anon_bytes, series.rss_bytes, series.working_set_bytes, series.usage_bytes)
    return Series(*([column[index] for index in kept] for column in columns))
