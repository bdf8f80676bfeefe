"""Runs a smoke workload against a started container."""

import dataclasses
import json
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from membudget.budgets.http_load import HttpRequests
from membudget.budgets.workload import (
    CommandWorkload,
    DriverWorkload,
    ExecWorkload,
    HttpWorkload,
    Readiness,
    ServiceWorkload,
    Workload,
)
from membudget.engine.docker_containers import CannotStart, Containers, ContainerState
from membudget.engine.docker_stream import feed
from membudget.engine.helper import Helper, HelperFailed
from membudget.trials.docker_driver_container import DriverContainer
from membudget.trials.docker_drivers import Drivers
from membudget.trials.docker_exec import TIMED_OUT, exit_in_words, run_commands
from membudget.trials.docker_readiness import wait_for_health, wait_for_log
from membudget.trials.driver_messages import DriveEvent, DriveOrder, LoadResult, RequestGroup
from membudget.trials.inputs_file import read_input
from membudget.trials.trial import WORKLOAD_PASSED, PhaseName, TrialSpec, WorkloadResult

_EVENT = TypeAdapter(DriveEvent)
_LIVENESS_POLL_S = 0.25
_DEATH_KNELL_S = 0.5


class ContainerWorkload:
    """A workload against one container: prepared before the container starts, run after. Closed in any case."""

    def __init__(
        self,
        containers: Containers,
        drivers: Drivers,
        container_id: str,
        spec: TrialSpec,
        on_phase: Callable[[str], None],
    ) -> None:
        self._on_phase = on_phase
        self._containers = containers
        self._drivers = drivers
        self._container_id = container_id
        self._workload = workload = spec.workload
        self._checkout = spec.inputs.checkout
        self._readiness = _readiness(workload)
        waits_for_log = self._readiness is not None and self._readiness.log is not None
        self._output = containers.attach(container_id) if waits_for_log else None
        reads_input = isinstance(workload, CommandWorkload) and workload.stdin is not None
        if isinstance(workload, DriverWorkload):
            containers.provide_image(workload.image)
        self._input = containers.attach_input(container_id) if reads_input else None
        self.loads: list[LoadResult] = []
        """What became of the requests, group by group."""
        self.ready_at: float | None = None
        """When the service was ready, on `time.monotonic`; None when it was not, or nothing is waited for."""
        self.was_ready_at_once = False
        """It answered the first question: it may have been ready for longer."""

    @property
    def first_phase(self) -> PhaseName:
        """The phase that begins with the container."""
        return PhaseName.START_UP if self._readiness is not None else PhaseName.STEADY

    def run(self, deadline: float) -> WorkloadResult:
        """Exercise the started container until the workload ends or `deadline` (on `time.monotonic`) passes."""
        if isinstance(self._workload, CommandWorkload):
            return self._run_to_end(self._workload, deadline)
        ready = self._become_ready(self._workload, deadline)
        if not ready.passed or isinstance(self._workload, HttpWorkload):
            return ready
        if self._readiness is not None:
            self._on_phase(PhaseName.STEADY)
        if isinstance(self._workload, DriverWorkload):
            return self._run_driver(self._workload, deadline)
        return run_commands(self._containers, self._container_id, self._workload, self._checkout, deadline)

    def close(self) -> None:
        """Let go of the container's input and output."""
        for stream in (self._output, self._input):
            if stream is not None:
                stream.close()

    def _run_to_end(self, workload: CommandWorkload, deadline: float) -> WorkloadResult:
        if self._input is not None and workload.stdin is not None:
            feed(self._input, read_input(self._checkout, workload.stdin, "workload.stdin"))
        if not self._containers.wait(self._container_id, deadline - time.monotonic()):
            return TIMED_OUT
        exit_code = self._containers.state(self._container_id).exit_code
        if exit_code == workload.expect:
            return WORKLOAD_PASSED
        return WorkloadResult(
            passed=False, reason=f"the container exited with {exit_in_words(exit_code, workload.expect)}"
        )

    def _run_driver(self, workload: DriverWorkload, deadline: float) -> WorkloadResult:
        """Let a container be the load, watching that the service lives and the deadline holds."""
        try:
            driver = DriverContainer(self._containers, self._container_id, workload, self._checkout)
        except CannotStart as error:
            return WorkloadResult(passed=False, reason=f"the driver {workload.image} cannot start: {error}")
        try:
            while not driver.has_ended(min(deadline - time.monotonic(), _LIVENESS_POLL_S)):
                if time.monotonic() >= deadline:
                    return dataclasses.replace(TIMED_OUT, output_tail=driver.log_tail())
                if not self._state().running:
                    return self._service_ended()
            exit_code = driver.exit_code()
            if exit_code == workload.expect:
                return WORKLOAD_PASSED
            if self._containers.wait(self._container_id, _DEATH_KNELL_S):
                return self._service_ended(f"the driver exited with code {exit_code}")
            reason = f"the driver {workload.image} exited with {exit_in_words(exit_code, workload.expect)}"
            return WorkloadResult(passed=False, reason=reason, output_tail=driver.log_tail())
        finally:
            driver.close()

    def _become_ready(self, workload: ServiceWorkload, deadline: float) -> WorkloadResult:
        """Wait until the service is ready; HTTP requests are then sent at once, by the driver that waited."""
        readiness = self._readiness
        ready_by = min(deadline, time.monotonic() + readiness.timeout / 1000) if readiness else deadline
        ready = WORKLOAD_PASSED
        if readiness is not None and readiness.log is not None and self._output is not None:
            ready = wait_for_log(self._output, readiness.log, ready_by)
        elif readiness is not None and readiness.healthcheck:
            ready = wait_for_health(self._containers, self._container_id, ready_by)
        asked_by_driver = readiness is not None and (readiness.http is not None or readiness.tcp is not None)
        if ready.passed and not asked_by_driver and readiness is not None:
            self.ready_at = time.monotonic()
        if not ready.passed or not (asked_by_driver or isinstance(workload, HttpWorkload)):
            return ready
        return self._drive(_order(workload, readiness, ready_by, self._checkout), deadline)

    def _drive(self, order: DriveOrder, deadline: float) -> WorkloadResult:
        """Let a driver do `order`, watching that the service lives and the deadline holds."""
        pid = self._state().pid
        if pid == 0:
            return self._service_ended()
        try:
            with self._drivers.reaching(self._container_id, pid) as placed:
                placed_order = dataclasses.replace(order, network_namespace=placed.network_namespace)
                placed.helper.send(json.dumps(dataclasses.asdict(placed_order)))
                problem = self._driven(placed.helper, deadline)
        except TimeoutError:
            return TIMED_OUT
        except HelperFailed:
            if self._state().running:
                raise
            problem = "its network went away"  # and the driver's with it
        if problem is None:
            return WORKLOAD_PASSED
        # A service that just died fails its requests a moment before the engine knows.
        if self._containers.wait(self._container_id, _DEATH_KNELL_S):
            return self._service_ended(problem)
        return WorkloadResult(passed=False, reason=problem)

    def _driven(self, driver: Helper, deadline: float) -> str | None:
        """What went wrong with the driver's work, None when nothing did. Raises TimeoutError, HelperFailed."""
        while True:
            event = _next_event(driver, deadline)
            if event is None:
                if not self._state().running:
                    raise HelperFailed("the service ended while it was driven")
            elif event.event == "done":
                return None
            elif event.event == "failed":
                return event.reason or "the driver gave no reason"
            else:
                self._note(event)

    def _note(self, event: DriveEvent) -> None:
        if event.event == "ready" and self.ready_at is None:
            self.ready_at = time.monotonic()
            self.was_ready_at_once = event.at_once
        elif event.event == "phase":
            self._on_phase(event.phase)
        elif event.load is not None:
            self.loads.append(event.load)

    def _service_ended(self, symptom: str | None = None) -> WorkloadResult:
        reason = f"the container exited with code {self._state().exit_code} while it was exercised"
        return WorkloadResult(passed=False, reason=f"{reason} ({symptom})" if symptom else reason)

    def _state(self) -> ContainerState:
        return self._containers.state(self._container_id)


