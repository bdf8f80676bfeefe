"""Smoke workloads: what exercises a container while it is measured, and when it may start."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from membudget.budgets.container import RepositoryPath, Variables
from membudget.budgets.fields import (
    AbsolutePath,
    DurationMs,
    FileModel,
    HeaderName,
    HeaderValue,
    HttpPath,
    NonEmpty,
    Percent,
    PhaseLabel,
    Port,
    PositiveCount,
    SizeBytes,
    WorkingFolder,
)
from membudget.core.quantities import MIB, format_duration

DEFAULT_COUNT = 100
LARGEST_BODY_BYTES = 256 * MIB


class HttpRequests(FileModel):
    """Equal HTTP requests: a count of them, or as many as fit into a duration."""

    path: HttpPath
    """Path and query, starting with a slash."""
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    headers: dict[HeaderName, HeaderValue] = {}
    """Header fields to send."""
    body: str | None = None
    """Sent as UTF-8 with each request."""
    body_file: RepositoryPath | None = None
    """A file of the repository, sent with each request."""
    body_size: SizeBytes | None = None
    """Random bytes, as many as this, sent with each request: the same in every trial."""
    count: PositiveCount | None = None
    """How many requests; 100 where there is no `duration` either."""
    duration: DurationMs | None = None
    """How long requests are sent, instead of a `count`."""
    concurrency: Annotated[int, Field(ge=1, le=1000, strict=True)] = 4
    """How many of them at once; with a `rate`, at most."""
    rate: Annotated[int, Field(ge=1, le=100_000, strict=True)] | None = None
    """Requests a second, begun on time whatever the answers take. Absent: one after another, `concurrency` at once."""
    ramp: DurationMs | None = None
    """Time in which `concurrency`, or `rate` where it is set, grows to its value."""
    keep_alive: bool = True
    """Whether connections are used again. If not, each request has its own."""
    connections: Annotated[int, Field(ge=0, le=20_000, strict=True)] = 0
    """Connections that are opened before the requests and held without a word until they are done."""
    read_rate: SizeBytes | None = None
    """Bytes a second at which each answer is read: slow clients. Absent: as fast as it comes."""
    read_for: DurationMs | None = None
    """Answers are read for this long and then hung up on: streams that never end."""
    expect: Annotated[int, Field(ge=100, le=599, strict=True)] = 200
    """The status each must answer with; any other is an error."""
    errors: Percent = 0.0
    """Errors, in percent of the requests, that still let the workload pass."""
    phase: PhaseLabel = "steady"
    """Which phase of the trial these requests are: steady, burst, warm-up, soak or a name of yours. Each phase has its
    own peaks; one named "soak" is judged for growth without end."""

    @property
    def requests(self) -> int | None:
        """How many requests; None: as many as fit into the duration."""
        return (self.count or DEFAULT_COUNT) if self.duration is None else self.count

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        for names in (("body", "body_file", "body_size"), ("count", "duration")):
            given = [name for name in names if getattr(self, name) is not None]
            if len(given) > 1:
                allowed = f"{', '.join(names[:-1])} or {names[-1]}"
                raise PydanticCustomError("one_of", f"only one of {allowed}", {"found": ", ".join(given)})
        if self.body_size is not None and self.body_size > LARGEST_BODY_BYTES:
            raise PydanticCustomError("body_size", "a body of 256MiB or less", {"found": "body_size"})
        return self


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


ExecCommands = Annotated[
    tuple[Annotated[ExecCommand, BeforeValidator(_as_table, json_schema_input_type=Command | ExecCommand)], ...],
    Field(min_length=1),
]


class ExecWorkload(FileModel):
    """Commands run one after another inside the started service; what they use counts to its memory."""

    kind: Literal["exec"]
    commands: ExecCommands
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


class Driver(FileModel):
    """A container as the load: any image, in the service's own network, not counted to its memory."""

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


class DriverWorkload(Driver):
    """A container as the load, and nothing else."""

    kind: Literal["driver"]
    port: Port = 8080
    """Where `ready.http` asks."""
    ready: Readiness | None = None
    """When the driver starts. Absent: at once."""


