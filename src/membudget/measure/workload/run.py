"""Runs a workload against a started container, part by part."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from membudget.budgets.workload import CommandWorkload
from membudget.budgets.workload_parts import Action, Commands, Driver, Part, Readiness, Requests, Rest
from membudget.engine.containers import Containers
from membudget.engine.stream import feed
from membudget.measure.inputs import read_input
from membudget.measure.load import LoadResult
from membudget.measure.trial import WORKLOAD_PASSED, PhaseName, TrialSpec, WorkloadResult
from membudget.measure.unit_cost import LoadProgress
from membudget.measure.workload.exec import exit_in_words, run_commands, run_driver
from membudget.measure.workload.http_driver import send_requests, wait_until_ready
from membudget.measure.workload.service import (
    TIMED_OUT,
    Drivers,
    Service,
    ServiceGone,
    wait_for_health,
    wait_for_log,
)


def run_to_end(workload: CommandWorkload, service: Service, deadline: float) -> WorkloadResult:
    """Wait for the container's own process."""
    if service.input is not None and workload.stdin is not None:
        feed(service.input, read_input(service.checkout, workload.stdin, "workload.stdin"))
    if not service.containers.wait(service.container_id, deadline - time.monotonic()):
        return TIMED_OUT
    exit_code = service.containers.state(service.container_id).exit_code
    if exit_code == workload.expect:
        return WORKLOAD_PASSED
    return WorkloadResult(passed=False, reason=f"the container exited with {exit_in_words(exit_code, workload.expect)}")


def rest(pause: Rest, service: Service, deadline: float) -> WorkloadResult:
    """Do nothing, but a service that ends meanwhile has not passed."""
    ends_at = time.monotonic() + pause.duration_ms / 1000
    if service.containers.wait(service.container_id, min(ends_at, deadline) - time.monotonic()):
        return service.ended()
    return WORKLOAD_PASSED if ends_at <= deadline else TIMED_OUT


RUNNERS: Mapping[type[Action], Callable[[Any, Service, float], WorkloadResult]] = {
    CommandWorkload: run_to_end,
    Requests: send_requests,
    Commands: run_commands,
    Driver: run_driver,
    Rest: rest,
}
"""How each action is run, until it is done or a deadline (on `time.monotonic`) passes.

They may raise TimeoutError, which means the deadline, and ServiceGone.
"""


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
        self._parts = spec.workload.parts
        self._readiness = spec.workload.readiness
        self._service = Service(containers, drivers, container_id, spec.workload, spec.inputs.checkout)
        for image in spec.workload.images:
            containers.provide_image(image)
        self.ready_at: float | None = None
        """When the service was ready, on `time.monotonic`; None when it was not, or nothing is waited for."""
        self.was_ready_at_once = False
        """It answered the first question: it may have been ready for longer."""

    @property
    def loads(self) -> tuple[LoadResult, ...]:
        """What became of the requests, group by group."""
        return tuple(self._service.loads)

    @property
    def progress(self) -> Sequence[LoadProgress]:
        """How the requests went on, group by group."""
        return self._service.progress

    @property
    def first_phase(self) -> str:
        """The phase that begins with the container."""
        return PhaseName.START_UP if self._readiness is not None else self._parts[0].phase

    def run(self, deadline: float) -> WorkloadResult:
        """Exercise the started container until the workload ends or `deadline` (on `time.monotonic`) passes."""
        try:
            with self._service:
                if self._readiness is not None:
                    result = self._become_ready(self._readiness, deadline)
                    if not result.passed:
                        return result
                return self._run_parts(deadline)
        except TimeoutError:
            return TIMED_OUT
        except ServiceGone:
            return self._service.ended()

    def close(self) -> None:
        """Let go of the container's input and output."""
        self._service.close()

    def _become_ready(self, readiness: Readiness, deadline: float) -> WorkloadResult:
        service, ready_by = self._service, min(deadline, time.monotonic() + readiness.timeout / 1000)
        if readiness.log is not None and service.output is not None:
            result = wait_for_log(service.output, readiness.log, ready_by)
        elif readiness.healthcheck:
            result = wait_for_health(service.containers, service.container_id, ready_by)
        else:
            return wait_until_ready(service, readiness, deadline, self._note_ready)
        if result.passed:
            self._note_ready(at_once=False)
        return result

    def _note_ready(self, at_once: bool) -> None:
        self.ready_at = time.monotonic()
        self.was_ready_at_once = at_once

    def _run_parts(self, deadline: float) -> WorkloadResult:
        phase = self.first_phase
        for part in self._parts:
            if part.phase != phase:
                phase = part.phase
                self._on_phase(phase)
            result = self._run_part(part, deadline)
            if not result.passed:
                return result
        return WORKLOAD_PASSED

    def _run_part(self, part: Part, deadline: float) -> WorkloadResult:
        """Do a part as often, or for as long, as it says."""
        run = runner_of(part.does)
        ends_at = time.monotonic() + part.duration_ms / 1000 if part.duration_ms is not None else None
        done = 0
        while done < part.repeat if ends_at is None else time.monotonic() < ends_at:
            result = run(part.does, self._service, deadline) if time.monotonic() < deadline else TIMED_OUT
            if not result.passed:
                return result
            done += 1
        return WORKLOAD_PASSED


def runner_of(action: Action) -> Callable[[Any, Service, float], WorkloadResult]:
    """What runs an action."""
    return next(run for kind, run in RUNNERS.items() if isinstance(action, kind))
