"""An image without a workload: a one-shot runs to its end, a service is left idle."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from membudget.budgets.auto_workload import AutoWorkload
from membudget.engine.containers import ContainerState
from membudget.measure.assumed import AutoEnd
from membudget.measure.listening import Listening
from membudget.measure.trial import Outcome, TrialSpec, WorkloadResult
from membudget.measure.workload import auto
from membudget.measure.workload.run import ContainerWorkload
from membudget.measure.workload.service import Drivers, MissingDrivers
from tests.fakes.containers import FakeContainers, FakeDrivers

SHORT = AutoWorkload.model_validate({"kind": "auto", "idle": "20ms"})
LISTENS = '{"event": "looked", "listening": [{"port": 3000, "address": "127.0.0.1"}]}'
NOWHERE = '{"event": "looked", "listening": []}'
READY = ('{"event": "ready", "port": 3000}', '{"event": "done"}')
NOBODY = MissingDrivers("there are none")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("_LOOK_S", 0.02), ("_LONE_S", 0.2), ("_LONE_WINDOW_S", 0.05)):
        monkeypatch.setattr(auto, name, seconds)


class Waiting(FakeContainers):
    """A container that is waited for in earnest, and may end after some of these times."""

    def __init__(self, exit_code: int = 0, waits: int | None = None) -> None:
        super().__init__()
        self._code, self._waits = exit_code, waits

    def wait(self, container_id: str, timeout_s: float) -> bool:
        """Let the time pass."""
        if self._waits == 0:
            self.exit_code = self._code
        elif self._waits is not None:
            self._waits -= 1
        if self.exit_code is None:
            time.sleep(timeout_s)
        return self.exit_code is not None


def run(
    containers: FakeContainers, drivers: Drivers = NOBODY, workload: AutoWorkload = SHORT, seconds: float = 5.0
) -> tuple[WorkloadResult, ContainerWorkload]:
    spec = TrialSpec("api", "api", None, 1000, workload)
    running = ContainerWorkload(containers, drivers, "id", spec, lambda _: None)
    return running.run(time.monotonic() + seconds), running


@pytest.mark.thorough
@pytest.mark.parametrize(("exit_code", "passed"), [(0, True), (3, False)])
def test_a_one_shot_runs_to_its_end_and_its_exit_code_decides(exit_code: int, *, passed: bool) -> None:
    result, running = run(Waiting(exit_code, waits=1), FakeDrivers(NOWHERE, NOWHERE))
    assert (result.passed, result.auto_end) == (passed, AutoEnd.ENDED if passed else None)
    assert result.reason == (None if passed else "the container exited with code 3")
    assert running.first_phase == "steady"


def test_a_short_one_shot_is_asked_nothing_that_an_engine_may_answer_late(monkeypatch: pytest.MonkeyPatch) -> None:
    containers = Waiting(waits=0)
    monkeypatch.setattr(containers, "cpu_seconds", lambda _: pytest.fail("asked for its CPU time"))
    result, _ = run(containers, FakeDrivers())
    assert result.auto_end is AutoEnd.ENDED


@pytest.mark.thorough
def test_a_container_that_listens_and_rests_is_a_service() -> None:
    result, running = run(Waiting(), FakeDrivers(NOWHERE, LISTENS))
    assert (result.passed, result.auto_end) == (True, AutoEnd.RESTED)
    found = running.assumed(result)
    assert found is not None
    assert found.listening == (Listening(3000, "127.0.0.1"),)


@pytest.mark.thorough
def test_a_busy_container_that_listens_may_be_a_one_shot_and_is_not_cut_off() -> None:
    containers = Waiting(waits=4)
    containers.used_s = [0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    result, _ = run(containers, FakeDrivers(LISTENS))
    assert result.auto_end is AutoEnd.ENDED


@pytest.mark.thorough
def test_a_service_that_is_never_idle_is_measured_until_the_timeout() -> None:
    containers = Waiting()
    containers.used_s = [float(second) for second in range(1000)]
    result, _ = run(containers, FakeDrivers(LISTENS), seconds=0.2)
    assert (result.passed, result.auto_end) == (True, AutoEnd.BUSY)


@pytest.mark.thorough
def test_an_idle_container_that_keeps_running_is_measured_and_told() -> None:
    assert run(Waiting())[0].auto_end is AutoEnd.KEPT_RUNNING, "nobody can look at its ports"
    assert run(Waiting(), FakeDrivers(*[NOWHERE] * 50))[0].auto_end is AutoEnd.KEPT_RUNNING


@pytest.mark.thorough
def test_a_busy_container_that_neither_ends_nor_listens_has_timed_out() -> None:
    containers = Waiting()
    containers.used_s = [float(second) for second in range(1000)]
    result, _ = run(containers, seconds=0.2)
    assert (result.passed, result.timed_out) == (False, True)
    assert result.reason is not None
    assert "it has to end, to listen on a port, or to be idle" in result.reason
    assert result.fix is not None
    assert "raise `timeout`" in result.fix


def declared() -> Iterator[AutoWorkload]:
    yield SHORT.of_image((3000,), has_healthcheck=False)


@pytest.mark.thorough
def test_an_image_that_declares_a_port_has_a_start_up_until_it_listens() -> None:
    workload = SHORT.of_image((3000,), has_healthcheck=False)
    result, running = run(Waiting(), FakeDrivers(NOWHERE, *READY, LISTENS), workload)
    assert result.auto_end is AutoEnd.RESTED
    assert running.first_phase == "start-up"
    assert running.ready_at is not None


def test_a_one_shot_that_inherits_a_port_still_runs_to_its_end() -> None:
    workload = SHORT.of_image((3000,), has_healthcheck=False)
    assert run(FakeContainers(exit_code=0), FakeDrivers(), workload)[0].auto_end is AutoEnd.ENDED
    assert run(FakeContainers(exit_code=4), FakeDrivers(), workload)[0].reason == "the container exited with code 4"


@pytest.mark.thorough
def test_an_image_that_declares_a_port_and_listens_nowhere_has_failed() -> None:
    workload = SHORT.of_image((3000,), has_healthcheck=False)
    reason = "not ready: nothing listens on a TCP port"
    said = f'{{"event": "failed", "reason": "{reason}", "fault": "listens_nowhere", "listening": []}}'
    result, _ = run(Waiting(), FakeDrivers(NOWHERE, said), workload)
    assert result.reason is not None
    assert result.reason.startswith("not ready: nothing listens on a TCP port; its output names no port")
    assert not result.timed_out


def test_a_healthcheck_is_waited_for_rather_than_a_port() -> None:
    readiness = SHORT.of_image((3000,), has_healthcheck=True).readiness
    assert readiness is not None
    assert readiness.healthcheck is True
    assert SHORT.of_image((), has_healthcheck=False) is SHORT


def test_what_a_run_without_workload_says_of_memory_counts() -> None:
    assert Outcome.COMPLETED.value == "completed"
    assert SHORT.phase_names == ["start-up", "steady", "settle"]


class Healthy(Waiting):
    """A container whose HEALTHCHECK says healthy, and takes CPU time."""

    def state(self, container_id: str) -> ContainerState:
        """As it is, and healthy."""
        return replace(super().state(container_id), health="healthy")

    def run_healthcheck(self, container_id: str) -> None:
        """The engine does."""


@pytest.mark.thorough
def test_the_cpu_time_of_a_healthcheck_makes_no_service_busy() -> None:
    containers = Healthy()
    containers.used_s = [float(second) for second in range(1000)]
    result, _ = run(containers, NOBODY, SHORT.of_image((), has_healthcheck=True))
    assert result.auto_end is AutoEnd.HEALTHY
