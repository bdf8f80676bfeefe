"""Turns probes' reports into a trial's metrics, phases and findings, for the container alone and with its sidecars.

Does no I/O.
"""

import bisect
import statistics
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from membudget.core.definition import Counter, KernelMark, LargestSample, LastSamples, OwnRule
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.measure.certificate import Certificate, Conclusion, EngineWord, OomDoubt, certify, count_oom_kills
from membudget.measure.load import LoadProgress, unit_costs
from membudget.measure.probe.messages import PhaseReading, ProbeReport, Reading, Series
from membudget.measure.throughput import PeakUnderLoad, Served, load_metrics
from membudget.measure.trial import LimitContact, OomKills, Phase, PhaseName, TrialSpec

_HELD_US = 500_000
"""A sample stays valid until the next one, but at most this long, because a container that has ended is not sampled any
more.
"""


def pod_peak_rss(
    judged: Series, origin_ns: int | None, sidecars: Sequence[ProbeReport], missed_bytes: int
) -> MetricValue:
    """Return the largest sum, over the times at which the measured container was sampled.

    `judged` are the container's samples that count. `missed_bytes` is how much of the containers' spikes sampling
    missed.
    """
    metric = Metric.POD_PEAK_RSS
    if not sidecars:
        return MetricValue.absent(metric, "the image has no sidecars")
    if origin_ns is None or any(report.origin_ns is None for report in sidecars):
        return MetricValue.absent(metric, "the engine's statistics of two containers have no clock in common")
    if not judged.time_us:
        return MetricValue.absent(metric, "the container ended before the first sample")
    others = [(report.series, (origin_ns - (report.origin_ns or 0)) // 1000) for report in sidecars]
    peak = max(
        rss + sum(_at(series, time_us + shift_us) for series, shift_us in others)
        for time_us, rss in zip(judged.time_us, judged.rss_bytes, strict=True)
    )
    if missed_bytes:
        return MetricValue.of(metric, peak, "lower bound: a spike was missed", at_most=peak + missed_bytes)
    return MetricValue.of(metric, peak)


def _at(series: Series, time_us: int) -> int:
    """Return RSS at a time on the series' own clock. 0 before the container existed and after it was gone."""
    index = bisect.bisect_right(series.time_us, time_us) - 1
    if index < 0 or time_us - series.time_us[index] > _HELD_US:
        return 0
    return series.rss_bytes[index]


@dataclass(frozen=True, slots=True)
class JudgedPart:
    """The part of a trial that its peaks are taken from."""

    series: Series
    kernel_peak: Reading
    certified_peak_bytes: int | None
    """The kernel's mark of exactly this part. None if it cannot be told apart."""
    largest_usage_bytes: int | None
    """The largest usage for which RSS was read."""


def judged_part(report: ProbeReport, unjudged: AbstractSet[str]) -> JudgedPart:
    """Return the part of `report` that counts without the phases named in `unjudged`."""
    left_out = [phase for phase in report.phases if phase.name in unjudged]
    if not left_out:
        sampled = max(report.series.usage_bytes, default=None)
        largest = report.effort.largest_usage_bytes if report.effort is not None else sampled
        return JudgedPart(report.series, report.kernel_peak, report.kernel_peak.value, largest)
    series = _without(report.series, left_out)
    phases = [phase for phase in report.phases if phase.name not in unjudged]
    read = [phase.largest_usage_bytes for phase in phases if phase.largest_usage_bytes is not None]
    # A sample's usage can be more than RSS was read for. Such a usage is a peak of memory, but certifies no RSS.
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
    return series.only(kept)


_NO_SAMPLE = "the container ended before the first sample"
_NOT_SAMPLED = "neither this kernel's memory.stat nor the engine's statistics tell it"
_ENDED = "the container ended with its workload: there was nothing left to settle"
ONCE_A_SECOND = "1 Hz, may miss spikes"
_ONCE_A_SECOND_FACTOR = 2
"""Between two of the engine's statistics, memory may have been twice as high. Less headroom proves nothing."""
_ENOUGH_LOOKS = 5
"""Fewer statistics than this prove nothing at all."""
_SETTLED_SHARE = 5
"""The settled value is the median over the last fifth of the settle phase."""
_THRASHING_SHARE = 50
"""A stall of more than a fiftieth of the trial counts as thrashing."""
_THRASHING_REFAULTS_BYTES = 4 * MIB
"""If the kernel keeps no stall times, this much memory that was reclaimed and needed again counts as thrashing."""


@dataclass(frozen=True, slots=True)
class Startup:
    """How long the service took to become ready."""

    ready_ms: int | None
    was_ready_at_once: bool
    why_not_awaited: str | None = None
    """Why the workload does not wait for readiness. None if it does."""


def trial_metrics(
    report: ProbeReport, judged: JudgedPart, certificate: Certificate, startup: Startup, engine: EngineWord
) -> dict[Metric, MetricValue]:
    """Return every trial metric that does not depend on the load: a value or the reason why there is none.

    Peaks are those of `judged`.
    """
    metrics: dict[Metric, MetricValue] = {}
    for metric in Metric:
        match metric.definition.found:
            case LargestSample(column):
                metrics[metric] = _sampled_peak(metric, judged.series, column, certificate, engine.limit_bytes)
            case LastSamples(column):
                metrics[metric] = _settled(metric, report, column)
            case KernelMark():
                metrics[metric] = _value(metric, judged.kernel_peak)
            case Counter(reading, divisor):
                metrics[metric] = _value(metric, getattr(report, reading), divisor)
            case OwnRule():
                pass
    metrics[Metric.OOM_KILLS] = count_oom_kills(report, engine.cgroup_version, engine).value
    metrics[Metric.STARTUP_TIME] = _startup_time(startup)
    return metrics


def phases(report: ProbeReport, startup: Startup) -> tuple[Phase, ...]:
    """Return the phases of a trial, each with its own peaks.

    The first one begins before the engine is asked to start the container, so that no memory is missed. Its time counts
    from the moment when the container ran, as the startup time does.
    """
    if not report.phases:
        return ()
    first, *others = report.phases
    start_us = first.begin_us
    if first.name == PhaseName.START_UP and startup.ready_ms is not None:
        start_us = max(start_us, first.end_us - 1000 * startup.ready_ms)
    begun = replace(_phase(first, report.series, first.begin_us), begin_us=start_us)
    begun = replace(begun, duration_ms=round((first.end_us - start_us) / 1000))
    return (begun, *(_phase(reading, report.series, start_us) for reading in others))


def oom_findings(report: ProbeReport, kills: MetricValue) -> OomKills | None:
    """Return which processes were killed, or None if none was."""
    if not kills.value:
        return None
    killed, reason = report.kernel_log.killed, report.kernel_log.reason
    if reason is None and len(killed) < kills.value:
        reason = "the kernel's log does not name all: it limits how often it says so"
    return OomKills(killed, reason)


def limit_contact(report: ProbeReport, limit_bytes: int | None, duration_ms: int) -> LimitContact | None:
    """Return how the container reached its limit and survived. None if it did not reach it, or if that is unknown."""
    hits = report.limit_hits.value or None
    stalled = report.stalled_us.value
    refaulted = report.refaulted_bytes.value
    # v1 charges memory and swap together first, and does not count when that fails.
    is_uncounted = stalled is None and (refaulted or 0) >= _THRASHING_REFAULTS_BYTES
    if limit_bytes is None or not (hits or (is_uncounted and (report.kernel_peak.value or 0) >= limit_bytes)):
        return None
    if stalled is not None:
        is_thrashing = stalled * _THRASHING_SHARE > duration_ms * 1000
    else:
        is_thrashing = (refaulted or 0) >= _THRASHING_REFAULTS_BYTES
    return LimitContact(hits, refaulted, stalled // 1000 if stalled is not None else None, is_thrashing)


def _once_a_second(samples: list[int], certificate: Certificate, limit_bytes: int | None) -> int:
    """Return an upper margin for a peak that was sampled once a second. Only the limit is a true bound."""
    margin = max(_ONCE_A_SECOND_FACTOR * max(samples), certificate.kernel_peak_bytes or 0)
    return margin if len(samples) >= _ENOUGH_LOOKS or limit_bytes is None else max(margin, limit_bytes)


def _sampled_peak(
    metric: Metric, series: Series, column: str, certificate: Certificate, limit_bytes: int | None
) -> MetricValue:
    samples = series.column(column)
    if not samples:
        return MetricValue.absent(metric, _NOT_SAMPLED if series.time_us else _NO_SAMPLE)
    if certificate.effort is None:
        return MetricValue.of(metric, max(samples), ONCE_A_SECOND, _once_a_second(samples, certificate, limit_bytes))
    if certificate.conclusion is Conclusion.SPIKE_MISSED and certificate.kernel_peak_bytes is not None:
        return MetricValue.of(
            metric, max(samples), "lower bound: a spike was missed", at_most=certificate.kernel_peak_bytes
        )
    return MetricValue.of(metric, max(samples))


def _value(metric: Metric, reading: Reading, divisor: int = 1) -> MetricValue:
    if reading.value is None:
        return MetricValue.absent(metric, reading.reason or "unknown")
    return MetricValue.of(metric, round(reading.value / divisor), reading.note)


def _settled(metric: Metric, report: ProbeReport, column: str) -> MetricValue:
    settle = next((phase for phase in report.phases if phase.name == PhaseName.SETTLE), None)
    if settle is None:
        return MetricValue.absent(metric, _ENDED)
    last_us = settle.end_us - (settle.end_us - settle.begin_us) // _SETTLED_SHARE
    samples = report.series.within(last_us, settle.end_us, column)
    if not samples:
        return MetricValue.absent(metric, "there was no sample at the end of the settle time")
    return MetricValue.of(metric, round(statistics.median(samples)))


def _startup_time(startup: Startup) -> MetricValue:
    metric = Metric.STARTUP_TIME
    if startup.ready_ms is not None:
        return MetricValue.of(
            metric,
            startup.ready_ms,
            "upper bound: it was ready when it was first asked" if startup.was_ready_at_once else None,
        )
    if startup.why_not_awaited is not None:
        return MetricValue.absent(metric, startup.why_not_awaited)
    return MetricValue.absent(metric, "it was never ready")


def _phase(reading: PhaseReading, series: Series, start_us: int) -> Phase:
    rss = series.within(reading.begin_us, reading.end_us, "rss_bytes")
    return Phase(
        name=reading.name,
        begin_us=reading.begin_us,
        begin_ms=round((reading.begin_us - start_us) / 1000),
        duration_ms=round((reading.end_us - reading.begin_us) / 1000),
        peak_rss=MetricValue.of(Metric.PEAK_RSS, max(rss))
        if rss
        else MetricValue.absent(Metric.PEAK_RSS, "no sample fell into this phase"),
        peak_memory=_phase_peak(reading, series),
    )


def _phase_peak(reading: PhaseReading, series: Series) -> MetricValue:
    metric = Metric.PEAK_MEMORY
    if reading.kernel_peak.value is not None:
        return MetricValue.of(metric, reading.kernel_peak.value)
    usage = series.within(reading.begin_us, reading.end_us, "usage_bytes")
    if not usage:
        return MetricValue.absent(metric, reading.kernel_peak.reason or "unknown")
    return MetricValue.of(metric, max(usage), f"sampled, lower bound: {reading.kernel_peak.reason}")


@dataclass(frozen=True, slots=True)
class TrialSeen:
    """Everything observed in a trial."""

    report: ProbeReport
    sidecars: Sequence[ProbeReport]
    progress: Sequence[LoadProgress]
    startup: Startup
    served: Sequence[Served]
    live_heap: MetricValue


@dataclass(frozen=True, slots=True)
class TrialFigures:
    """A trial's metrics, and how reliable its peaks are."""

    metrics: dict[Metric, MetricValue]
    certificate: Certificate
    own_oom_kills: MetricValue
    """The OOM kills of the container without those of its sidecars."""
    oom_doubt: OomDoubt | None = None


def trial_figures(spec: TrialSpec, seen: TrialSeen, engine: EngineWord, rate_hz: int) -> TrialFigures:
    """Return every trial metric: a value, or the reason why there is none."""
    report = seen.report
    judged = judged_part(report, spec.unjudged_phases)
    certificate = certify(rate_hz, engine.cpus, judged.largest_usage_bytes, judged.certified_peak_bytes, report.effort)
    word = replace(engine, limit_bytes=spec.limit_bytes)
    metrics = trial_metrics(report, judged, certificate, seen.startup, word)
    counting = [progress for progress in seen.progress if progress.phase not in spec.unjudged_phases]
    metrics |= unit_costs(counting, report.series, report.origin_ns)
    served = [one for one in seen.served if one.result.phase not in spec.unjudged_phases]
    metrics |= load_metrics(served, _peak_under_load(report, served, metrics[Metric.PEAK_RSS]))
    missed = certificate.missed_bytes + sum(_missed_bytes(own, rate_hz, engine.cpus) for own in seen.sidecars)
    metrics[Metric.LIVE_HEAP] = seen.live_heap
    metrics[Metric.POD_PEAK_RSS] = pod_peak_rss(judged.series, report.origin_ns, seen.sidecars, missed)
    own = count_oom_kills(report, engine.cgroup_version, word)
    metrics[Metric.OOM_KILLS] = _of_the_pod(
        own.value, [count_oom_kills(sidecar, engine.cgroup_version).value for sidecar in seen.sidecars]
    )
    return TrialFigures(metrics, certificate, own.value, own.doubt)


def _peak_under_load(report: ProbeReport, served: Sequence[Served], peak: MetricValue) -> PeakUnderLoad | None:
    """Return the peak RSS of the phases in which requests were sent. None if none of them was sampled.

    `peak` is the trial's: if a spike was missed, it may have been in one of these phases.
    """
    loaded = {one.result.phase for one in served}
    samples = [
        rss
        for phase in report.phases
        if phase.name in loaded
        for rss in report.series.within(phase.begin_us, phase.end_us, "rss_bytes")
    ]
    return PeakUnderLoad(max(samples), peak.at_most) if samples else None


def _missed_bytes(report: ProbeReport, rate_hz: int, cpus: int) -> int:
    largest = report.effort.largest_usage_bytes if report.effort is not None else None
    return certify(rate_hz, cpus, largest, report.kernel_peak.value, report.effort).missed_bytes


def _of_the_pod(own: MetricValue, sidecars: Sequence[MetricValue]) -> MetricValue:
    """Add up the OOM kills of the container and its sidecars. An unknown count makes the sum a lower bound."""
    every = [own, *sidecars]
    kills = sum(one.value or 0 for one in every)
    missing = next((one.reason for one in every if one.value is None), None)
    if not sidecars or (missing is not None and not kills):
        return (
            own if own.value is None or not sidecars else MetricValue.absent(Metric.OOM_KILLS, f"a sidecar: {missing}")
        )
    lesser = next((one.precision for one in every if one.is_lower_bound), None)
    if missing is None and lesser is None:
        return MetricValue.of(Metric.OOM_KILLS, kills, own.lesser_precision)
    return MetricValue.of(Metric.OOM_KILLS, kills, lesser or f"lower bound: {missing}", is_lower_bound=True)
