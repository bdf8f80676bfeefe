"""Runs a workload against a started container, part by part: commands, containers, requests and pauses."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from membudget.budgets.auto_workload import AutoWorkload
from membudget.budgets.workload import CommandWorkload
from membudget.budgets.workload_parts import (
    Action,
    Commands,
    Driver,
    ExecCommand,
    Readiness,
    Requests,
    Rest,
    WorkloadPart,
)
from membudget.core.quantities import format_duration
from membudget.engine.containers import LOG_TAIL_LINES, CannotStart, Containers
from membudget.engine.options import ContainerOptions, ExecOptions
from membudget.engine.stream import LineTail, feed
from membudget.measure.assumed import Assumed
from membudget.measure.inputs import existing, read_input
from membudget.measure.listening import Listening
from membudget.measure.load import DriveEvent, LoadProgress
from membudget.measure.throughput import Served
from membudget.measure.trial import WORKLOAD_PASSED, PhaseName, TrialSpec, WorkloadResult
from membudget.measure.workload.auto import ended_by_itself, run_by_itself
from membudget.measure.workload.explained import is_a_service, not_said
from membudget.measure.workload.http_driver import LAST_WORD_S, look, send_requests, wait_until_ready
from membudget.measure.workload.service import (
    TIMED_OUT,
    Drivers,
    Service,
    ServiceGone,
    wait_for_health,
    wait_for_log,
)

_LIVENESS_POLL_S = 0.25


def run_to_end(workload: CommandWorkload, service: Service, deadline: float) -> WorkloadResult:
    """Wait until the container's own process ends."""
    if service.input is not None and workload.stdin is not None:
        feed(service.input, read_input(service.checkout, workload.stdin, "workload.stdin"))
    if not service.containers.wait(service.container_id, deadline - time.monotonic()):
        listening = look(service)
        return is_a_service(TIMED_OUT, listening) if listening else TIMED_OUT
    exit_code = service.containers.state(service.container_id).exit_code
    if exit_code == workload.expect:
        return WORKLOAD_PASSED
    return WorkloadResult(
        passed=False, reason=f"the container exited with {_exit_in_words(exit_code, workload.expect)}"
    )


def run_commands(group: Commands, service: Service, deadline: float) -> WorkloadResult:
    """Run the commands until one fails or `deadline` (on `time.monotonic`) passes."""
    for command in group.commands:
        result = _run_command(command, service, deadline)
        if not result.passed:
            return result
    return WORKLOAD_PASSED


def _exit_in_words(exit_code: int, expected: int) -> str:
    """Return how a process ended, such as "code 3 (expected 2)"."""
    return f"code {exit_code}{f' (expected {expected})' if expected else ''}"


def _run_command(command: ExecCommand, service: Service, deadline: float) -> WorkloadResult:
    options = ExecOptions(
        command=command.run,
        environment=command.env,
        workdir=command.workdir,
        user=command.user,
        reads_input=command.stdin is not None,
    )
    what = f"the command {' '.join(command.run)}"
    own_deadline = time.monotonic() + command.timeout / 1000 if command.timeout is not None else deadline
    exec_id, stream = service.containers.start_exec(service.container_id, options)
    tail = LineTail(LOG_TAIL_LINES)
    try:
        if command.stdin is not None:
            feed(stream, read_input(service.checkout, command.stdin, "workload.commands.stdin"))
        while (frame := stream.next_frame(min(deadline, own_deadline))) is not None:
            tail.feed(frame[1])
    except TimeoutError:
        if own_deadline >= deadline:
            return dataclasses.replace(TIMED_OUT, output_tail=tail.lines())
        reason = f"{what} still ran after {format_duration(command.timeout or 0)}"
        return WorkloadResult(passed=False, reason=reason, output_tail=tail.lines())
    finally:
        stream.close()
    exit_code = service.containers.exec_exit_code(exec_id)
    if exit_code == command.expect:
        return WORKLOAD_PASSED
    reason = f"{what} exited with {_exit_in_words(exit_code, command.expect)}"
    return WorkloadResult(passed=False, reason=reason, output_tail=tail.lines())


