"""The measured container as a workload sees it: when it is ready, whether it still runs."""

import time
from collections.abc import Callable
from pathlib import Path

from membudget.budgets.workload_parts import Readiness, ServiceKind, WorkloadKind
from membudget.engine.containers import Containers
from membudget.engine.stream import FramedStream, LineTail
from membudget.measure.trial import WORKLOAD_PASSED, WorkloadResult
from membudget.measure.workload.http_driver import Drivers, HttpLoad

TIMED_OUT = WorkloadResult(passed=False, timed_out=True)
_DEATH_KNELL_S = 0.5
_HEALTH_POLL_S = 0.1


class Service:
    """One container, attached to before it starts. What runs a part of a workload is given it."""

    def __init__(
        self,
        containers: Containers,
        drivers: Drivers,
        container_id: str,
        workload: WorkloadKind,
        checkout: Path | None,
    ) -> None:
        self.containers = containers
        self.container_id = container_id
        self.port = workload.port if isinstance(workload, ServiceKind) else 0
        """0: its workload speaks to none."""
        self.checkout = checkout
        """Where the files are that the workload names; None: there are none."""
        self.load = HttpLoad(containers, drivers, container_id)
        """Requests to it."""
        waits_for_log = workload.readiness is not None and workload.readiness.log is not None
        self.output = containers.attach(container_id) if waits_for_log else None
        self.input = containers.attach_input(container_id) if workload.start.stdin is not None else None

    def close(self) -> None:
        """Let go of the container's input and output."""
        for stream in (self.output, self.input):
            if stream is not None:
                stream.close()

    def become_ready(self, readiness: Readiness, deadline: float, on_ready: Callable[[bool], None]) -> WorkloadResult:
        """Wait until it may be exercised. `on_ready` is told whether it was ready when it was first asked."""
        ready_by = min(deadline, time.monotonic() + readiness.timeout / 1000)
        if readiness.log is not None and self.output is not None:
            result = wait_for_log(self.output, readiness.log, ready_by)
        elif readiness.healthcheck:
            result = wait_for_health(self.containers, self.container_id, ready_by)
        else:
            return self.unless_ended(self.load.wait_until_ready(self.port, readiness, deadline, on_ready))
        if result.passed:
            on_ready(False)
        return result

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
