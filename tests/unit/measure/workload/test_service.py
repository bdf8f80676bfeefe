"""A service, asked by helpers that reach it; and what is said when it ends meanwhile."""

import json
import time
from dataclasses import replace

import pytest

from membudget.budgets.workload import ExecWorkload, HttpWorkload
from membudget.budgets.workload_parts import Driver, ExecCommand, HttpRequests
from membudget.engine.containers import CannotStart, ContainerState
from membudget.engine.helper import HelperFailed
from membudget.engine.options import ContainerOptions
from membudget.measure.listening import Listening
from membudget.measure.trial import TrialSpec, WorkloadResult
from membudget.measure.workload.http_driver import HTTP_DRIVER, look
from membudget.measure.workload.run import ContainerWorkload, run_driver
from membudget.measure.workload.service import (
    ContainerDrivers,
    MissingDrivers,
    Service,
    ServiceGone,
    wait_for_health,
)
from tests.fakes.containers import FakeContainers, FakeDrivers

WORKLOAD = ExecWorkload(kind="exec", commands=(ExecCommand(run=("ls",)),), port=9000)
SPEC = TrialSpec("api", "api", None, 1000, WORKLOAD)
NOWHERE = '{"event": "looked", "listening": []}'
DONE = '{"event": "done"}'


def serving(drivers: FakeDrivers, containers: FakeContainers | None = None) -> Service:
    return Service(containers or FakeContainers(), drivers, "id", SPEC)


def soon() -> float:
    return time.monotonic() + 60


def requested(
    drivers: FakeDrivers, exit_code: int | None = None, port: int | None = 9000, seconds: float = 60
) -> WorkloadResult:
    """The result of two groups of requests."""
    workload = HttpWorkload(
        kind="http", port=port, requests=(HttpRequests(path="/a"), HttpRequests(path="/b", phase="burst"))
    )
    spec = TrialSpec("api", "api", None, 1000, workload)
    return ContainerWorkload(FakeContainers(exit_code), drivers, "id", spec, lambda _: None).run(
        time.monotonic() + seconds
    )


def test_a_helper_is_told_where_the_network_is_and_serves_all_orders() -> None:
    drivers = FakeDrivers("one", "two", "three")
    with serving(drivers) as service:
        assert service.port == 9000
        answers = service.ask("a.module", {"say": 2}, soon())
        assert [next(answers), next(answers)] == ["one", "two"]
        assert next(service.ask("a.module", {"say": 1}, soon())) == "three"
        assert drivers.asked == ["a.module"]
    assert drivers.ended == ["a.module"]
    assert json.loads(drivers.orders[0]) == {"say": 2, "network_namespace": "/proc/7/ns/net"}


def test_each_module_has_a_helper_of_its_own() -> None:
    drivers = FakeDrivers("one", "two")
    with serving(drivers) as service:
        for module in ("a.module", "another"):
            next(service.ask(module, {}, soon()))
    assert drivers.asked == ["a.module", "another"]


def test_no_answer_until_the_deadline_is_a_timeout() -> None:
    with serving(FakeDrivers()) as service, pytest.raises(TimeoutError):
        next(service.ask("a.module", {}, time.monotonic() + 0.01))


@pytest.mark.parametrize("answer", [TimeoutError(), HelperFailed("it ended")])
def test_a_service_that_ends_is_no_fault_of_the_helper(answer: Exception) -> None:
    containers = FakeContainers()
    with serving(FakeDrivers("one", answer), containers) as service:
        answers = service.ask("a.module", {}, soon())
        next(answers)
        containers.exit_code = 1
        with pytest.raises(ServiceGone):
            next(answers)


def test_a_helper_that_fails_beside_a_service_that_runs_is_a_fault() -> None:
    with serving(FakeDrivers(HelperFailed("it ended"))) as service, pytest.raises(HelperFailed, match="it ended"):
        next(service.ask("a.module", {}, soon()))


