"""Runs a smoke workload against a started container."""

import time
from collections.abc import Callable, Sequence

from membudget.budgets.workload import CommandWorkload, ServiceWorkload, Step, readiness, steps_of
from membudget.engine.containers import Containers
from membudget.engine.stream import feed
from membudget.measure.inputs import read_input
from membudget.measure.load import LoadResult
from membudget.measure.trial import WORKLOAD_PASSED, PhaseName, TrialSpec, WorkloadResult
from membudget.measure.unit_cost import LoadProgress
from membudget.measure.workload.exec import TIMED_OUT, exit_in_words, run_commands, run_driver
from membudget.measure.workload.http_driver import Drivers, HttpLoad, ServiceGone
from membudget.measure.workload.readiness import wait_for_health, wait_for_log

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
        self._container_id = container_id
        self._workload = workload = spec.workload
        self._checkout = spec.inputs.checkout
        self._readiness = readiness(workload)
        self._load = HttpLoad(containers, drivers, container_id)
        waits_for_log = self._readiness is not None and self._readiness.log is not None
        self._output = containers.attach(container_id) if waits_for_log else None
        self._input = None
        if isinstance(workload, CommandWorkload):
            self._input = containers.attach_input(container_id) if workload.stdin is not None else None
        else:
            for step in steps_of(workload):
                if step.driver is not None:
                    containers.provide_image(step.driver.image)
        self.ready_at: float | None = None
        """When the service was ready, on `time.monotonic`; None when it was not, or nothing is waited for."""
        self.was_ready_at_once = False
        """It answered the first question: it may have been ready for longer."""

    @property
    def loads(self) -> tuple[LoadResult, ...]:
        """What became of the requests, group by group."""
        return tuple(self._load.results)

    @property
    def progress(self) -> Sequence[LoadProgress]:
        """How the requests went on, group by group."""
        return self._load.progress

    @property
    def first_phase(self) -> str:
        """The phase that begins with the container."""
        if self._readiness is not None:
            return PhaseName.START_UP
        return PhaseName.STEADY if isinstance(self._workload, CommandWorkload) else steps_of(self._workload)[0].phase

    def run(self, deadline: float) -> WorkloadResult:
        """Exercise the started container until the workload ends or `deadline` (on `time.monotonic`) passes."""
        if isinstance(self._workload, CommandWorkload):
            return self._run_to_end(self._workload, deadline)
        try:
            with self._load:
                result = self._become_ready(self._workload, deadline)
                return self._run_steps(self._workload, deadline) if result.passed else result
        except TimeoutError:
            return TIMED_OUT
        except ServiceGone:
            return self._service_ended()

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

    def _become_ready(self, workload: ServiceWorkload, deadline: float) -> WorkloadResult:
        ready, result = self._readiness, WORKLOAD_PASSED
        if ready is None:
            return result
        ready_by = min(deadline, time.monotonic() + ready.timeout / 1000)
        if ready.log is not None and self._output is not None:
            result = wait_for_log(self._output, ready.log, ready_by)
        elif ready.healthcheck:
            result = wait_for_health(self._containers, self._container_id, ready_by)
        else:
            problem = self._load.wait_until_ready(workload.port, ready, deadline, self._note_ready)
            return self._unless_ended(problem)
        if result.passed:
            self._note_ready(at_once=False)
        return result

    def _note_ready(self, at_once: bool) -> None:
        self.ready_at = time.monotonic()
        self.was_ready_at_once = at_once

    def _run_steps(self, workload: ServiceWorkload, deadline: float) -> WorkloadResult:
        phase = None if self._readiness is not None else self.first_phase
        for step in steps_of(workload):
            if step.phase != phase:
                phase = step.phase
                self._on_phase(phase)
            result = self._run_step(step, workload.port, deadline)
            if not result.passed:
                return result
        return WORKLOAD_PASSED

    def _run_step(self, step: Step, port: int, deadline: float) -> WorkloadResult:
        """Do a step as often, or for as long, as it says."""
        ends_at = time.monotonic() + step.duration / 1000 if step.duration is not None else None
        done = 0
        while done < step.repeat if ends_at is None else time.monotonic() < ends_at:
            result = self._do(step, port, deadline)
            if not result.passed:
                return result
            done += 1
        return WORKLOAD_PASSED

    def _do(self, step: Step, port: int, deadline: float) -> WorkloadResult:
        if time.monotonic() >= deadline:
            return TIMED_OUT
        if step.http is not None:
            return self._unless_ended(self._load.send(port, step.http, step.phase, self._checkout, deadline))
        if step.exec is not None:
            return run_commands(self._containers, self._container_id, step.exec, self._checkout, deadline)
        if step.driver is not None:
            result = run_driver(self._containers, self._container_id, step.driver, self._checkout, deadline)
            return result if result.passed or result.timed_out else self._service_ended_or(result)
        return self._rest((step.idle or 0) / 1000, deadline)

    def _rest(self, idle_s: float, deadline: float) -> WorkloadResult:
        """Nothing, but a service that ends meanwhile has not passed."""
        ends_at = time.monotonic() + idle_s
        if self._containers.wait(self._container_id, min(ends_at, deadline) - time.monotonic()):
            return self._service_ended()
        return WORKLOAD_PASSED if ends_at <= deadline else TIMED_OUT

    def _unless_ended(self, problem: str | None) -> WorkloadResult:
        """A service that just died fails its requests a moment before the engine knows."""
        if problem is None:
            return WORKLOAD_PASSED
        return self._service_ended_or(WorkloadResult(passed=False, reason=problem))

    def _service_ended_or(self, result: WorkloadResult) -> WorkloadResult:
        if self._containers.wait(self._container_id, _DEATH_KNELL_S):
            return self._service_ended(result.reason)
        return result

    def _service_ended(self, symptom: str | None = None) -> WorkloadResult:
        exit_code = self._containers.state(self._container_id).exit_code
        reason = f"the container exited with code {exit_code} while it was exercised"
        return WorkloadResult(passed=False, reason=f"{reason} ({symptom})" if symptom else reason)
