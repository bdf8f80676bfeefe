"""The measured container as a workload sees it: whether it is ready, whether it runs, and helpers that reach it."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from membudget.budgets.workload_parts import ServiceKind, WorkloadKind
from membudget.core.errors import EnvironmentFault
from membudget.engine.containers import HELPER_MEMORY_BYTES, Containers
from membudget.engine.helper import DockerHelper, Helper, HelperFailed, SubprocessHelper
from membudget.engine.options import ContainerOptions
from membudget.engine.stream import FramedStream, LineTail
from membudget.measure.load import LoadResult
from membudget.measure.trial import WORKLOAD_PASSED, WorkloadResult
from membudget.measure.unit_cost import LoadProgress

TIMED_OUT = WorkloadResult(passed=False, timed_out=True)
_NOBODY = "65534:65534"
_DEATH_KNELL_S = 0.5
_HEALTH_POLL_S = 0.1
_LIVENESS_POLL_S = 0.25


class ServiceGone(Exception):
    """The service ended while it was driven, or its network did."""


@dataclass(frozen=True, slots=True)
class PlacedDriver:
    """A helper that reaches one container."""

    helper: Helper
    network_namespace: str | None
    """What it has to enter first; None when it is inside already."""


class Drivers(Protocol):
    """Starts helpers that reach a container over its own loopback. `module`: the program that a helper runs."""

    def reaching(self, container_id: str, pid: int, module: str) -> AbstractContextManager[PlacedDriver]:
        """A helper for one container, ended with the context."""

    def close(self) -> None:
        """End what is kept between trials."""


class HostDrivers:
    """One process a module for all trials, which enters each container's namespace in turn. Needs root on the host."""

    def __init__(self) -> None:
        self._helpers: dict[str, SubprocessHelper] = {}

    @contextmanager
    def reaching(self, container_id: str, pid: int, module: str) -> Iterator[PlacedDriver]:
        """A helper for the container whose PID 1 is `pid`."""
        del container_id
        if module not in self._helpers:
            self._helpers[module] = SubprocessHelper(module)
        try:
            yield PlacedDriver(self._helpers[module], f"/proc/{pid}/ns/net")
        except BaseException:
            self._helpers.pop(module).close(0)  # it may be in the middle of something: the next trial gets a new one
            raise

    def close(self) -> None:
        """End the processes."""
        while self._helpers:
            self._helpers.popitem()[1].close()


class MissingDrivers:
    """Where there is neither: only workloads that need no driver can run."""

    def __init__(self, why: str) -> None:
        self._why = why

    def reaching(self, container_id: str, pid: int, module: str) -> AbstractContextManager[PlacedDriver]:
        """Raises EnvironmentFault."""
        del container_id, pid, module
        raise EnvironmentFault(f"this workload needs a helper container: {self._why}")

    def close(self) -> None:
        """Nothing is kept."""


class ContainerDrivers:
    """A container for each trial, in the network namespace of the measured one, outside its cgroup."""

    def __init__(self, containers: Containers, helper_image: str) -> None:
        self._containers = containers
        self._image = helper_image

    @contextmanager
    def reaching(self, container_id: str, pid: int, module: str) -> Iterator[PlacedDriver]:
        """A helper for the container of this id."""
        del pid
        options = ContainerOptions(
            image=self._image,
            name=f"{module.rpartition('.')[2]}-{container_id[:12]}",
            role="driver",
            entrypoint=("python3", "-m", module),
            command=(),
            memory_bytes=HELPER_MEMORY_BYTES,
            network=f"container:{container_id}",
            user=_NOBODY,
            capabilities=(),
            interactive=True,
        )
        helper = DockerHelper(self._containers, module, options)
        try:
            yield PlacedDriver(helper, None)
        finally:
            helper.close()

    def close(self) -> None:
        """Nothing is kept."""


class Service:
    """One container, attached to before it starts. What runs a part of a workload is given it.

    It is a context, which ends the helpers that reach the container.
    """

    def __init__(
        self,
        containers: Containers,
        drivers: Drivers,
        container_id: str,
        workload: WorkloadKind,
        checkout: Path | None,
    ) -> None:
        self._drivers = drivers
        self._placed: dict[str, PlacedDriver] = {}
        self._stack = ExitStack()
        self.containers = containers
        self.container_id = container_id
        self.port = workload.port if isinstance(workload, ServiceKind) else 0
        """0: its workload speaks to none."""
        self.checkout = checkout
        """Where the files are that the workload names; None: there are none."""
        self.loads: list[LoadResult] = []
        """What became of requests, group by group."""
        self.progress: list[LoadProgress] = []
        """How they went on, group by group."""
        waits_for_log = workload.readiness is not None and workload.readiness.log is not None
        self.output = containers.attach(container_id) if waits_for_log else None
        self.input = containers.attach_input(container_id) if workload.start.stdin is not None else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._stack.__exit__(kind, error, trace)

    def close(self) -> None:
        """Let go of the container's input and output."""
        for stream in (self.output, self.input):
            if stream is not None:
                stream.close()

    def ask(self, module: str, order: Mapping[str, object], deadline: float) -> Iterator[str]:
        """What a helper says, line by line, to an order. It runs `module` in the service's network, outside its cgroup.

        The order says in `network_namespace` what the helper has to enter; None: it is inside already. Raises
        TimeoutError when `deadline` (on `time.monotonic`) passes, ServiceGone, HelperFailed.
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
            raise ServiceGone from None  # its network went away, and the helper's with it
        raise TimeoutError

    def _reach(self, module: str) -> PlacedDriver:
        pid = self.containers.state(self.container_id).pid
        if pid == 0:
            raise ServiceGone
        if module not in self._placed:
            reaching = self._drivers.reaching(self.container_id, pid, module)
            self._placed[module] = self._stack.enter_context(reaching)
        return self._placed[module]

    def ended(self, symptom: str | None = None) -> WorkloadResult:
        """The result of a service that ended while it was exercised."""
        exit_code = self.containers.state(self.container_id).exit_code
        reason = f"the container exited with code {exit_code} while it was exercised"
        return WorkloadResult(passed=False, reason=f"{reason} ({symptom})" if symptom else reason)

    def ended_or(self, result: WorkloadResult) -> WorkloadResult:
        """`result`, unless the service just died: what speaks to it knows a moment before the engine does."""
        if self.containers.wait(self.container_id, _DEATH_KNELL_S):
            return self.ended(result.reason)
        return result

    def unless_ended(self, problem: str | None) -> WorkloadResult:
        """The result of something that went wrong for the reason `problem`; None: nothing did."""
        return WORKLOAD_PASSED if problem is None else self.ended_or(WorkloadResult(passed=False, reason=problem))


def wait_for_log(output: FramedStream, text: str, deadline: float) -> WorkloadResult:
    """Wait until the container's output, attached before it started, contains `text` within a line."""
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


def wait_for_health(containers: Containers, container_id: str, deadline: float) -> WorkloadResult:
    """Wait until the image's HEALTHCHECK says healthy."""
    while time.monotonic() < deadline:
        containers.run_healthcheck(container_id)
        state = containers.state(container_id)
        if state.health is None:
            return _not_ready("the image has no HEALTHCHECK; choose another kind of readiness")
        if state.health == "healthy":
            return WORKLOAD_PASSED
        if not state.running:
            return _not_ready("the container ended before its HEALTHCHECK said healthy")
        time.sleep(_HEALTH_POLL_S)
    return _not_ready("its HEALTHCHECK did not say healthy in time")


def _not_ready(why: str) -> WorkloadResult:
    return WorkloadResult(passed=False, reason=f"not ready: {why}")
