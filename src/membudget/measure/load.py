"""A load on the service: what is ordered, how it proceeds, what came of it, and what memory each unit of it costs.

membudget sends the HTTP driver a DriveOrder with its RequestGroups. The driver answers with DriveEvents. Each order and
each event is one JSON object on one line.

Memory per unit is RSS, fitted over the number of connections, streams or requests. A load that grows evenly (a ramp)
shows the cost of each additional unit. RSS is divided into blocks of equal load, and the median represents a block. The
slope is the median of the slopes between all pairs of blocks (Theil 1950, Sen 1968). A garbage collection or a buffer
that doubles once affects few of these pairs.
"""

import bisect
import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from membudget.budgets.fields import AnyPhaseLabel
from membudget.core.files import Stored
from membudget.core.intervals import student
from membudget.core.metrics import Metric, MetricValue
from membudget.measure.latencies import StepCounts
from membudget.measure.listening import Listening
from membudget.measure.probe.messages import Series

_BUSY_SHARE = 0.9
"""A client that uses more than this share of a CPU is the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestGroup:
    """Identical requests."""

    method: str
    path: str
    headers: dict[str, str]
    body_base64: str | None = None
    body_size: int | None = None
    """The number of random bytes in the body."""
    count: int | None
    """None means as many as fit into the duration."""
    duration_ms: int | None = None
    concurrency: int
    rate: int | None = None
    """Requests per second. None means one after another."""
    ramp_ms: int = 0
    keep_alive: bool = True
    connections: int = 0
    """The number of idle connections to hold open."""
    read_rate: int | None = None
    """Bytes per second. None means as fast as possible."""
    read_for_ms: int | None = None
    timeout_ms: int
    """How long to wait for a whole answer. For an answer that is read slowly or for a time: for each piece."""
    expect: int
    errors_percent: float = 0.0
    phase: str = "steady"


@dataclass(frozen=True, slots=True)
class LoadResult(Stored):
    """The result of a group's requests. Latencies are those of successful requests."""

    phase: AnyPhaseLabel
    what: str
    """The method and the path."""
    requests: int
    errors: int
    duration_ms: int
    received_bytes: int
    p50_us: int | None
    p95_us: int | None
    p99_us: int | None
    connections_open: int
    """How many of the idle connections the service had not closed at the end."""
    resent: int = 0
    """How many requests were sent twice because the service closed the connection without an answer. An idle connection
    may be closed at any time, so the first loss of a repeatable request is no error (RFC 9112, section 9.3.1).
    """
    exact_us: int | None = None
    """The duration in microseconds. None in reports of earlier versions."""
    client_cpu_us: int | None = None
    """The CPU time of the client, which has one thread. None in reports of earlier versions."""

    @property
    def duration_us(self) -> int:
        """The time from the first request to the end of the last answer, as exactly as it is known."""
        return self.exact_us if self.exact_us is not None else 1000 * self.duration_ms

    @property
    def succeeded(self) -> int:
        """The number of requests that were answered without an error."""
        return self.requests - self.errors

    @property
    def per_second(self) -> float:
        """Requests that succeeded per second."""
        return 1_000_000 * self.succeeded / max(1, self.duration_us)

    @property
    def client_was_busy(self) -> bool:
        """Whether the client was the limit, so that the service may be faster."""
        return (self.client_cpu_us or 0) > _BUSY_SHARE * self.duration_us


@dataclass(frozen=True, slots=True)
class LoadPoint:
    """The progress of the load at one moment."""

    at_ns: int
    """The time on CLOCK_MONOTONIC, which all processes of a machine share, in containers or not."""
    requests: int
    """The number of requests that have ended since the group began."""
    under_way: int
    connections: int
    """The number of idle connections held open."""


