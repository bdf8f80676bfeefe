"""Smoke workloads: what exercises a container while it is measured, and when it may start."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from membudget.budgets.fields import DurationMs, FileModel, HeaderName, HeaderValue, HttpPath, Port, PositiveCount

Command = Annotated[tuple[str, ...], Field(min_length=1)]


class Readiness(FileModel):
    """When a started service may be exercised: exactly one of `http`, `tcp`, `log`, `healthcheck`."""

    http: HttpPath | None = None
    """Ready when a GET of this path answers 200 to 399."""
    tcp: Port | None = None
    """Ready when this port accepts a connection."""
    log: str | None = Field(default=None, min_length=1)
    """Ready when a line of the container's output contains this text."""
    healthcheck: Literal[True] | None = None
    """Ready when the image's own HEALTHCHECK says healthy."""
    timeout: DurationMs = 30_000
    """Not ready after this time: the workload failed."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in ("http", "tcp", "log", "healthcheck") if getattr(self, name) is not None]
        if len(given) != 1:
            raise PydanticCustomError(
                "readiness", "exactly one of http, tcp, log, healthcheck", {"found": ", ".join(given) or "none"}
            )
        return self


class HttpRequests(FileModel):
    """A number of equal HTTP requests."""

    path: HttpPath
    """Path and query, starting with a slash."""
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    headers: dict[HeaderName, HeaderValue] = {}
    """Header fields to send."""
    body: str | None = None
    """Sent as UTF-8 with each request."""
    count: PositiveCount = 100
    """How many requests."""
    concurrency: Annotated[int, Field(ge=1, le=1000, strict=True)] = 4
    """How many of them at once."""
    expect: Annotated[int, Field(ge=100, le=599, strict=True)] = 200
    """The status each must answer with; any other fails the workload."""
    phase: Literal["steady", "burst"] = "steady"
    """Which phase of the trial these requests are: each phase has its own peaks in the report."""


class CommandWorkload(FileModel):
    """A one-shot container, run to its end."""

    kind: Literal["command"] = "command"
    command: Command | None = None
    """Replaces the image's CMD. Absent: the image's own."""
    expect: Annotated[int, Field(ge=0, le=255, strict=True)] = 0
    """The exit code of success."""


class ExecWorkload(FileModel):
    """Commands run one after another inside the started service; what they use counts to its memory."""

    kind: Literal["exec"]
    commands: Annotated[tuple[Command, ...], Field(min_length=1)]
    """Each a list of words; an exit code other than 0 fails the workload."""
    port: Port = 8080
    """Where `ready.http` asks."""
    ready: Readiness | None = None
    """Absent: at once."""


class HttpWorkload(FileModel):
    """HTTP requests from the service's own network namespace, over loopback: no network is needed."""

    kind: Literal["http"]
    port: Port = 8080
    """Where the service listens."""
    requests: Annotated[tuple[HttpRequests, ...], Field(min_length=1)]
    """Groups of requests, one group after another."""
    ready: Readiness | None = None
    """Absent: when `port` accepts a connection."""

    @property
    def readiness(self) -> Readiness:
        """When the requests may start."""
        return self.ready or Readiness(tcp=self.port)


Workload = Annotated[CommandWorkload | ExecWorkload | HttpWorkload, Field(discriminator="kind")]


def describe(workload: CommandWorkload | ExecWorkload | HttpWorkload) -> str:
    """A workload in a few words, for people."""
    match workload:
        case CommandWorkload(command=None):
            return "the image's own command, run to its end"
        case CommandWorkload(command=command):
            return f"one-shot: {' '.join(command or ())}"
        case ExecWorkload(commands=commands):
            return f"{len(commands)} command{'s' if len(commands) != 1 else ''} inside the started service"
        case HttpWorkload(requests=groups):
            return f"{sum(group.count for group in groups)} HTTP requests to the started service"
