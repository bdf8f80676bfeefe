"""What a probe saw, as a trial's metrics, phases and findings. Pure."""

import bisect
import statistics
from dataclasses import dataclass

from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.measure.certificate import Certificate, Conclusion
from membudget.measure.judged_part import JudgedPart
from membudget.measure.oom_count import EngineWord, count_oom_kills
from membudget.measure.probe.messages import PhaseReading, ProbeReport, Reading, Series
from membudget.measure.trial import LimitContact, OomKills, Phase, PhaseName

_NO_SAMPLE = "the container ended before the first sample"
_ENDED = "the container ended with its workload: there was nothing left to settle"
_NO_READINESS = {
    "command": "a one-shot container is run to its end and never ready",
    "exec": "the workload waits for no readiness",
}
ONCE_A_SECOND = "1 Hz, may miss spikes"
_ONCE_A_SECOND_FACTOR = 2
"""What the engine's statistics showed may have been twice as much in between: less headroom proves nothing."""
_ENOUGH_LOOKS = 5
"""Fewer of the engine's say nothing at all."""
_SETTLED_SHARE = 5
"""Settled RSS is the median of the last fifth of the settle phase."""
_THRASHING_SHARE = 50
"""A stall of more than a fiftieth of the trial is thrashing."""
_THRASHING_REFAULTS_BYTES = 4 * MIB
"""Where the kernel keeps no stall times: as much memory was taken back and needed again."""


@dataclass(frozen=True, slots=True)
class Startup:
    """How long the service took to be ready."""

    ready_ms: int | None
    was_ready_at_once: bool
    workload_kind: str
    waits: bool
    """Whether the workload waits for readiness at all."""


def trial_metrics(
    report: ProbeReport, judged: JudgedPart, certificate: Certificate, startup: Startup, engine: EngineWord
) -> dict[Metric, MetricValue]:
    """Every trial metric that does not depend on the load: a value, or why there is none. Peaks are of `judged`."""
    return {
        Metric.PEAK_RSS: _sampled_peak(
            Metric.PEAK_RSS, judged.series.rss_bytes, certificate, engine.limit_bytes
        ),
        Metric.PEAK_MEMORY: _value(Metric.PEAK_MEMORY, judged.kernel_peak),
        Metric.PEAK_WORKING_SET: _sampled_peak(
            Metric.PEAK_WORKING_SET, judged.series.working_set_bytes, certificate, engine.limit_bytes
        ),
        Metric.SETTLED_RSS: _settled_rss(report),
        Metric.SWAP_PEAK: _value(Metric.SWAP_PEAK, report.swap_peak),
        Metric.OOM_KILLS: count_oom_kills(report, engine.cgroup_version, engine).value,
        Metric.MEMORY_PRESSURE: _value(Metric.MEMORY_PRESSURE, _in_ms(report.stalled_us)),
        Metric.STARTUP_TIME: _startup_time(startup),
        Metric.CPU_SECONDS: _value(Metric.CPU_SECONDS, _in_ms(report.cpu_usage_us)),
    }  # fmt: skip


def phases(report: ProbeReport) -> tuple[Phase, ...]:
    """The phases of a trial with the peaks of each."""
    start_us = report.phases[0].begin_us if report.phases else 0
    return tuple(_phase(reading, report.series, start_us) for reading in report.phases)


def oom_findings(report: ProbeReport, kills: MetricValue) -> OomKills | None:
    """Who was killed; None when nobody was."""
    if not kills.value:
        return None
    killed, reason = report.kernel_log.killed, report.kernel_log.reason
    if reason is None and len(killed) < kills.value:
        reason = "the kernel's log does not name all: it limits how often it says so"
    return OomKills(killed, reason)


