"""What workloads are made of: requests, commands, containers and pauses; and what every kind says of itself."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

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
from membudget.core.quantities import MIB


class Action:
    """What a part of a workload does. `RUNNERS` in measure/workload/run.py says how each is run."""

    __slots__ = ()
    needs_port: ClassVar[bool] = False
    """Whether it speaks to the service's port, which has to accept connections first."""
    is_inside: ClassVar[bool] = False
    """Whether it runs processes inside the measured container: their memory is part of the figures."""

    @property
    def uses_files(self) -> tuple[str, ...]:
        """The files of the repository that it needs."""
        return ()

    @property
    def uses_image(self) -> str | None:
        """The image that it runs; None: none."""
        return None


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


class Driver(FileModel, Action):
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

    @property
    def uses_files(self) -> tuple[str, ...]:
        """What is copied in."""
        return tuple(self.files.values())

    @property
    def uses_image(self) -> str | None:
        """Its own."""
        return self.image


@dataclass(frozen=True, slots=True)
class Requests(Action):
    """HTTP requests, one group after another."""

    needs_port = True
    groups: tuple[HttpRequests, ...]
    phase: str

    @property
    def uses_files(self) -> tuple[str, ...]:
        """Bodies."""
        return tuple(group.body_file for group in self.groups if group.body_file is not None)


@dataclass(frozen=True, slots=True)
class Commands(Action):
    """Commands inside the service, one after another."""

    is_inside = True
    commands: tuple[ExecCommand, ...]

    @property
    def uses_files(self) -> tuple[str, ...]:
        """What they read."""
        return tuple(command.stdin for command in self.commands if command.stdin is not None)


@dataclass(frozen=True, slots=True)
class Rest(Action):
    """Nothing, for a while."""

    duration_ms: int


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a workload, as it is run."""

    phase: str
    """Neighbours of one name are one phase."""
    does: Action
    repeat: int = 1
    duration_ms: int | None = None
    """How long it is done again and again, instead of `repeat`."""


@dataclass(frozen=True, slots=True)
class ContainerStart:
    """How the measured container is started, where it is not as the image says."""

    command: tuple[str, ...] | None = None
    workdir: str | None = None
    stdin: str | None = None
    """A file of the repository that it reads; None: it has no standard input."""


class WorkloadKind(FileModel):
    """What a kind of workload says of itself. Nothing else of membudget asks which kind it is."""

    if TYPE_CHECKING:
        kind: str  # a field of each kind, in its own order in the schema
    is_service: ClassVar[bool] = False
    """Whether the container goes on after its workload, and is watched until it has settled."""
    no_readiness: ClassVar[str] = "nothing is waited for"
    """Why there is no start-up time where the workload waits for no readiness."""

    @property
    @abstractmethod
    def label(self) -> str:
        """The workload in a few words, as the report quotes them."""

    @property
    @abstractmethod
    def parts(self) -> tuple[Part, ...]:
        """What is done with the container, in its order."""

    @property
    def start(self) -> ContainerStart:
        """How the measured container is started."""
        return ContainerStart()

    @property
    def readiness(self) -> Readiness | None:
        """When a started container may be exercised; None: at once."""
        return None

    @property
    def named_files(self) -> list[str]:
        """What of the repository it needs."""
        own = [self.start.stdin] if self.start.stdin is not None else []
        return own + [file for part in self.parts for file in part.does.uses_files]

    @property
    def images(self) -> list[str]:
        """Images that it runs beside the measured one."""
        return [part.does.uses_image for part in self.parts if part.does.uses_image is not None]

    @property
    def runs_inside(self) -> bool:
        """Whether it runs processes of its own inside the measured container."""
        return any(part.does.is_inside for part in self.parts)

    @property
    def phase_names(self) -> list[str]:
        """The phases that a trial of it goes through, in their order."""
        start_up = ["start-up"] if self.readiness is not None else []
        settle = ["settle"] if self.is_service else []
        return [*start_up, *dict.fromkeys(part.phase for part in self.parts), *settle]


class ServiceKind(WorkloadKind):
    """A kind for containers that start, become ready, and go on until they are ended."""

    if TYPE_CHECKING:
        port: int
        ready: Readiness | None
    is_service = True

    @property
    def readiness(self) -> Readiness | None:
        """As `ready` says; else when the port accepts a connection, if something is sent to it."""
        asks = any(part.does.needs_port for part in self.parts)
        return self.ready or (Readiness(tcp=self.port) if asks else None)