def run_driver(driver: Driver, service: Service, deadline: float) -> WorkloadResult:
    """Run a container as the load until it ends or `deadline` (on `time.monotonic`) passes.

    Raises ConfigurationError if a file is missing.
    """
    containers = service.containers
    try:
        container_id = _start_driver(containers, service.container_id, driver, service.checkout)
    except CannotStart as error:
        reason = f"the driver {driver.image} cannot start: {error}"
        return service.ended_or(WorkloadResult(passed=False, reason=reason))
    try:
        while not containers.wait(container_id, min(deadline - time.monotonic(), _LIVENESS_POLL_S)):
            if time.monotonic() >= deadline:
                return dataclasses.replace(TIMED_OUT, output_tail=containers.log_tail(container_id))
            if not containers.state(service.container_id).running:
                return service.ended()
        exit_code = containers.state(container_id).exit_code
        if exit_code == driver.expect:
            return WORKLOAD_PASSED
        reason = f"the driver {driver.image} exited with {_exit_in_words(exit_code, driver.expect)}"
        tail = containers.log_tail(container_id)
        return service.ended_or(WorkloadResult(passed=False, reason=reason, output_tail=tail))
    finally:
        containers.remove(container_id)


def _start_driver(containers: Containers, service_id: str, driver: Driver, checkout: Path | None) -> str:
    sources = {
        path: existing(checkout, name, "workload.files") for path, name in driver.files.items()
    }  # before any container is created
    options = ContainerOptions(
        image=driver.image,
        name=f"driver-{service_id[:12]}",
        role="driver",
        command=driver.command,
        entrypoint=driver.entrypoint,
        memory_bytes=driver.limit,
        network=f"container:{service_id}",
        environment=driver.env,
    )
    container_id = containers.create(options)
    try:
        for path, source in sources.items():
            containers.copy_in(container_id, source, "/", path.lstrip("/"))
        containers.start(container_id)
    except BaseException:
        containers.remove(container_id)
        raise
    return container_id


def rest(pause: Rest, service: Service, deadline: float) -> WorkloadResult:
    """Do nothing for a while. If the service ends meanwhile, the workload fails."""
    ends_at = time.monotonic() + pause.duration_ms / 1000
    if service.containers.wait(service.container_id, min(ends_at, deadline) - time.monotonic()):
        return service.ended()
    return WORKLOAD_PASSED if ends_at <= deadline else TIMED_OUT


RUNNERS: Mapping[type[Action], Callable[[Any, Service, float], WorkloadResult]] = {
    AutoWorkload: run_by_itself,
    CommandWorkload: run_to_end,
    Requests: send_requests,
    Commands: run_commands,
    Driver: run_driver,
    Rest: rest,
}
"""The runner of each action, which returns when the action is done or a deadline (on `time.monotonic`) passes.

Runners may raise TimeoutError, which means that the deadline has passed, and ServiceGone.
"""


