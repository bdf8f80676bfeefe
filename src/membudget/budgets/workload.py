"""The kinds of workload: what exercises a container while it is measured."""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from membudget.budgets.container import RepositoryPath
from membudget.budgets.fields import DurationMs, FileModel, PhaseLabel, Port, PositiveCount, WorkingFolder
from membudget.budgets.workload_parts import (
    Action,
    Command,
    Commands,
    ContainerStart,
    Driver,
    ExecCommands,
    ExitStatus,
    HttpRequests,
    Part,
    Readiness,
    Requests,
    Rest,
    ServiceKind,
    WorkloadKind,
)
from membudget.core.quantities import format_duration


class CommandWorkload(WorkloadKind, Action):
    """A one-shot container, run to its end."""

    no_readiness = "a one-shot container is run to its end and never ready"
    kind: Literal["command"] = "command"
    command: Command | None = None
    """Replaces the image's CMD. Absent: the image's own."""
    workdir: WorkingFolder | None = None
    """Where it starts. Absent: where the image says."""
    stdin: RepositoryPath | None = None
    """A file of the repository to read on standard input. Absent: there is none."""
    expect: ExitStatus = 0
    """The exit code of success."""

    @property
    def label(self) -> str:
        """In a few words."""
        if self.command is None:
            return "the image's own command, run to its end"
        return f"one-shot: {' '.join(self.command)}"

    @property
    def parts(self) -> tuple[Part, ...]:
        """The container's own process."""
        return (Part("steady", self),)

    @property
    def start(self) -> ContainerStart:
        """As the table says."""
        return ContainerStart(self.command, self.workdir, self.stdin)


class ExecWorkload(ServiceKind):
    """Commands run one after another inside the started service; what they use counts to its memory."""

    no_readiness = "the workload waits for no readiness"
    kind: Literal["exec"]
    commands: ExecCommands
    """Each a list of words, or a table; an exit code that is not expected fails the workload."""
    port: Port = 8080
    """Where `ready.http` asks."""
    ready: Readiness | None = None
    """Absent: at once."""

    @property
    def label(self) -> str:
        """In a few words."""
        return f"{_counted(len(self.commands), 'command')} inside the started service"

    @property
    def parts(self) -> tuple[Part, ...]:
        """All commands."""
        return (Part("steady", Commands(self.commands)),)


class HttpWorkload(ServiceKind):
    """HTTP requests from the service's own network namespace, over loopback: no network is needed."""

    kind: Literal["http"]
    port: Port = 8080
    """Where the service listens."""
    requests: Annotated[tuple[HttpRequests, ...], Field(min_length=1)]
    """Groups of requests, one group after another."""
    ready: Readiness | None = None
    """Absent: when `port` accepts a connection."""

    @property
    def label(self) -> str:
        """In a few words."""
        return f"{_requests_in_words(self.requests)} to the started service"

    @property
    def parts(self) -> tuple[Part, ...]:
        """A part for each group."""
        return tuple(Part(group.phase, Requests((group,), group.phase)) for group in self.requests)


class DriverWorkload(Driver, ServiceKind):
    """A container as the load, and nothing else."""

    kind: Literal["driver"]
    port: Port = 8080
    """Where `ready.http` asks."""
    ready: Readiness | None = None
    """When the driver starts. Absent: at once."""

    @property
    def label(self) -> str:
        """In a few words."""
        return f"the started service, driven by a container of {self.image}"

    @property
    def parts(self) -> tuple[Part, ...]:
        """The container."""
        return (Part("steady", self),)


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

    @property
    def part(self) -> Part:
        """The step, as it is run."""
        return Part(self.phase, self._action, self.repeat, self.duration)

    @property
    def _action(self) -> Action:
        if self.http is not None:
            return Requests(self.http, self.phase)
        if self.exec is not None:
            return Commands(self.exec)
        return self.driver or Rest(self.idle or 0)


class StepsWorkload(ServiceKind):
    """Different kinds of load, one after another: what a service goes through in production."""

    kind: Literal["steps"]
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]
    """In their order."""
    port: Port = 8080
    """Where the service listens."""
    ready: Readiness | None = None
    """Absent: when `port` accepts a connection if a step sends requests, else at once."""

    @property
    def label(self) -> str:
        """In a few words."""
        return f"the started service, in {_counted(len(self.steps), 'step')}"

    @property
    def parts(self) -> tuple[Part, ...]:
        """Each step."""
        return tuple(step.part for step in self.steps)


AnyWorkload = CommandWorkload | ExecWorkload | HttpWorkload | DriverWorkload | StepsWorkload
"""Every kind."""
Workload = Annotated[AnyWorkload, Field(discriminator="kind")]
KIND_NAMES: tuple[str, ...] = tuple(
    name for kind in get_args(AnyWorkload) for name in get_args(kind.model_fields["kind"].annotation)
)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"


def _requests_in_words(groups: tuple[HttpRequests, ...]) -> str:
    counted = sum(group.requests or 0 for group in groups)
    timed_ms = sum(group.duration or 0 for group in groups)
    parts = [f"{counted} HTTP requests"] if counted else []
    parts += [f"HTTP requests for {format_duration(timed_ms)}"] if timed_ms else []
    return " and ".join(parts)
