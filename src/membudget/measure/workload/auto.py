"""Runs a container that has no workload: to its end, or until it is a service that rests."""

import time

from membudget.budgets.auto_workload import AutoWorkload
from membudget.measure.assumed import AutoEnd
from membudget.measure.trial import WorkloadResult
from membudget.measure.workload.explained import NEITHER_ENDED_NOR_RESTED
from membudget.measure.workload.http_driver import look
from membudget.measure.workload.service import Service

_LOOK_S = 1.0
"""The time between two looks at the ports. A short one-shot has ended before the first, and
before the engine is asked for its CPU time, which can take a second."""
_LONE_S = 30.0
"""How long a container without a port is given to end before it may count as one that keeps running."""
_LONE_WINDOW_S = 10.0
"""The time over which such a container has to be idle."""
_IDLE_SHARE = 0.05
"""A container is idle if it uses less than this share of one CPU. One-shots that listen on a port are busy."""


def run_by_itself(workload: AutoWorkload, service: Service, deadline: float) -> WorkloadResult:
    """Wait until the container ends, or until it is a service that has been idle. See docs/workloads.md."""
    awaited = workload.readiness
    is_ready = awaited is not None  # then it was waited for
    if is_ready:
        look(service)
    elif service.containers.wait(service.container_id, min(_LOOK_S, deadline - time.monotonic())):
        return ended_by_itself(service)
    begun = time.monotonic()
    # A HEALTHCHECK says that it is a service, and takes CPU time itself, twice a second.
    is_healthy = awaited is not None and awaited.healthcheck is True
    idle = _IdleWindow(service, workload.idle / 1000 if is_ready else _LONE_WINDOW_S, any_use=is_healthy)
    while (remaining := deadline - time.monotonic()) > 0:
        if service.containers.wait(service.container_id, max(0.0, min(_LOOK_S, remaining, idle.remaining_s))):
            return ended_by_itself(service)
        if not is_ready and look(service):
            is_ready = True
            idle = _IdleWindow(service, workload.idle / 1000)
        if not idle.was_quiet():
            continue
        if is_ready:
            return _passed(AutoEnd.HEALTHY if is_healthy else AutoEnd.RESTED)
        if time.monotonic() - begun >= _LONE_S:
            return _passed(AutoEnd.KEPT_RUNNING)
    if is_ready:
        return _passed(AutoEnd.BUSY)
    return NEITHER_ENDED_NOR_RESTED


def ended_by_itself(service: Service) -> WorkloadResult:
    """Return the result for a container that has ended. Its exit code decides."""
    exit_code = service.containers.state(service.container_id).exit_code
    if exit_code == 0:
        return _passed(AutoEnd.ENDED)
    return WorkloadResult(passed=False, reason=f"the container exited with code {exit_code}")


def _passed(end: AutoEnd) -> WorkloadResult:
    return WorkloadResult(passed=True, auto_end=end)


class _IdleWindow:
    """Spans of equal length, one after another, in each of which the container was idle or not.

    If the engine does not tell the CPU time, the container counts as busy, and is observed for longer.
    """

    def __init__(self, service: Service, length_s: float, *, any_use: bool = False) -> None:
        """With `any_use`, the container counts as idle whatever CPU time it uses."""
        self._service = service
        self._any_use = any_use
        self._length_s = length_s
        self._begin()

    def _begin(self) -> None:
        self._begun = time.monotonic()
        self._used_s = self._service.containers.cpu_seconds(self._service.container_id)

    @property
    def remaining_s(self) -> float:
        """The time until the current span ends."""
        return self._begun + self._length_s - time.monotonic()

    def was_quiet(self) -> bool:
        """Return whether a span has just ended in which the container was idle."""
        if self.remaining_s > 0:
            return False
        before, length_s = self._used_s, time.monotonic() - self._begun
        self._begin()
        if self._any_use:
            return True
        if before is None or self._used_s is None:
            return False
        return self._used_s - before < _IDLE_SHARE * max(length_s, self._length_s)