@dataclass(frozen=True, slots=True)
class DriveOrder:
    """An order to wait until the service is ready, report that, send the requests, and report the results.

    Or only to look where the service listens.
    """

    network_namespace: str | None
    """The file of the network namespace to enter (setns(2)). None if the driver was started inside it."""
    port: int | None
    """The service's port. None means the one that it is found to listen on."""
    ready_tcp: int | None
    ready_http: str | None
    ready_timeout_ms: int
    groups: tuple[RequestGroup, ...]
    preferred: tuple[int, ...] = ()
    """The ports to take if the service listens on several, best first."""
    only_looks: bool = False
    ends_with_trial: bool = False
    """Whether the time until readiness ends because the trial's does, so that it says nothing about the service."""


class DriveFault(StrEnum):
    """Why an order failed. The event's reason says it in words."""

    NOT_READY = "not_ready"
    LISTENS_NOWHERE = "listens_nowhere"
    """The service was not ready, because it listened on no TCP port. The reason says so."""
    NOT_CONNECTED = "not_connected"
    """The idle connections could not be opened."""
    REQUESTS_FAILED = "requests_failed"
    OUT_OF_MEMORY = "out_of_memory"
    """The driver reached its memory limit."""


@dataclass(frozen=True, slots=True)
class DriveEvent:
    """An event of an order.

    The first is "ready" or "failed". Then come points, and one "load" per group. The last is "done" or "failed". An
    order that only looks has the one event "looked".
    """

    event: Literal["ready", "point", "load", "done", "failed", "looked"]
    reason: str | None = None
    """For "failed": a sentence for people. `fault` is what decisions depend on."""
    fault: DriveFault | None = None
    """For "failed"."""
    group: int = 0
    """For "point": the number of its group."""
    point: LoadPoint | None = None
    load: LoadResult | None = None
    latencies: StepCounts = ()
    """For "load": the latencies of the requests that succeeded."""
    at_once: bool = False
    """For "ready": whether the first attempt succeeded, so that the service may have been ready before."""
    port: int | None = None
    """For "ready": the port that requests go to. None if the service was not asked at a port."""
    late_ms: int = 0
    """For "ready": for how long the service had been ready by then, because a better port was waited for."""
    listening: tuple[Listening, ...] | None = None
    """For "looked", and for a service that was not ready: where it listens."""


_BLOCKS = 12
_FEWEST_BLOCKS = 6


class LoadUnit(StrEnum):
    """The unit that grows while requests are sent."""

    CONNECTION = "connection"
    """An idle connection that is held open."""
    STREAM = "stream"
    """An answer that is read slowly or for a limited time."""
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """The progress of a group of requests."""

    unit: LoadUnit
    points: list[LoadPoint]
    phase: str = "steady"


@dataclass(frozen=True, slots=True)
class _Kind:
    unit: LoadUnit
    metric: Metric
    factor: int
    """How many units the metric counts as one."""
    fewest: int
    """Fewer units than this prove nothing."""
    missing: str
    """Why there is no value if there were no such units."""
    too_fast: str = "they came at once: a `ramp` is needed"


_KINDS = (
    _Kind(LoadUnit.CONNECTION, Metric.RSS_PER_CONNECTION, 1, 10, "the workload holds no connections open"),
    _Kind(LoadUnit.STREAM, Metric.RSS_PER_STREAM, 1, 4, "the workload reads no streams"),
    _Kind(
        LoadUnit.REQUEST, Metric.RSS_PER_1000_REQUESTS, 1000, 500,
        "the workload sends no requests", "they were over too soon to fit",
    ),
)  # fmt: skip


def unit_costs(progress: Sequence[LoadProgress], series: Series, origin_ns: int | None) -> dict[Metric, MetricValue]:
    """Return the cost of a connection, a stream and 1,000 requests: a value with its interval, or why there is none.

    `origin_ns` is the start of the series on the clock of the progress. None if the series has another clock.
    """
    return {kind.metric: _cost(kind, progress, series, origin_ns) for kind in _KINDS}