class Step(FileModel):
    """One part of a longer workload: exactly one of `http`, `exec`, `driver`, `idle`."""

    phase: PhaseLabel = "steady"
    """Which phase of the trial it is; neighbours of one name are one phase."""
    http: Annotated[tuple[HttpRequests, ...], Field(min_length=1)] | None = None
    """Groups of requests, one group after another."""
    exec: ExecCommands | None = None
    """Commands inside the service, one after another."""
    driver: Driver | None = None
    """A container as the load."""
    idle: DurationMs | None = None
    """Nothing, for this long."""
    repeat: PositiveCount = 1
    """How often commands or a driver are run; requests have counts and durations of their own."""
    duration: DurationMs | None = None
    """How long it is done again and again, instead of `repeat`; what is under way then is finished."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in ("http", "exec", "driver", "idle") if getattr(self, name) is not None]
        if len(given) != 1:
            raise PydanticCustomError(
                "step", "exactly one of http, exec, driver, idle", {"found": ", ".join(given) or "none"}
            )
        if any("phase" in group.model_fields_set for group in self.http or ()):
            raise PydanticCustomError("step", "the phase of the step, not of its requests", {"found": "http.phase"})
        is_repeated = self.duration is not None or "repeat" in self.model_fields_set
        if is_repeated and self.exec is None and self.driver is None:
            raise PydanticCustomError("step", "repeat and duration with exec or driver", {"found": given[0]})
        if self.duration is not None and "repeat" in self.model_fields_set:
            raise PydanticCustomError("step", "only one of repeat or duration", {"found": "repeat, duration"})
        return self


class StepsWorkload(FileModel):
    """Different kinds of load, one after another: what a service goes through in production."""

    kind: Literal["steps"]
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]
    """In their order."""
    port: Port = 8080
    """Where the service listens."""
    ready: Readiness | None = None
    """Absent: when `port` accepts a connection if a step sends requests, else at once."""


ServiceWorkload = ExecWorkload | HttpWorkload | DriverWorkload | StepsWorkload
AnyWorkload = CommandWorkload | ServiceWorkload
Workload = Annotated[AnyWorkload, Field(discriminator="kind")]


def readiness(workload: AnyWorkload) -> Readiness | None:
    """When a started container may be exercised; None: at once."""
    if isinstance(workload, CommandWorkload):
        return None
    sends_requests = any(step.http is not None for step in steps_of(workload))
    return workload.ready or (Readiness(tcp=workload.port) if sends_requests else None)


def steps_of(workload: ServiceWorkload) -> tuple[Step, ...]:
    """What is done with the service once it is ready, whichever kind of workload says so."""
    match workload:
        case ExecWorkload(commands=commands):
            return (Step(exec=commands),)
        case DriverWorkload():
            return (Step(driver=workload),)
        case HttpWorkload(requests=groups):
            return tuple(Step.model_construct(phase=group.phase, http=(group,)) for group in groups)
        case StepsWorkload(steps=steps):
            return steps


def named_files(workload: AnyWorkload) -> list[RepositoryPath]:
    """What of the repository a workload needs."""
    if isinstance(workload, CommandWorkload):
        return [workload.stdin] if workload.stdin is not None else []
    files = []
    for step in steps_of(workload):
        files += [group.body_file for group in step.http or () if group.body_file is not None]
        files += [command.stdin for command in step.exec or () if command.stdin is not None]
        files += step.driver.files.values() if step.driver is not None else ()
    return files


def phase_names(workload: AnyWorkload) -> list[str]:
    """The phases that a trial of it goes through, in their order."""
    if isinstance(workload, CommandWorkload):
        return ["steady"]
    start_up = ["start-up"] if readiness(workload) is not None else []
    return [*start_up, *dict.fromkeys(step.phase for step in steps_of(workload)), "settle"]


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
        case StepsWorkload(steps=steps):
            return f"the started service, in {len(steps)} step{'s' if len(steps) != 1 else ''}"


def _requests_in_words(groups: tuple[HttpRequests, ...]) -> str:
    counted = sum(group.requests or 0 for group in groups)
    timed_ms = sum(group.duration or 0 for group in groups)
    parts = [f"{counted} HTTP requests"] if counted else []
    parts += [f"HTTP requests for {format_duration(timed_ms)}"] if timed_ms else []
    return " and ".join(parts)
