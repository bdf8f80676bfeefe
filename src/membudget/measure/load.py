"""The messages between the HTTP driver and the rest of membudget: one JSON object per line."""

from dataclasses import dataclass
from typing import Literal

from membudget.budgets.fields import AnyPhaseLabel
from membudget.core.files import Stored


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

    @property
    def per_second(self) -> float:
        """Requests per second."""
        return 1000 * self.requests / max(1, self.duration_ms)


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
    """An order to wait until the service is ready, report that, send the requests, and report the results."""

    network_namespace: str | None
    """The file of the network namespace to enter (setns(2)). None if the driver was started inside it."""
    port: int
    ready_tcp: int | None
    ready_http: str | None
    ready_timeout_ms: int
    groups: tuple[RequestGroup, ...]


@dataclass(frozen=True, slots=True)
class DriveEvent:
    """An event of an order.

    The first is "ready" or "failed". Then come points, and one "load" per group. The last is "done" or "failed".
    """

    event: Literal["ready", "point", "load", "done", "failed"]
    reason: str | None = None
    group: int = 0
    """For "point": the number of its group."""
    point: LoadPoint | None = None
    load: LoadResult | None = None
    at_once: bool = False
    """For "ready": whether the first attempt succeeded, so that the service may have been ready before."""
