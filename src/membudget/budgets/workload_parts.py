"""The parts of workloads: requests, commands, containers and pauses. Also the properties that every kind has."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

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
    RepositoryPath,
    SizeBytes,
    Variables,
    WorkingFolder,
)
from membudget.core.quantities import MIB


class Action:
    """The action of a part of a workload. `RUNNERS` in measure/workload/run.py maps each type to its runner."""

    __slots__ = ()
    needs_port: ClassVar[bool] = False
    """Whether the action uses the service's port, which then must accept connections first."""
    is_inside: ClassVar[bool] = False
    """Whether the action runs processes inside the measured container, whose memory counts towards the figures."""

    @property
    def uses_files(self) -> tuple[str, ...]:
        """The files of the repository that the action needs."""
        return ()

    @property
    def uses_image(self) -> str | None:
        """The image that the action runs, or None."""
        return None


DEFAULT_COUNT = 100
LARGEST_BODY_BYTES = 256 * MIB


class HttpRequests(FileModel):
    """Identical HTTP requests: a fixed number, or as many as fit into a duration."""

    path: HttpPath
    """Path and query, starting with a slash."""
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    """Method of each request."""
    headers: dict[HeaderName, HeaderValue] = {}
    """Header fields to send."""
    body: str | None = None
    """Body of each request, sent as UTF-8."""
    body_file: RepositoryPath | None = None
    """A file of the repository to send as the body of each request."""
    body_size: SizeBytes | None = None
    """Size of a random body to send with each request. The bytes are the same in every trial."""
    count: PositiveCount | None = None
    """Number of requests. Default: 100 if there is no `duration`."""
    duration: DurationMs | None = None
    """How long to send requests, instead of a `count`."""
    concurrency: Annotated[int, Field(ge=1, le=1000, strict=True)] = 4
    """Number of requests at once. With a `rate`, the largest number."""
    rate: Annotated[int, Field(ge=1, le=100_000, strict=True)] | None = None
    """Requests per second, each sent on time even if responses are slow. If absent, `concurrency` requests run at
    once, each followed by the next.
    """
    ramp: DurationMs | None = None
    """Time in which `concurrency`, or `rate` if it is set, grows to its value."""
    keep_alive: bool = True
    """Reuse connections. If false, each request opens its own."""
    connections: Annotated[int, Field(ge=0, le=20_000, strict=True)] = 0
    """Number of idle connections to open before the requests and hold until the requests are done."""
    read_rate: SizeBytes | None = None
    """Bytes per second at which to read each response, to imitate slow clients. If absent, as fast as possible."""
    read_for: DurationMs | None = None
    """How long to read each response before closing the connection, for streams that never end."""
    timeout: DurationMs = 60_000
    """How long to wait for a complete response. With `read_rate` or `read_for`, for each piece of it. A later response
    is an error.
    """
    expect: Annotated[int, Field(ge=100, le=599, strict=True)] = 200
    """Expected status of each response. Any other status is an error."""
    errors: Percent = 0.0
    """Percentage of requests that may fail before the workload fails."""
    phase: PhaseLabel = "steady"
    """Phase of the trial: steady, burst, warm-up, soak or a name of your own. Each phase has its own peaks. A phase
    named "soak" is checked for growth without end.
    """

    @property
    def requests(self) -> int | None:
        """The number of requests. None means as many as fit into the duration."""
        return (self.count or DEFAULT_COUNT) if self.duration is None else self.count

    @property
    def is_stream(self) -> bool:
        """Whether responses are read slowly or for a limited time, so that the client sets the pace."""
        return self.read_rate is not None or self.read_for is not None

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
    """When a started service is ready for its workload: exactly one of `http`, `tcp`, `log`, `healthcheck`."""

    http: HttpPath | None = None
    """Ready when a GET of this path returns a status of 200 to 399."""
    port: Port | None = None
    """The port that `http` asks. If absent, that of the workload."""
    tcp: Port | None = None
    """Ready when this port accepts a connection."""
    log: str | None = Field(default=None, min_length=1)
    """Ready when a line of the container's output contains this text."""
    healthcheck: Literal[True] | None = None
    """Ready when the image's own HEALTHCHECK reports healthy."""
    timeout: DurationMs = 30_000
    """How long to wait. If the service is not ready by then, the workload fails."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in ("http", "tcp", "log", "healthcheck") if getattr(self, name) is not None]
        if len(given) != 1:
            raise PydanticCustomError(
                "readiness", "exactly one of http, tcp, log, healthcheck", {"found": ", ".join(given) or "none"}
            )
        if self.port is not None and self.http is None:
            raise PydanticCustomError("readiness", "`port` beside `http` alone", {"found": f"port, {given[0]}"})
        return self


ANY_PORT = Readiness.model_construct()
"""Ready when the service listens on any port. No file can say that: a file names the port, or leaves it out."""


class ExecCommand(FileModel):
    """A command to run inside the started service."""

    run: Command
    """The words of the command."""
    env: Variables = {}
    """Environment variables, in addition to the container's own."""
    workdir: WorkingFolder | None = None
    """Working directory. If absent, the image's own."""
    user: NonEmpty | None = None
    """User of the command. If absent, the service's own."""
    stdin: RepositoryPath | None = None
    """A file of the repository to read on standard input. If absent, there is no standard input."""
    timeout: DurationMs | None = None
    """How long the command may run before the workload fails. If absent, only the trial's timeout applies."""
    expect: ExitStatus = 0
    """The exit code that means success."""


