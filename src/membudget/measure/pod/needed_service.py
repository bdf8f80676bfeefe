"""A service that others of its pod wait for: until it answers, is healthy, or has ended."""

import dataclasses
import time
from dataclasses import dataclass

from membudget.budgets.auto_workload import AutoWorkload
from membudget.budgets.workload_parts import Readiness
from membudget.engine.containers import Containers
from membudget.measure.pod_plan import Condition
from membudget.measure.trial import WORKLOAD_PASSED, TrialSpec, WorkloadResult
from membudget.measure.workload.http_driver import look, wait_until_ready
from membudget.measure.workload.service import TIMED_OUT, Drivers, Service, ServiceGone, wait_for_health

_PASSES_IN_A_ROW = 3
"""Databases set themselves up with a server that is healthy for a moment, and then start the one that others may use.
Checks come every half second, and would find the former."""
_MOST_CLOSED_S = 10.0
"""For how long a healthy service is given time to listen. An image may declare a port that nothing uses."""
_LOOK_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class NeededService:
    """The container of a service that others wait for."""

    containers: Containers
    drivers: Drivers
    container_id: str
    image: str | None
    started: Readiness | None
    """What tells that it has started, for `Condition.ANSWERS`."""

    def wait_until(self, condition: Condition, spec: TrialSpec, deadline: float) -> WorkloadResult:
        """Wait until the condition holds. Return a failed result with its reason if it does not."""
        match condition:
            case Condition.ANSWERS if self.started is not None:
                return self._answers(self.started, spec, deadline)
            case Condition.HEALTHY:
                result = wait_for_health(
                    self.containers, self.container_id, deadline, spec.inputs.secrets, _PASSES_IN_A_ROW
                )
                if result.passed:
                    self._wait_until_it_listens(spec, min(deadline, time.monotonic() + _MOST_CLOSED_S))
                return result
            case Condition.COMPLETED:
                return self._completed(deadline)
        return WORKLOAD_PASSED

    def _answers(self, readiness: Readiness, spec: TrialSpec, deadline: float) -> WorkloadResult:
        """Wait until the service answers at its port, asked over the loopback of the pod."""
        service = self._service(spec)
        try:
            with service:
                return wait_until_ready(service, readiness, deadline, lambda _: None)
        except TimeoutError:
            return TIMED_OUT
        except ServiceGone:
            return service.ended()
        finally:
            service.close()

    def _wait_until_it_listens(self, spec: TrialSpec, deadline: float) -> None:
        """Wait until a port is open, if the image declares one.

        The server with which a database sets itself up is healthy, but listens on no port. It lives as long as scripts
        fill the database, or as the machine is busy. Any port will do: many images declare that of their base.
        """
        if self.image is None or not self.containers.declarations(self.image).ports:
            return
        service = self._service(spec)
        try:
            with service:
                while time.monotonic() < deadline:
                    listening = look(service)
                    if listening is None or listening:
                        return
                    time.sleep(_LOOK_POLL_S)
        finally:
            service.close()

    def _completed(self, deadline: float) -> WorkloadResult:
        if not self.containers.wait(self.container_id, deadline - time.monotonic()):
            return WorkloadResult(passed=False, reason="still running")
        code = self.containers.state(self.container_id).exit_code
        return WORKLOAD_PASSED if code == 0 else WorkloadResult(passed=False, reason=f"exited with code {code}")

    def _service(self, spec: TrialSpec) -> Service:
        alone = dataclasses.replace(spec, workload=AutoWorkload())
        return Service(self.containers, self.drivers, self.container_id, alone)
