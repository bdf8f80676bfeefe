"""The measured container as a workload sees it: whether it is ready, whether it runs, and helpers that reach it."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Protocol, Self

from membudget.budgets.workload_parts import ServiceKind
from membudget.core.errors import DoctorCheck, EnvironmentFault
from membudget.engine.containers import Containers
from membudget.engine.helper import DockerHelper, Helper, HelperFailed, SubprocessHelper
from membudget.engine.options import ContainerOptions
from membudget.engine.stream import FramedStream, LineTail
from membudget.measure.listening import Listening
from membudget.measure.load import LoadProgress
from membudget.measure.outcome import one_line
from membudget.measure.throughput import Served
from membudget.measure.trial import WORKLOAD_PASSED, TrialSpec, WorkloadResult

TIMED_OUT = WorkloadResult(passed=False, timed_out=True)
_NOBODY = "65534:65534"
_AMONG_PROCESSES = ("SYS_PTRACE", "DAC_READ_SEARCH", "SYS_CHROOT", "SETUID", "SETGID", "KILL")
"""The capabilities to open a process's folders, to go there as its user, and to end what went (docs/security.md)."""
_DEATH_KNELL_S = 0.5
_HEALTH_POLL_S = 0.1
_LIVENESS_POLL_S = 0.25


class ServiceGone(Exception):
    """Raised when the service or its network ended during its workload."""


@dataclass(frozen=True, slots=True)
class PlacedDriver:
    """A helper that reaches one container."""

    helper: Helper
    network_namespace: str | None
    """The network namespace to enter first. None if the helper is already inside it."""
    first_pid: int | None = None
    """The container's first process. None if the helper sees only the container's processes, or none of them."""


class Drivers(Protocol):
    """Starts helpers that reach a container over its own loopback. `module` is the program that a helper runs."""

    def reaching(self, container_id: str, pid: int, module: str) -> AbstractContextManager[PlacedDriver]:
        """Return a helper for one container, which ends with the context."""

    def among(self, container_id: str, pid: int, module: str) -> AbstractContextManager[PlacedDriver]:
        """Return a helper that sees the container's processes and may signal them. It ends with the context."""

    def close(self) -> None:
        """Stop the helpers that are kept between trials."""


class HostDrivers:
    """Runs one process per module for all trials, which enters each container's namespace in turn.

    Needs root on the host.
    """

    def __init__(self) -> None:
        self._helpers: dict[str, SubprocessHelper] = {}

    @contextmanager
    def reaching(self, container_id: str, pid: int, module: str) -> Iterator[PlacedDriver]:
        """Return a helper for the container whose PID 1 is `pid`."""
        del container_id
        if module not in self._helpers:
            self._helpers[module] = SubprocessHelper(module)
        try:
            yield PlacedDriver(self._helpers[module], f"/proc/{pid}/ns/net", pid)
        except BaseException:
            self._helpers.pop(module).close(0)  # it may be busy, so the next trial gets a new one
            raise

    def among(self, container_id: str, pid: int, module: str) -> AbstractContextManager[PlacedDriver]:
        """Return a helper for the container whose PID 1 is `pid`."""
        return self.reaching(container_id, pid, module)

    def close(self) -> None:
        """Stop the processes."""
        while self._helpers:
            self._helpers.popitem()[1].close()


class MissingDrivers:
    """Stands in if helpers are not possible. Only workloads that need none can run, and no runtime can be asked."""

    def __init__(self, why: str) -> None:
        self._why = why

    def reaching(self, container_id: str, pid: int, module: str) -> AbstractContextManager[PlacedDriver]:
        """Raise EnvironmentFault."""
        del container_id, pid, module
        raise EnvironmentFault(f"this workload needs a helper container: {self._why}", check=DoctorCheck.HELPER_IMAGE)

    def among(self, container_id: str, pid: int, module: str) -> AbstractContextManager[PlacedDriver]:
        """Raise EnvironmentFault."""
        del container_id, pid, module
        raise EnvironmentFault(f"this needs a helper container: {self._why}", check=DoctorCheck.HELPER_IMAGE)

    def close(self) -> None:
        """Do nothing, because nothing is kept."""