def _readiness(workload: Workload) -> Readiness | None:
    match workload:
        case HttpWorkload():
            return workload.readiness
        case ExecWorkload() | DriverWorkload():
            return workload.ready
        case CommandWorkload():
            return None


def _order(
    workload: ServiceWorkload, readiness: Readiness | None, ready_by: float, checkout: Path | None
) -> DriveOrder:
    groups = workload.requests if isinstance(workload, HttpWorkload) else ()
    return DriveOrder(
        network_namespace=None,
        port=workload.port,
        ready_tcp=readiness.tcp if readiness else None,
        ready_http=readiness.http if readiness else None,
        ready_timeout_ms=max(1, round((ready_by - time.monotonic()) * 1000)),
        groups=tuple(_group(group, checkout) for group in groups),
    )


def _group(group: HttpRequests, checkout: Path | None) -> RequestGroup:
    body = group.body.encode() if group.body is not None else None
    if group.body_file is not None:
        body = read_input(checkout, group.body_file, "workload.requests.body_file")
    return RequestGroup(
        method=group.method,
        path=group.path,
        headers=dict(group.headers),
        body_base64=b64encode(body).decode() if body is not None else None,
        body_size=group.body_size,
        count=group.requests,
        duration_ms=group.duration,
        concurrency=group.concurrency,
        rate=group.rate,
        ramp_ms=group.ramp or 0,
        keep_alive=group.keep_alive,
        connections=group.connections,
        read_rate=group.read_rate,
        read_for_ms=group.read_for,
        expect=group.expect,
        errors_percent=group.errors,
        phase=group.phase,
    )


def _next_event(driver: Helper, deadline: float) -> DriveEvent | None:
    """The driver's next event, or None when it is time to look after the service. Raises TimeoutError."""
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError
    try:
        line = driver.receive(min(_LIVENESS_POLL_S, remaining))
    except TimeoutError:
        return None
    try:
        return _EVENT.validate_json(line)
    except ValidationError as error:
        raise HelperFailed(f"the HTTP driver's answer cannot be read: {error}") from None
