"""What the HTTP driver and the rest of membudget say to each other: one JSON object a line."""

from dataclasses import dataclass
from typing import Literal

from membudget.budgets.fields import AnyPhaseLabel
from membudget.core.stored import Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestGroup:
    """Equal requests."""

    method: str
    path: str
    headers: dict[str, str]
    body_base64: str | None = None
    body_size: int | None = None
    """Of random bytes."""
    count: int | None
    """None: as many as fit into the duration."""
    duration_ms: int | None = None
    concurrency: int
    rate: int | None = None
    """Requests a second; None: one after another."""
    ramp_ms: int = 0
    keep_alive: bool = True
    connections: int = 0
    """Held open without a word."""
    read_rate: int | None = None
    """Bytes a second; None: as fast as it comes."""
    read_for_ms: int | None = None
    expect: int
    errors_percent: float = 0.0
    phase: str = "steady"


@dataclass(frozen=True, slots=True)
class LoadResult(Stored):
    """What became of a group's requests. Latencies are of those that succeeded."""

    phase: AnyPhaseLabel
    what: str
    """Method and path."""
    requests: int
    errors: int
    duration_ms: int
    received_bytes: int
    p50_us: int | None
    p95_us: int | None
    p99_us: int | None
    connections_open: int
    """Of those that were held open, how many the service had not closed at the end."""

    @property
    def per_second(self) -> float:
        """Requests a second."""
        return 1000 * self.requests / max(1, self.duration_ms)


@dataclass(frozen=True, slots=True)
class LoadPoint:
    """How far the load is, at one moment."""

    at_ns: int
    """On CLOCK_MONOTONIC, which all processes of a machine share, containers or not."""
    requests: int
    """Ended, since the group began."""
    under_way: int
    connections: int
    """Held open without a word."""


@dataclass(frozen=True, slots=True)
class DriveOrder:
    """Wait until the service is ready, say so, send the requests, say how they went."""

    network_namespace: str | None
    """A file to enter it by (setns(2)); None when the driver was started inside it."""
    port: int
    ready_tcp: int | None
    ready_http: str | None
    ready_timeout_ms: int
    groups: tuple[RequestGroup, ...]


@dataclass(frozen=True, slots=True)
class DriveEvent:
    """What happened: "ready" or "failed"; then points and a "load" for each group; at last "done" or "failed"."""

    event: Literal["ready", "point", "load", "done", "failed"]
    reason: str | None = None
    group: int = 0
    """Of "point": whose."""
    point: LoadPoint | None = None
    load: LoadResult | None = None
    at_once: bool = False
    """Of "ready": the first question was answered, so it may have been ready for longer."""