def test_requests_wait_for_the_port_and_are_sent_group_by_group() -> None:
    drivers = FakeDrivers(*['{"event": "ready"}', DONE] * 3)
    assert requested(drivers).passed
    assert drivers.asked == [HTTP_DRIVER]
    orders = [json.loads(order) for order in drivers.orders]
    assert [order["ready_tcp"] for order in orders] == [9000, None, None]
    assert [[group["path"] for group in order["groups"]] for order in orders] == [[], ["/a"], ["/b"]]


def test_requests_that_fail_fail_the_workload_with_the_drivers_reason() -> None:
    result = requested(
        FakeDrivers('{"event": "ready"}', DONE, '{"event": "failed", "reason": "3 of 100 failed"}', NOWHERE)
    )
    assert (result.passed, result.reason) == (False, "3 of 100 failed")


def test_a_service_that_is_gone_before_it_is_asked_has_failed() -> None:
    assert requested(FakeDrivers(), exit_code=3).reason == "the container exited with code 3 during its workload"


@pytest.mark.parametrize("line", ["no JSON", '{"event": "load", "load": null, "group": 9}'])
def test_a_driver_that_says_what_it_cannot_know_is_a_fault(line: str) -> None:
    with pytest.raises(HelperFailed, match="the HTTP driver"):
        requested(FakeDrivers(line))


