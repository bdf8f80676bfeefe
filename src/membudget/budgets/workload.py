"""Smoke workloads: what exercises a container while it is measured, and when it may start."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from membudget.budgets.container import RepositoryPath, Variables
from membudget.budgets.fields import (
    AbsolutePath,
    DurationMs,
    FileModel,
    HttpPath,
    NonEmpty,
    Port,
    SizeBytes,
    WorkingFolder,
)
from membudget.budgets.http_load import HttpRequests
from membudget.quantities import MIB, format_duration

Command = Annotated[tuple[str, ...], Field(min_length=1)]
ExitStatus = Annotated[int, Field(ge=0, le=255, strict=True)]


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


class CommandWorkload(FileModel):
    """A one-shot container, run to its end."""

    kind: Literal["command"] = "command"
    command: Command | None = None
    """Replaces the image's CMD. Absent: the image's own."""
    workdir: WorkingFolder | None = None
    """Where it starts. Absent: where the image says."""
    stdin: RepositoryPath | None = None
    """A file of the repository to read on standard input. Absent: there is none."""
    expect: ExitStatus = 0
    """The exit code of success."""


class ExecCommand(FileModel):
    """A command to run inside the started service."""

    run: Command
    """Its words."""
    env: Variables = {}
    """Environment variables, beside the container's own."""
    workdir: WorkingFolder | None = None
    """Where it starts. Absent: where the image says."""
    user: NonEmpty | None = None
    """Who it is. Absent: who the service is."""
    stdin: RepositoryPath | None = None
    """A file of the repository to read on standard input. Absent: there is none."""
    timeout: DurationMs | None = None
    """Still running after this time: the workload failed. Absent: the trial's timeout alone."""
    expect: ExitStatus = 0
    """The exit code of success."""


def _as_table(value: object) -> object:
    return {"run": value} if isinstance(value, list | tuple) else value


class ExecWorkload(FileModel):
    """Commands run one after another inside the started service; what they use counts to its memory."""

    kind: Literal["exec"]
    commands: Annotated[
        tuple[Annotated[ExecCommand, BeforeValidator(_as_table, json_schema_input_type=Command | ExecCommand)], ...],
        Field(min_length=1),
    ]
    """Each a list of words, or a table; an exit code that is not expected fails the workload."""
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


class DriverWorkload(FileModel):
    """A container as the load: any image, in the service's own network, not counted to its memory."""

    kind: Literal["driver"]
    image: NonEmpty
    """An image that the engine has, or can pull: a load generator, a team's own script."""
    command: Command | None = None
    """Replaces the image's CMD. Absent: the image's own."""
    entrypoint: Command | None = None
    """Replaces the image's ENTRYPOINT. Absent: the image's own."""
    env: Variables = {}
    """Environment variables."""
    files: dict[AbsolutePath, RepositoryPath] = {}
    """Files and folders of the repository that are copied in, by where they go."""
    limit: SizeBytes = 1024 * MIB
    """The driver's own memory limit."""
    expect: ExitStatus = 0
    """The exit code with which the workload has passed."""
    port: Port = 8080
    """Where `ready.http` asks."""
    ready: Readiness | None = None
    """When the driver starts. Absent: at once."""


ServiceWorkload = ExecWorkload | HttpWorkload | DriverWorkload
AnyWorkload = CommandWorkload | ServiceWorkload
Workload = Annotated[AnyWorkload, Field(discriminator="kind")]


def named_files(workload: AnyWorkload) -> list[RepositoryPath]:
    """What of the repository a workload needs."""
    match workload:
        case CommandWorkload(stdin=stdin):
            return [stdin] if stdin is not None else []
        case ExecWorkload(commands=commands):
            return [command.stdin for command in commands if command.stdin is not None]
        case DriverWorkload(files=files):
            return list(files.values())
        case HttpWorkload(requests=groups):
            return [group.body_file for group in groups if group.body_file is not None]


def phase_names(workload: AnyWorkload) -> list[str]:
    """The phases that a trial of it goes through, in their order."""
    match workload:
        case CommandWorkload():
            return ["steady"]
        case HttpWorkload(requests=groups):
            return ["start-up", *dict.fromkeys(group.phase for group in groups), "settle"]
        case ExecWorkload(ready=ready) | DriverWorkload(ready=ready):
            return [*(["start-up"] if ready is not None else []), "steady", "settle"]


def describe(workload: AnyWorkload) -> str:
    """A workload in a few words, for people."""
    match workload:
        case CommandWorkload(command=None):
            return "the image's own command, run to its end"
        case CommandWorkload(command=command):
            return f"one-shot: {' '.join(command or ())}"
        case ExecWorkload(commands=commands):
            return f"{len(commands)} command{'s' if len(commands) != 1 else ''} inside the started service"
        case HttpWorkload(requests=groups):
            return f"{_requests_in_words(groups)} to the started service"
        case DriverWorkload(image=image):
            return f"the started service, driven by a container of {image}"


def _requests_in_words(groups: tuple[HttpRequests, ...]) -> str:
    counted = sum(group.requests or 0 for group in groups)
    timed_ms = sum(group.duration or 0 for group in groups)
    parts = [f"{counted} HTTP requests"] if counted else []
    parts += [f"HTTP requests for {format_duration(timed_ms)}"] if timed_ms else []
    return " and ".join(parts)
