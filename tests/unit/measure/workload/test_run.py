"""How a workload's parts are run, one after another, against a container that a test makes up."""

import time

import pytest

from membudget.budgets.auto_workload import AutoWorkload
from membudget.budgets.workload import (
    AnyWorkload,
    CommandWorkload,
    DriverWorkload,
    ExecWorkload,
    HttpWorkload,
    Step,
    StepsWorkload,
)
from membudget.budgets.workload_parts import Driver, ExecCommand, HttpRequests, WorkloadKind
from membudget.measure.trial import WORKLOAD_PASSED, TrialSpec, WorkloadResult
from membudget.measure.workload.run import RUNNERS, ContainerWorkload, runner_of
from membudget.measure.workload.service import MissingDrivers
from tests.fakes.containers import FakeContainers

LS = (ExecCommand(run=("ls",)),)
GET = (HttpRequests(path="/"),)
OF_EACH_KIND: list[AnyWorkload] = [
    AutoWorkload(),
    CommandWorkload(),
    ExecWorkload(kind="exec", commands=LS),
    HttpWorkload(kind="http", requests=GET),
    DriverWorkload(kind="driver", image="k6"),
    StepsWorkload(
        kind="steps",
        steps=(Step(http=GET), Step(exec=LS), Step(driver=Driver(image="wrk")), Step.model_validate({"idle": "1s"})),
    ),
]


def rests(*steps: dict[str, str]) -> StepsWorkload:
    return StepsWorkload.model_validate({"kind": "steps", "steps": list(steps)})


def run(workload: AnyWorkload, containers: FakeContainers, seconds: float = 5.0) -> tuple[WorkloadResult, list[str]]:
    """How it ended, and the phases that it began."""
    spec = TrialSpec("api", "api", None, 1000, workload)
    begun: list[str] = []
    running = ContainerWorkload(containers, MissingDrivers("there are none"), "id", spec, begun.append)
    try:
        return running.run(time.monotonic() + seconds), [running.first_phase, *begun]
    finally:
        running.close()


@pytest.mark.parametrize("workload", OF_EACH_KIND, ids=lambda workload: workload.kind)
def test_everything_that_a_kind_does_has_a_runner(workload: WorkloadKind) -> None:
    assert all(runner_of(part.does) in RUNNERS.values() for part in workload.parts)


def test_each_kind_of_the_union_is_tried_above() -> None:
    assert {type(workload) for workload in OF_EACH_KIND} == set(AnyWorkload.__args__)


def test_phases_begin_with_the_first_of_their_steps() -> None:
    steps = rests({"idle": "1ms"}, {"idle": "1ms", "phase": "burst"}, {"idle": "1ms", "phase": "burst"})
    assert run(steps, FakeContainers()) == (WORKLOAD_PASSED, ["steady", "burst"])


def test_a_service_that_ends_fails_and_what_comes_after_is_not_begun() -> None:
    result, phases = run(rests({"idle": "1ms"}, {"idle": "1ms", "phase": "burst"}), FakeContainers(exit_code=3))
    assert result.reason == "the container exited with code 3 during its workload"
    assert phases == ["steady"]


def test_nothing_is_begun_after_the_deadline() -> None:
    result, _ = run(rests({"idle": "1ms"}), FakeContainers(), seconds=-1)
    assert result.timed_out


def test_a_one_shot_container_passes_with_the_exit_code_that_is_expected() -> None:
    assert run(CommandWorkload(expect=2), FakeContainers(exit_code=2))[0] == WORKLOAD_PASSED
    result, _ = run(CommandWorkload(expect=2), FakeContainers(exit_code=3))
    assert result.reason == "the container exited with code 3 (expected 2)"


def test_images_that_run_beside_the_service_are_asked_for_before_it_starts() -> None:
    containers = FakeContainers()
    spec = TrialSpec("api", "api", None, 1000, OF_EACH_KIND[-1])
    ContainerWorkload(containers, MissingDrivers("there are none"), "id", spec, lambda _: None).close()
    assert containers.provided == ["wrk"]