class ContainerDrivers:
    """Runs a container for each trial, in the network namespace of the measured one but outside its cgroup."""

    def __init__(self, containers: Containers, helper_image: str) -> None:
        self._containers = containers
        self._image = helper_image

    def reaching(self, container_id: str, pid: int, module: str) -> AbstractContextManager[PlacedDriver]:
        """Return a helper for the container with this ID."""
        del pid
        return self._started(module, self._options(container_id, module))

    def among(self, container_id: str, pid: int, module: str) -> AbstractContextManager[PlacedDriver]:
        """Return a helper for the container with this ID."""
        del pid
        options = self._options(container_id, module)
        rights = replace(options, user="0:0", capabilities=_AMONG_PROCESSES, pid_namespace_of=container_id)
        return self._started(module, rights)

    def _options(self, container_id: str, module: str) -> ContainerOptions:
        return ContainerOptions(
            image=self._image,
            name=f"{module.rpartition('.')[2]}-{container_id[:12]}",
            role="driver",
            network=f"container:{container_id}",
            user=_NOBODY,
            capabilities=(),
        )

    @contextmanager
    def _started(self, module: str, options: ContainerOptions) -> Iterator[PlacedDriver]:
        helper = DockerHelper(self._containers, module, options)
        try:
            yield PlacedDriver(helper, None)
        finally:
            helper.close()

    def close(self) -> None:
        """Do nothing, because nothing is kept."""


class Service:
    """One container, attached to before it starts. The runners of the workload's parts use it.

    A context manager that ends the helpers that reach the container.
    """

    def __init__(
        self,
        containers: Containers,
        drivers: Drivers,
        container_id: str,
        spec: TrialSpec,
    ) -> None:
        self._drivers = drivers
        self._placed: dict[str, PlacedDriver] = {}
        self._contexts: dict[str, ExitStack] = {}
        self.containers = containers
        self.container_id = container_id
        workload = spec.workload
        readiness = workload.readiness
        self.port = workload.port if isinstance(workload, ServiceKind) else None
        if self.port is None and readiness is not None:
            self.port = readiness.tcp
        """The service's port. None if the workload uses none, or while it is not known."""
        own = workload.ready if isinstance(workload, ServiceKind) else None
        self.names_tcp = own is not None and own.tcp is not None
        """Whether the workload names the port to wait for in `ready.tcp`."""
        self.secrets = spec.inputs.secrets
        """Values that must never be shown."""
        self.exposed = spec.exposed
        """The TCP ports that the image declares."""
        self.listening: tuple[Listening, ...] = ()
        """Where the service was last seen to listen."""
        self.checkout = spec.inputs.checkout
        """The folder with the files that the workload names. None if there are none."""
        self.served: list[Served] = []
        """What came of the requests, group by group."""
        self.progress: list[LoadProgress] = []
        """The progress of the requests, group by group."""
        waits_for_log = readiness is not None and readiness.log is not None
        self.output = containers.attach(container_id) if waits_for_log else None
        self.input = containers.attach_input(container_id) if workload.start.stdin is not None else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        closing = ExitStack()
        for context in self._contexts.values():
            closing.push(context)
        return closing.__exit__(kind, error, trace)

    def close(self) -> None:
        """Close the container's input and output."""
        for stream in (self.output, self.input):
            if stream is not None:
                stream.close()

    def ask(self, module: str, order: Mapping[str, object], deadline: float) -> Iterator[str]:
        """Send an order to a helper and yield its answers, line by line.

        The helper runs `module` in the service's network, outside its cgroup. `network_namespace` of the order is what
        the helper has to enter; None if it is already inside. Raises TimeoutError when `deadline` (on `time.monotonic`)
        passes, ServiceGone if the service ends, and HelperFailed if the helper fails.
        """
        placed = self._reach(module)
        try:
            placed.helper.send(json.dumps({**order, "network_namespace": placed.network_namespace}))
            while (remaining := deadline - time.monotonic()) > 0:
                try:
                    yield placed.helper.receive(min(_LIVENESS_POLL_S, remaining))
                except TimeoutError:
                    if not self.containers.state(self.container_id).running:
                        raise ServiceGone from None
        except HelperFailed:
            if self.containers.state(self.container_id).running:
                raise
            raise ServiceGone from None  # the helper failed because the service's network is gone
        raise TimeoutError

    def _reach(self, module: str) -> PlacedDriver:
        pid = self.containers.state(self.container_id).pid
        if pid == 0:
            raise ServiceGone
        if module not in self._placed:
            context = ExitStack()
            self._placed[module] = context.enter_context(self._drivers.reaching(self.container_id, pid, module))
            self._contexts[module] = context
        return self._placed[module]

    def give_up(self, module: str) -> None:
        """End a helper that may still be busy with an order."""
        if module in self._placed:
            del self._placed[module]
            self._contexts.pop(module).__exit__(TimeoutError, TimeoutError(), None)

    def ended(self, symptom: str | None = None) -> WorkloadResult:
        """Return the result for a service that ended during its workload."""
        exit_code = self.containers.state(self.container_id).exit_code
        reason = f"the container exited with code {exit_code} during its workload"
        return WorkloadResult(passed=False, reason=f"{reason} ({symptom})" if symptom else reason)

    def just_ended(self, symptom: str | None) -> WorkloadResult | None:
        """Return the result for a service that just ended, or None if it runs.

        Clients of the service notice its end a moment before the engine does. `symptom` is what a client noticed.
        """
        has_ended = self.containers.wait(self.container_id, _DEATH_KNELL_S)
        return self.ended(symptom) if has_ended else None

    def ended_or(self, result: WorkloadResult) -> WorkloadResult:
        """Return `result`, unless the service just ended."""
        return self.just_ended(result.reason) or result