class ContainerWorkload:
    """A workload against one container. It is prepared before the container starts and must always be closed."""

    def __init__(
        self,
        containers: Containers,
        drivers: Drivers,
        container_id: str,
        spec: TrialSpec,
        on_phase: Callable[[str], None],
    ) -> None:
        self._on_phase = on_phase
        self._parts = spec.workload.parts
        self._readiness = spec.workload.readiness
        self._service = Service(containers, drivers, container_id, spec)
        self._may_end = spec.workload.may_end
        self._names_port = self._service.port is not None
        for image in spec.workload.images:
            containers.provide_image(image, "workload.image")
        self.ready_at: float | None = None
        """When the service became ready, on `time.monotonic`. None if it did not, or if the workload does not wait for
        it.
        """
        self.was_ready_at_once = False
        """Whether the first attempt succeeded, so that the service may have been ready before."""

    @property
    def served(self) -> Sequence[Served]:
        """What came of the requests, group by group."""
        return tuple(self._service.served)

    @property
    def progress(self) -> Sequence[LoadProgress]:
        """The progress of the requests, group by group."""
        return self._service.progress

    @property
    def first_phase(self) -> str:
        """The phase that begins with the container."""
        return PhaseName.START_UP if self._readiness is not None else self._parts[0].phase

    def run(self, deadline: float) -> WorkloadResult:
        """Exercise the started container until the workload ends or `deadline` (on `time.monotonic`) passes."""
        try:
            with self._service:
                return self._exercise(deadline)
        except TimeoutError:
            return TIMED_OUT
        except ServiceGone:
            return ended_by_itself(self._service) if self._may_end else self._service.ended()

    def _exercise(self, deadline: float) -> WorkloadResult:
        if self._readiness is not None:
            result = self._become_ready(self._readiness, deadline)
            if not result.passed:
                return self._not_ready_by_itself(result) if self._may_end else result
        return self._run_parts(deadline)

    def _not_ready_by_itself(self, result: WorkloadResult) -> WorkloadResult:
        """Return the result of a container that may also end. Nothing but the trial's timeout limits its readiness."""
        if not self._service.containers.state(self._service.container_id).running:
            return ended_by_itself(self._service)
        return dataclasses.replace(result, timed_out=False)

    @property
    def listening(self) -> tuple[Listening, ...]:
        """Where the service was last seen to listen."""
        return self._service.listening

    def assumed(self, result: WorkloadResult) -> Assumed | None:
        """Return what the budgets file does not say and was found out. None if it says everything."""
        service = self._service
        port = None if self._names_port else service.port
        if result.auto_end is None and port is None:
            return None
        return Assumed(result.auto_end, service.listening, port, service.exposed)

    def close(self) -> None:
        """Close the container's input and output."""
        self._service.close()

    def _become_ready(self, readiness: Readiness, deadline: float) -> WorkloadResult:
        service, ready_by = self._service, min(deadline - LAST_WORD_S, time.monotonic() + readiness.timeout / 1000)
        if readiness.log is not None and service.output is not None:
            result = wait_for_log(service.output, readiness.log, ready_by)
        elif readiness.healthcheck:
            result = wait_for_health(service.containers, service.container_id, ready_by, service.secrets)
        else:
            return wait_until_ready(service, readiness, deadline, self._note_ready)
        if result.passed:
            self.ready_at = time.monotonic()
            return result
        is_running = service.containers.state(service.container_id).running
        return not_said(result, look(service) if is_running else None)

    def _note_ready(self, event: DriveEvent) -> None:
        self.ready_at = time.monotonic() - event.late_ms / 1000
        self.was_ready_at_once = event.at_once

    def _run_parts(self, deadline: float) -> WorkloadResult:
        phase, result = self.first_phase, WORKLOAD_PASSED
        for part in self._parts:
            if part.phase != phase:
                phase = part.phase
                self._on_phase(phase)
            result = self._run_part(part, deadline)
            if not result.passed:
                return result
        return result

    def _run_part(self, part: WorkloadPart, deadline: float) -> WorkloadResult:
        """Run a part as often or as long as it asks for."""
        run = runner_of(part.does)
        ends_at = time.monotonic() + part.duration_ms / 1000 if part.duration_ms is not None else None
        done, result = 0, WORKLOAD_PASSED
        while done < part.repeat if ends_at is None else time.monotonic() < ends_at:
            result = run(part.does, self._service, deadline) if time.monotonic() < deadline else TIMED_OUT
            if not result.passed:
                return result
            done += 1
        return result


def runner_of(action: Action) -> Callable[[Any, Service, float], WorkloadResult]:
    """Return the runner of an action."""
    return next(run for kind, run in RUNNERS.items() if isinstance(action, kind))
