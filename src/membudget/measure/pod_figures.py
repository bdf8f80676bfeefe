"""The sum of the RSS of a container and its sidecars over time. Does no I/O."""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

from membudget.core.files import Stored
from membudget.core.metrics import Metric, MetricValue
from membudget.engine.cgroups import CgroupVersion
from membudget.measure.certificate import count_oom_kills
from membudget.measure.probe.messages import ProbeReport, Series

_HELD_US = 500_000
"""A sample stays valid until the next one, but at most this long, because a container that has ended is not sampled any
more.
"""


@dataclass(frozen=True, slots=True)
class SidecarUse(Stored):
    """The memory of a sidecar in a trial."""

    name: str
    peak_rss: MetricValue
    peak_memory: MetricValue
    oom_kills: MetricValue


def sidecar_use(name: str, report: ProbeReport, version: CgroupVersion) -> SidecarUse:
    """Return a sidecar's own figures."""
    rss, peak = report.series.rss_bytes, report.kernel_peak
    return SidecarUse(
        name,
        MetricValue.of(Metric.PEAK_RSS, max(rss)) if rss else MetricValue.absent(Metric.PEAK_RSS, "no sample"),
        MetricValue.of(Metric.PEAK_MEMORY, peak.value, peak.note)
        if peak.value is not None
        else MetricValue.absent(Metric.PEAK_MEMORY, peak.reason or "unknown"),
        count_oom_kills(report, version).value,
    )


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