def _cost(kind: _Kind, progress: Sequence[LoadProgress], series: Series, origin_ns: int | None) -> MetricValue:
    ramps = [ramp for one in progress if one.unit is kind.unit and len(ramp := _ramp(kind.unit, one.points)) > 1]
    if not ramps:
        return MetricValue.absent(kind.metric, kind.missing)
    if origin_ns is None:
        return MetricValue.absent(kind.metric, "the engine's statistics are too few to fit")
    ramp = max(ramps, key=lambda ramp: ramp[-1][1] - ramp[0][1])
    reached = ramp[-1][1] - ramp[0][1]
    if reached < kind.fewest:
        return MetricValue.absent(kind.metric, f"{reached} of them are too few to fit: {kind.fewest} or more")
    blocks = _blocks([((at_ns - origin_ns) / 1000, count) for at_ns, count in ramp], series)
    if len(blocks) < _FEWEST_BLOCKS:
        return MetricValue.absent(kind.metric, kind.too_fast)
    slope, margin = _fit(blocks)
    value, low, high = (round(kind.factor * bytes_each) for bytes_each in (slope, slope - margin, slope + margin))
    return MetricValue.estimate(kind.metric, value, low, high)


def _ramp(kind: LoadUnit, points: Sequence[LoadPoint]) -> list[tuple[int, int]]:
    """Return the times and counts from the beginning of the growth to its end."""
    counts = [_count(kind, point) for point in points]
    if not counts:
        return []
    top = counts.index(max(counts))
    risen = itertools.accumulate(counts[: top + 1], max)  # streams end and begin again
    ramp = [(point.at_ns, count) for point, count in zip(points, risen, strict=False)]
    begin = sum(count == ramp[0][1] for _, count in ramp) - 1  # the last point before the count grows
    return ramp[begin:]


def _count(kind: LoadUnit, point: LoadPoint) -> int:
    match kind:
        case LoadUnit.CONNECTION:
            return point.connections
        case LoadUnit.STREAM:
            return point.under_way
        case LoadUnit.REQUEST:
            return point.requests


def _blocks(ramp: Sequence[tuple[float, int]], series: Series) -> list[tuple[float, float]]:
    """Return the load and the median RSS of each block of equal load that was sampled."""
    times = [time_us for time_us, _ in ramp]
    lowest, highest = ramp[0][1], ramp[-1][1]
    members: list[list[tuple[float, int]]] = [[] for _ in range(_BLOCKS)]
    for time_us, rss in zip(series.time_us, series.rss_bytes, strict=True):
        if times[0] <= time_us <= times[-1]:
            load = _interpolated(ramp, times, time_us)
            members[min(_BLOCKS - 1, int(_BLOCKS * (load - lowest) / (highest - lowest)))].append((load, rss))
    return [
        (statistics.fmean(load for load, _ in block), statistics.median(rss for _, rss in block))
        for block in members
        if block
    ]


def _interpolated(ramp: Sequence[tuple[float, int]], times: Sequence[float], time_us: float) -> float:
    after = min(len(ramp) - 1, max(1, bisect.bisect_left(times, time_us)))
    (t0, before), (t1, then) = ramp[after - 1], ramp[after]
    return before + (then - before) * (time_us - t0) / (t1 - t0) if t1 > t0 else float(then)


def _fit(blocks: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the slope and half of its 95 % interval, derived from the distances of the blocks from the line."""
    pairs = itertools.combinations(blocks, 2)
    slope = statistics.median((y1 - y0) / (x1 - x0) for (x0, y0), (x1, y1) in pairs if x1 > x0)
    level = statistics.median(y - slope * x for x, y in blocks)
    middle = statistics.fmean(x for x, _ in blocks)
    spread = sum((x - middle) ** 2 for x, _ in blocks)
    residual = sum((y - level - slope * x) ** 2 for x, y in blocks)
    return slope, student(len(blocks) - 2) * math.sqrt(residual / (len(blocks) - 2) / spread)