class Naming(FakeContainers):
    """Notes what containers are called, and makes none."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def create(self, options: ContainerOptions) -> str:
        self.names.append(options.name)
        raise CannotStart("it is only about its name")


def test_a_workloads_driver_container_and_the_helpers_beside_it_have_names_of_their_own() -> None:
    containers = Naming()
    drivers = ContainerDrivers(containers, "membudget")
    for module in (HTTP_DRIVER, "membudget.another"):
        with pytest.raises(CannotStart), drivers.reaching("id", 7, module):
            pass
    result = run_driver(Driver(image="k6"), Service(containers, drivers, "id", SPEC), soon())
    assert result.reason == "the driver k6 cannot start: it is only about its name"
    assert containers.names == ["http_process-id", "another-id", "driver-id"]


def test_without_a_port_requests_go_to_the_one_that_the_driver_found() -> None:
    drivers = FakeDrivers('{"event": "ready", "port": 3000}', DONE, *['{"event": "ready"}', DONE] * 2)
    assert requested(drivers, port=None).passed
    orders = [json.loads(order) for order in drivers.orders]
    assert [(order["port"], order["preferred"]) for order in orders] == [(None, [8080]), (3000, [8080]), (3000, [8080])]


def test_a_service_that_is_not_ready_is_told_with_where_it_listens() -> None:
    said = '{"event": "failed", "reason": "not ready", "listening": [{"port": 3000, "address": "127.0.0.1"}]}'
    result = requested(FakeDrivers(said))
    assert result.reason == "not ready; the service listens on 127.0.0.1:3000"
    assert result.fix == "set port = 3000 in images.NAME.workload"


@pytest.mark.parametrize(("fault", "said"), [("listens_nowhere", "its output names no port"), ("not_ready", "nothing")])
def test_the_drivers_fault_decides_what_else_is_said_and_not_its_words(fault: str, said: str) -> None:
    event = {"event": "failed", "reason": "not ready: nothing listens on a TCP port", "fault": fault, "listening": []}
    reason = requested(FakeDrivers(json.dumps(event))).reason
    assert reason is not None
    assert reason.startswith(f"{event['reason']}; {said}")


def test_a_service_that_ends_with_the_words_of_the_driver_has_still_ended() -> None:
    said = "the container exited with code 3 during its workload"
    with serving(FakeDrivers(), FakeContainers(exit_code=3)) as service:
        ended = service.just_ended(None)
        assert ended is not None
        assert service.ended_or(WorkloadResult(passed=False, reason=said)).reason == f"{said} ({said})"
    with serving(FakeDrivers()) as service:
        assert service.just_ended(None) is None


def test_a_look_tells_where_the_service_listens() -> None:
    drivers = FakeDrivers('{"event": "looked", "listening": [{"port": 3000, "address": "::"}]}')
    with serving(drivers) as service:
        assert look(service) == (Listening(3000, "::"),)


@pytest.mark.thorough
@pytest.mark.parametrize("answer", [TimeoutError(), HelperFailed("it ended")])
def test_a_helper_that_gave_no_answer_to_a_look_is_not_asked_again(answer: Exception) -> None:
    drivers = FakeDrivers(answer)
    with serving(drivers) as service:
        assert look(service, timeout_s=0.01) is None
        assert look(service, timeout_s=0.01) is None
    assert drivers.asked == [HTTP_DRIVER, HTTP_DRIVER]
    assert drivers.failed == [HTTP_DRIVER, HTTP_DRIVER]


def test_nobody_looks_where_there_is_no_helper() -> None:
    with Service(FakeContainers(), MissingDrivers("there is none"), "id", SPEC) as service:
        assert look(service) is None


def test_a_driver_whose_time_ends_with_the_trial_is_started_before_its_time_is_counted() -> None:
    looked = '{"event": "looked", "listening": []}'
    drivers = FakeDrivers(looked, '{"event": "failed", "reason": "not ready", "listening": []}')
    result = requested(drivers, seconds=20)
    assert result.reason is not None
    assert result.reason.startswith("not ready; nothing listens")
    first, second = (json.loads(order) for order in drivers.orders)
    assert (first["only_looks"], second["only_looks"], second["ends_with_trial"]) == (True, False, True)
    assert result.timed_out, "the trial's time was not enough, which says nothing about the service"
    assert second["ready_timeout_ms"] < 20_000 - 400


class Checked(FakeContainers):
    """A container whose HEALTHCHECK passed more and more often in a row."""

    def __init__(self, *passes: int) -> None:
        super().__init__()
        self.passes = list(passes)

    def run_healthcheck(self, container_id: str) -> None:
        """The engine does it."""

    def state(self, container_id: str) -> ContainerState:
        """As the test says."""
        return replace(super().state(container_id), health="healthy", health_passes=self.passes.pop(0))


def test_a_service_that_others_await_has_to_be_healthy_several_times_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("membudget.measure.workload.service._HEALTH_POLL_S", 0)
    containers = Checked(1, 2, 0, 1, 2, 3)
    assert wait_for_health(containers, "id", soon(), (), in_a_row=3).passed
    assert containers.passes == []
    containers = Checked(1, 2)
    assert wait_for_health(containers, "id", soon(), ()).passed
    assert containers.passes == [2]


class Unhealthy(FakeContainers):
    """A container whose HEALTHCHECK fails, and prints something."""

    def __init__(self, printed: str) -> None:
        super().__init__()
        self.printed = printed

    def run_healthcheck(self, container_id: str) -> None:
        """The engine does it."""

    def state(self, container_id: str) -> ContainerState:
        """As the test says."""
        return replace(super().state(container_id), health="unhealthy", health_output=self.printed)


def test_what_a_healthcheck_printed_is_told_without_its_secrets_even_where_it_was_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([0.0])  # one check, and then the deadline has passed
    monkeypatch.setattr("membudget.measure.workload.service.time.monotonic", lambda: next(clock, 2.0))
    monkeypatch.setattr("membudget.measure.workload.service._HEALTH_POLL_S", 0)
    secret = "hunter2-first\nhunter2-second"
    printed = f"cannot log in:\n  {secret}\nand with {secret[:7]}"
    result = wait_for_health(Unhealthy(printed), "id", 1.0, (secret,))
    said = "its HEALTHCHECK did not say healthy in time; it last said: cannot log in: *** and with ***"
    assert result.reason == f"not ready: {said}"
