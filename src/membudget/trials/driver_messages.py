"""What the HTTP driver and the rest of membudget say to each other: one JSON object a line."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class RequestGroup:
    """A number of equal requests."""

    method: str
    path: str
    headers: dict[str, str]
    body: str | None
    count: int
    concurrency: int
    expect: int
    phase: Literal["steady", "burst"]


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
    """What happened: first "ready" or "failed", then "phase" at each new one, at last "done" or "failed"."""

    event: Literal["ready", "phase", "done", "failed"]
    reason: str | None = None
    requests: int = 0
    phase: Literal["steady", "burst"] = "steady"
    at_once: bool = False
    """Of "ready": the first question was answered, so it may have been ready for longer."""