def limit_contact(report: ProbeReport, limit_bytes: int | None, duration_ms: int) -> LimitContact | None:
    """Whether the container reached its limit and lived on; None when it did not, or that is not known."""
    hits = report.limit_hits.value or None
    stalled = report.stalled_us.value
    refaulted = report.refaulted_bytes.value
    # v1 charges memory and swap together first, and counts no failure of that.
    is_uncounted = stalled is None and (refaulted or 0) >= _THRASHING_REFAULTS_BYTES
    if limit_bytes is None or not (hits or (is_uncounted and (report.kernel_peak.value or 0) >= limit_bytes)):
        return None
    if stalled is not None:
        is_thrashing = stalled * _THRASHING_SHARE > duration_ms * 1000
    else:
        is_thrashing = (refaulted or 0) >= _THRASHING_REFAULTS_BYTES
    return LimitContact(hits, refaulted, stalled // 1000 if stalled is not None else None, is_thrashing)


def _once_a_second(samples: list[int], certificate: Certificate, limit_bytes: int | None) -> int:
    """What a peak may be that was looked for once a second: a margin. Only the limit is a bound."""
    margin = max(_ONCE_A_SECOND_FACTOR * max(samples), certificate.kernel_peak_bytes or 0)
    return margin if len(samples) >= _ENOUGH_LOOKS or limit_bytes is None else max(margin, limit_bytes)


def _sampled_peak(metric: Metric, samples: list[int], certificate: Certificate, limit_bytes: int | None) -> MetricValue:
    if not samples:
        return MetricValue.absent(metric, _NO_SAMPLE)
    if certificate.effort is None:
        return MetricValue.of(metric, max(samples), ONCE_A_SECOND, _once_a_second(samples, certificate, limit_bytes))
    if certificate.conclusion is Conclusion.SPIKE_MISSED and certificate.kernel_peak_bytes is not None:
        return MetricValue.of(
            metric, max(samples), "lower bound: a spike was missed", at_most=certificate.kernel_peak_bytes
        )
    return MetricValue.of(metric, max(samples))


def _value(metric: Metric, reading: Reading) -> MetricValue:
    if reading.value is None:
        return MetricValue.absent(metric, reading.reason or "unknown")
    return MetricValue.of(metric, reading.value, reading.note)


def _in_ms(reading: Reading) -> Reading:
    return reading if reading.value is None else Reading(round(reading.value / 1000), note=reading.note)


def _settled_rss(report: ProbeReport) -> MetricValue:
    settle = next((phase for phase in report.phases if phase.name == PhaseName.SETTLE), None)
    if settle is None:
        return MetricValue.absent(Metric.SETTLED_RSS, _ENDED)
    last_us = settle.end_us - (settle.end_us - settle.begin_us) // _SETTLED_SHARE
    samples = _within(report.series, last_us, settle.end_us, report.series.rss_bytes)
    if not samples:
        return MetricValue.absent(Metric.SETTLED_RSS, "there was no sample at the end of the settle time")
    return MetricValue.of(Metric.SETTLED_RSS, round(statistics.median(samples)))


def _startup_time(startup: Startup) -> MetricValue:
    metric = Metric.STARTUP_TIME
    if startup.ready_ms is not None:
        return MetricValue.of(
            metric,
            startup.ready_ms,
            "upper bound: it was ready when it was first asked" if startup.was_ready_at_once else None,
        )
    if not startup.waits:
        return MetricValue.absent(metric, _NO_READINESS.get(startup.workload_kind, "nothing is waited for"))
    return MetricValue.absent(metric, "it was never ready")


def _phase(reading: PhaseReading, series: Series, start_us: int) -> Phase:
    rss = _within(series, reading.begin_us, reading.end_us, series.rss_bytes)
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
    usage = _within(series, reading.begin_us, reading.end_us, series.usage_bytes)
    if not usage:
        return MetricValue.absent(metric, reading.kernel_peak.reason or "unknown")
    return MetricValue.of(metric, max(usage), f"sampled, lower bound: {reading.kernel_peak.reason}")


def _within(series: Series, begin_us: int, end_us: int, column: list[int]) -> list[int]:
    """The samples of a stretch of time; where there is none, the one before it."""
    first = bisect.bisect_left(series.time_us, begin_us)
    last = bisect.bisect_right(series.time_us, end_us)
    return column[min(first, max(0, last - 1)) : last]