def wait_for_log(output: FramedStream, text: str, deadline: float) -> WorkloadResult:
    """Wait until a line of the container's output contains `text`.

    The output was attached before the container started.
    """
    window = LineTail(lines=2)
    try:
        while (frame := output.next_frame(deadline)) is not None:
            for part in frame[1].splitlines(keepends=True):
                window.feed(part)
                if any(text in line for line in window.lines()):
                    return WORKLOAD_PASSED
    except TimeoutError:
        return _not_ready(f'no line of the output contains "{text}"')
    return _not_ready(f'the container ended before it printed "{text}"')


def wait_for_health(
    containers: Containers, container_id: str, deadline: float, secrets: tuple[str, ...], in_a_row: int = 0
) -> WorkloadResult:
    """Wait until the image's HEALTHCHECK reports healthy, and the last `in_a_row` checks passed.

    What the HEALTHCHECK printed is told on one line. `secrets` are hidden before, while they can be recognised.
    """
    said: str | None = None
    while time.monotonic() < deadline:
        containers.run_healthcheck(container_id)
        state = containers.state(container_id)
        said = one_line(state.health_output, secrets) if state.health_output is not None else said
        if state.health is None:
            return _not_ready("the image has no HEALTHCHECK; choose another kind of readiness")
        if state.health == "healthy" and state.health_passes >= in_a_row:
            return WORKLOAD_PASSED
        if not state.running:
            return _not_ready("the container ended before its HEALTHCHECK said healthy")
        time.sleep(_HEALTH_POLL_S)
    return _not_ready(f"its HEALTHCHECK did not say healthy in time{f'; it last said: {said}' if said else ''}")


def _not_ready(why: str) -> WorkloadResult:
    return WorkloadResult(passed=False, reason=f"not ready: {why}")
