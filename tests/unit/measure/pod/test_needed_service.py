"""Waiting for a service that others need: a database that only sets itself up is not there yet."""

import time
from dataclasses import replace

import pytest

from membudget.budgets.auto_workload import AutoWorkload
from membudget.engine.containers import ContainerState
from membudget.engine.helper import HelperFailed
from membudget.engine.options import Declarations
from membudget.measure.pod.needed_service import NeededService
from membudget.measure.pod_plan import Condition
from membudget.measure.trial import TrialSpec, WorkloadResult
from tests.fakes.containers import FakeContainers, FakeDrivers

CLOSED = '{"event": "looked", "listening": []}'
OPEN = '{"event": "looked", "listening": [{"port": 5432, "address": "::"}]}'
SPEC = TrialSpec("api", "api", None, 1000, AutoWorkload())


class Database(FakeContainers):
    """A service that is healthy, of an image that declares ports or none."""

    def __init__(self, *ports: int, exit_code: int | None = None) -> None:
        super().__init__(exit_code)
        self.ports = ports

    def run_healthcheck(self, container_id: str) -> None:
        """The engine does it."""

    def state(self, container_id: str) -> ContainerState:
        """Healthy, for long enough."""
        return replace(super().state(container_id), health="healthy", health_passes=3)

    def declarations(self, image: str) -> Declarations:
        """As the test says."""
        return Declarations(self.ports, has_healthcheck=True, variables=frozenset())


def waited(containers: Database, drivers: FakeDrivers, condition: Condition = Condition.HEALTHY) -> WorkloadResult:
    needed = NeededService(containers, drivers, "id", "postgres:16", None)
    return needed.wait_until(condition, SPEC, time.monotonic() + 60)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks follow at once."""
    monkeypatch.setattr("membudget.measure.pod.needed_service._LOOK_POLL_S", 0)


@pytest.mark.parametrize("declared", [5432, 80])
def test_a_healthy_service_whose_image_declares_a_port_is_there_when_one_is_open(declared: int) -> None:
    drivers = FakeDrivers(CLOSED, CLOSED, OPEN, CLOSED)
    assert waited(Database(declared), drivers).passed
    assert len(drivers.orders) == 3
    assert drivers.ended == drivers.asked


def test_where_no_port_is_declared_nobody_looks() -> None:
    drivers = FakeDrivers()
    assert waited(Database(), drivers).passed
    assert drivers.orders == []


def test_a_declared_port_that_nothing_uses_costs_a_while_and_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("membudget.measure.pod.needed_service._MOST_CLOSED_S", 0.01)
    assert waited(Database(9000), FakeDrivers(*[CLOSED] * 100_000)).passed


def test_where_nobody_can_look_health_is_enough() -> None:
    assert waited(Database(5432), FakeDrivers(HelperFailed("it ended"))).passed


@pytest.mark.parametrize(("exit_code", "reason"), [(None, "still running"), (0, None), (3, "exited with code 3")])
def test_a_service_that_has_to_end(exit_code: int | None, reason: str | None) -> None:
    result = waited(Database(exit_code=exit_code), FakeDrivers(), Condition.COMPLETED)
    assert (result.passed, result.reason) == (reason is None, reason)
