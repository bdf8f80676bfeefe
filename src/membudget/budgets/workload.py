"""The kinds of workload, which exercise a container while it is measured."""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from membudget.budgets.auto_workload import AutoWorkload
from membudget.budgets.fields import (
    DurationMs,
    FileModel,
    PhaseLabel,
    Port,
    PositiveCount,
    RepositoryPath,
    WorkingFolder,
)
from membudget.budgets.workload_parts import (
    Action,
    Command,
    Commands,
    ContainerStart,
    Driver,
    ExecCommands,
    ExitStatus,
    HttpRequests,
    Readiness,
    Requests,
    Rest,
    ServiceKind,
    WorkloadKind,
    WorkloadPart,
)
from membudget.core.quantities import format_duration


class CommandWorkload(WorkloadKind, Action):
    """A one-shot container that runs to its end."""

    no_readiness = "a one-shot container is run to its end and never ready"
    kind: Literal["command"] = "command"
    """Run the container to its end."""
    command: Command | None = None
    """Replaces the image's CMD. If absent, the image's own."""
    workdir: WorkingFolder | None = None
    """Working directory. If absent, the image's own."""
    stdin: RepositoryPath | None = None
    """A file of the repository to read on standard input. If absent, there is no standard input."""
    expect: ExitStatus = 0
    """The exit code that means success."""

    @property
    def label(self) -> str:
        """The workload in a few words."""
        if self.command is None:
            return "the image's own command, run to its end"
        return f"one-shot: {' '.join(self.command)}"

    @property
    def parts(self) -> tuple[WorkloadPart, ...]:
        """The container's own process."""
        return (WorkloadPart("steady", self),)

    @property
    def start(self) -> ContainerStart:
        """The start of the container, as the table sets it."""
        return ContainerStart(self.command, self.workdir, self.stdin)


class ExecWorkload(ServiceKind):
    """Commands that run one after another inside the started service. Their memory counts towards the service's."""

    no_readiness = "the workload waits for no readiness"
    kind: Literal["exec"]
    """Run commands inside the started service."""
    commands: ExecCommands
    """The commands, each a list of words or a table. An unexpected exit code fails the workload."""
    port: Port | None = None
    """The port that `ready.http` asks. If absent, the one that the service listens on."""
    ready: Readiness | None = None
    """When the commands start. If absent, immediately."""

    @property
    def label(self) -> str:
        """The workload in a few words."""
        return f"{_counted(len(self.commands), 'command')} inside the started service"

    @property
    def parts(self) -> tuple[WorkloadPart, ...]:
        """One part with all commands."""
        return (WorkloadPart("steady", Commands(self.commands)),)


class HttpWorkload(ServiceKind):
    """HTTP requests from the service's own network namespace, over loopback. No network is needed."""

    kind: Literal["http"]
    """Send HTTP requests to the started service."""
    port: Port | None = None
    """The port that requests go to. If absent, the one that the service listens on, first of all one in EXPOSE."""
    requests: Annotated[tuple[HttpRequests, ...], Field(min_length=1)]
    """Groups of requests, one after another."""
    ready: Readiness | None = None
    """When the requests start. If absent, when the service listens on `port`."""

    @property
    def label(self) -> str:
        """The workload in a few words."""
        return f"{_requests_in_words(self.requests)} to the started service"

    @property
    def parts(self) -> tuple[WorkloadPart, ...]:
        """One part for each group."""
        return tuple(WorkloadPart(group.phase, Requests((group,), group.phase)) for group in self.requests)


class DriverWorkload(Driver, ServiceKind):
    """A container that produces the whole load."""

    kind: Literal["driver"]
    """Let another container load the started service."""
    port: Port | None = None
    """The port that `ready.http` asks. If absent, the one that the service listens on."""
    ready: Readiness | None = None
    """When the driver starts. If absent, immediately."""

    @property
    def label(self) -> str:
        """The workload in a few words."""
        return f"the started service, driven by a container of {self.image}"

    @property
    def parts(self) -> tuple[WorkloadPart, ...]:
        """One part with the container."""
        return (WorkloadPart("steady", self),)


class Step(FileModel):
    """One step of a longer workload: exactly one of `http`, `exec`, `driver`, `idle`."""

    phase: PhaseLabel = "steady"
    """The phase of the trial. Consecutive steps with the same name form one phase."""
    http: Annotated[tuple[HttpRequests, ...], Field(min_length=1)] | None = None
    """Groups of requests, one after another."""
    exec: ExecCommands | None = None
    """Commands inside the service, one after another."""
    driver: Driver | None = None
    """A container that produces the load."""
    idle: DurationMs | None = None
    """Do nothing for this long."""
    repeat: PositiveCount = 1
    """How often commands or a driver run. Requests have their own counts and durations."""
    duration: DurationMs | None = None
    """How long commands or a driver are repeated, instead of `repeat`. A run that has begun is completed."""

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
    def part(self) -> WorkloadPart:
        """The step as a part to run."""
        return WorkloadPart(self.phase, self._action, self.repeat, self.duration)

    @property
    def _action(self) -> Action:
        if self.http is not None:
            return Requests(self.http, self.phase)
        if self.exec is not None:
            return Commands(self.exec)
        return self.driver or Rest(self.idle or 0)


class StepsWorkload(ServiceKind):
    """Different kinds of load, one after another, like those of a service in production."""

    kind: Literal["steps"]
    """Run several kinds of load, one after another."""
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]
    """The steps, in order."""
    port: Port | None = None
    """The port that requests go to. If absent, the one that the service listens on, first of all one in EXPOSE."""
    ready: Readiness | None = None
    """When the steps start. If absent, when `port` accepts a connection if a step sends requests, otherwise
    immediately.
    """

    @property
    def label(self) -> str:
        """The workload in a few words."""
        return f"the started service, in {_counted(len(self.steps), 'step')}"

    @property
    def parts(self) -> tuple[WorkloadPart, ...]:
        """One part for each step."""
        return tuple(step.part for step in self.steps)


AnyWorkload = AutoWorkload | CommandWorkload | ExecWorkload | HttpWorkload | DriverWorkload | StepsWorkload
"""A workload of any kind."""
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
