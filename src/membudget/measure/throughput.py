"""What a service served in a trial: requests a second, requests a second for each GiB of RSS, and latencies.

Only requests that succeeded count. Groups that read slowly or for a limited time do not count at all, because the
client sets their pace. Several groups of a trial are taken together: their requests, their times and their latencies.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import GIB
from membudget.measure.latencies import Latencies
from membudget.measure.load import LoadResult, LoadUnit

PERCENTILES = ((Metric.LATENCY_P50, 0.50), (Metric.LATENCY_P95, 0.95), (Metric.LATENCY_P99, 0.99))
_LOAD_METRICS = (Metric.REQUESTS_PER_SECOND, Metric.REQUESTS_PER_GIB, *(metric for metric, _ in PERCENTILES))
_NO_REQUESTS = "the workload sends no requests"
_PACED = "the workload only sends requests whose responses are read slowly or for a limited time"


@dataclass(frozen=True, slots=True)
class Served:
    """What came of one group of requests."""

    result: LoadResult
    latencies: Latencies
    unit: LoadUnit


@dataclass(frozen=True, slots=True)
class PeakUnderLoad:
    """The peak RSS of the phases in which requests were sent."""

    bytes: int
    at_most_bytes: int | None
    """How large it may have been, if a spike was missed. None if none was."""


def load_metrics(served: Sequence[Served], peak: PeakUnderLoad | None) -> dict[Metric, MetricValue]:
    """Return the metrics of a load: values, or why there are none. `peak` is None if it was not sampled."""
    counted = [one for one in served if one.unit is not LoadUnit.STREAM]
    took_us = sum(one.result.duration_us for one in counted)
    if not counted or took_us <= 0:
        why = _PACED if served and not counted else _NO_REQUESTS
        return {metric: MetricValue.absent(metric, why) for metric in _LOAD_METRICS}
    succeeded = sum(one.result.succeeded for one in counted)
    return {
        Metric.REQUESTS_PER_SECOND: MetricValue.of(
            Metric.REQUESTS_PER_SECOND, _in_1000_s(succeeded, took_us), _precision(counted)
        ),
        Metric.REQUESTS_PER_GIB: _per_gib(succeeded, took_us, peak),
        **_percentiles(Latencies.together(one.latencies for one in counted)),
    }


def _in_1000_s(requests: int, took_us: int) -> int:
    return round(requests * 10**9 / took_us)


def _per_gib(requests: int, took_us: int, peak: PeakUnderLoad | None) -> MetricValue:
    metric = Metric.REQUESTS_PER_GIB
    if peak is None or peak.bytes <= 0:
        return MetricValue.absent(metric, "no RSS was sampled in a phase with requests")
    value, least = (
        round(requests * 10**9 * GIB / (took_us * size)) if size else None for size in (peak.bytes, peak.at_most_bytes)
    )
    if least is None or least == value:
        return MetricValue.of(metric, value or 0)
    return replace(MetricValue.of(metric, value or 0, "upper bound: a spike of RSS was missed"), at_least=least)


def _percentiles(latencies: Latencies) -> dict[Metric, MetricValue]:
    return {metric: _percentile(metric, share, latencies) for metric, share in PERCENTILES}


def _percentile(metric: Metric, share: float, latencies: Latencies) -> MetricValue:
    """Return a percentile. It needs so many requests that one of them may exceed it."""
    value, fewest = latencies.percentile(share), round(1 / (1 - share))
    if value is None:
        return MetricValue.absent(metric, "no request succeeded")
    if latencies.total < fewest:
        return MetricValue.absent(metric, f"{latencies.total} requests are too few: {fewest} or more")
    return MetricValue.of(metric, value)


def _precision(counted: Iterable[Served]) -> str | None:
    """Return that the client was the limit, if it was."""
    was_busy = any(one.result.client_was_busy for one in counted)
    return "lower bound: the client needed its whole CPU" if was_busy else None