def _as_table(value: object) -> object:
    return {"run": value} if isinstance(value, list | tuple) else value


ExecCommands = Annotated[
    tuple[Annotated[ExecCommand, BeforeValidator(_as_table, json_schema_input_type=Command | ExecCommand)], ...],
    Field(min_length=1),
]


class Driver(FileModel, Action):
    """A container of any image that produces the load.

    It shares the service's network, and its memory does not count.
    """

    image: NonEmpty
    """An image that the engine has or can pull, such as a load generator or your own script."""
    command: Command | None = None
    """Replaces the image's CMD. If absent, the image's own."""
    entrypoint: Command | None = None
    """Replaces the image's ENTRYPOINT. If absent, the image's own."""
    env: Variables = {}
    """Environment variables."""
    files: dict[AbsolutePath, RepositoryPath] = {}
    """Files and folders of the repository to copy into the container, by their path there."""
    limit: SizeBytes = 1024 * MIB
    """Memory limit of the driver."""
    expect: ExitStatus = 0
    """The exit code that means that the workload passed."""

    @property
    def uses_files(self) -> tuple[str, ...]:
        """The files that are copied into the container."""
        return tuple(self.files.values())

    @property
    def uses_image(self) -> str | None:
        """The driver's image."""
        return self.image


@dataclass(frozen=True, slots=True)
class Requests(Action):
    """HTTP requests, one group after another."""

    needs_port = True
    groups: tuple[HttpRequests, ...]
    phase: str

    @property
    def uses_files(self) -> tuple[str, ...]:
        """The files that are sent as bodies."""
        return tuple(group.body_file for group in self.groups if group.body_file is not None)


@dataclass(frozen=True, slots=True)
class Commands(Action):
    """Commands inside the service, one after another."""

    is_inside = True
    commands: tuple[ExecCommand, ...]

    @property
    def uses_files(self) -> tuple[str, ...]:
        """The files that the commands read on standard input."""
        return tuple(command.stdin for command in self.commands if command.stdin is not None)


@dataclass(frozen=True, slots=True)
class Rest(Action):
    """A pause."""

    duration_ms: int


@dataclass(frozen=True, slots=True)
class WorkloadPart:
    """One part of a workload, as it is run."""

    phase: str
    """The phase of the trial. Consecutive parts with the same name form one phase."""
    does: Action
    repeat: int = 1
    duration_ms: int | None = None
    """How long the part is repeated, instead of `repeat`."""


@dataclass(frozen=True, slots=True)
class ContainerStart:
    """How to start the measured container. None stands for the image's own setting."""

    command: tuple[str, ...] | None = None
    workdir: str | None = None
    stdin: str | None = None
    """A file of the repository to read on standard input. None means no standard input."""


class WorkloadKind(FileModel):
    """The properties that each kind of workload defines. No other code needs to know which kind it has."""

    if TYPE_CHECKING:
        kind: str  # each kind has this field at its own place in the schema
    is_service: ClassVar[bool] = False
    """Whether the container continues after its workload and is observed until it has settled."""
    may_end: ClassVar[bool] = False
    """Whether the container may end by itself, with exit code 0, while it is exercised."""
    no_readiness: ClassVar[str] = "nothing is waited for"
    """Why there is no start-up time if the workload does not wait for readiness."""

    @property
    @abstractmethod
    def label(self) -> str:
        """The workload in a few words, for the report."""

    @property
    @abstractmethod
    def parts(self) -> tuple[WorkloadPart, ...]:
        """The parts of the workload, in order."""

    @property
    def start(self) -> ContainerStart:
        """How to start the measured container."""
        return ContainerStart()

    @property
    def readiness(self) -> Readiness | None:
        """When the started container is ready for its workload. None means immediately."""
        return None

    @property
    def named_files(self) -> list[str]:
        """The files of the repository that the workload needs."""
        own = [self.start.stdin] if self.start.stdin is not None else []
        return own + [file for part in self.parts for file in part.does.uses_files]

    @property
    def images(self) -> list[str]:
        """The images that the workload runs beside the measured one."""
        return [part.does.uses_image for part in self.parts if part.does.uses_image is not None]

    @property
    def runs_inside(self) -> bool:
        """Whether the workload runs processes of its own inside the measured container."""
        return any(part.does.is_inside for part in self.parts)

    @property
    def phase_names(self) -> list[str]:
        """The phases of a trial, in order."""
        start_up = ["start-up"] if self.readiness is not None else []
        settle = ["settle"] if self.is_service else []
        return [*start_up, *dict.fromkeys(part.phase for part in self.parts), *settle]


class ServiceKind(WorkloadKind):
    """A kind for containers that start, become ready, and run until they are stopped."""

    if TYPE_CHECKING:
        port: int | None
        ready: Readiness | None
    is_service = True

    @property
    def readiness(self) -> Readiness | None:
        """The value of `ready`.

        If absent, the service is ready when the port accepts a connection, if a part uses the port.
        """
        if self.ready is not None or not any(part.does.needs_port for part in self.parts):
            return self.ready
        return Readiness(tcp=self.port) if self.port is not None else ANY_PORT
