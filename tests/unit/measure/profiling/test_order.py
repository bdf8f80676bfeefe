"""How a profiled trial differs from a judged one."""

from dataclasses import replace

import pytest

from membudget.budgets.auto_workload import AutoWorkload
from membudget.core.quantities import MIB
from membudget.measure.live_heap.messages import AskableRuntime
from membudget.measure.pod_plan import PodPlan, PodService
from membudget.measure.profiling.heap_profile import HeapProfile, ProfiledBy
from membudget.measure.profiling.order import Profiling, failed_to_start, profiled
from membudget.measure.profiling.profiler import Profiler, ServiceSeen
from membudget.measure.runtimes.runtime import RuntimeKind
from membudget.measure.trial import Outcome, PhaseName, TrialInputs, TrialSpec
from tests.support import builders


def _prepare(inputs: TrialInputs, seen: ServiceSeen) -> TrialInputs:
    return TrialInputs({**inputs.environment, **seen.image_variables, "PROGRAM": seen.executable or ""})


_PROFILER = Profiler(
    AskableRuntime.NODE,
    frozenset({RuntimeKind.NODE}),
    lambda *_: b"",
    lambda _: HeapProfile.of(ProfiledBy.SMAPS, []),
    prepare=_prepare,
)


def _spec(limit: int | None) -> TrialSpec:
    return TrialSpec(
        "web", "sha256:1", limit, 1000, AutoWorkload(), inputs=TrialInputs({"A": "1"}), asks_live_heap=True
    )


@pytest.mark.parametrize(
    ("limit", "available", "expected"),
    [
        (100 * MIB, None, 200 * MIB),
        (100 * MIB, 1000 * MIB, 200 * MIB),
        (100 * MIB, 200 * MIB, 180 * MIB),
        (100 * MIB, 10 * MIB, 100 * MIB),
        (None, 10 * MIB, None),
    ],
)
def test_the_limit_is_doubled_as_far_as_the_machine_can_spare_it(
    limit: int | None, available: int | None, expected: int | None
) -> None:
    assert profiled(_spec(limit), Profiling(_PROFILER), (), available).limit_bytes == expected


def test_the_profiler_prepares_the_inputs() -> None:
    found = profiled(_spec(None), Profiling(_PROFILER, "/usr/bin/node"), ("B=2=3", "C"), None)
    assert found.inputs.environment == {"A": "1", "B": "2=3", "C": "", "PROGRAM": "/usr/bin/node"}
    assert not found.asks_live_heap


def test_variables_of_a_compose_file_are_kept_beside_those_of_the_profiler() -> None:
    service = PodService({"environment": {"PYTHONPATH": "/own/$$1", "UNSET": None, "PORT": 80}}, None, None)
    inputs = TrialInputs({"A": "1"}, pod=PodPlan("web", (), {"web": service}, {}, {}))
    spec = replace(_spec(None), inputs=inputs)
    found = profiled(spec, Profiling(_PROFILER), ("PYTHONPATH=/image", "B=2"), None).inputs.environment
    assert found == {"A": "1", "B": "2", "PYTHONPATH": "/own/$1", "PORT": "80", "PROGRAM": ""}


def test_a_program_is_known_by_its_name() -> None:
    assert Profiling(_PROFILER, "/usr/bin/node").program == "node"
    assert Profiling(_PROFILER).program is None


@pytest.mark.parametrize(
    ("phases", "exit_code", "outcome", "expected"),
    [
        ((PhaseName.START_UP,), 1, Outcome.WORKLOAD_FAILED, True),
        ((PhaseName.START_UP,), None, Outcome.TIMED_OUT, True),
        ((PhaseName.START_UP, PhaseName.STEADY), 1, Outcome.WORKLOAD_FAILED, False),
        ((PhaseName.START_UP, PhaseName.STEADY), None, Outcome.TIMED_OUT, False),
        ((PhaseName.STEADY,), 1, Outcome.WORKLOAD_FAILED, True),
        ((PhaseName.STEADY,), None, Outcome.TIMED_OUT, False),
        ((PhaseName.STEADY,), 0, Outcome.WORKLOAD_FAILED, False),
        ((PhaseName.START_UP,), 137, Outcome.OOM_KILLED, False),
    ],
)
def test_only_what_was_never_ready_may_have_failed_for_the_profiler(
    phases: tuple[PhaseName, ...], exit_code: int | None, outcome: Outcome, *, expected: bool
) -> None:
    trial = builders.trial(40, outcome=outcome)
    made = tuple(builders.phase(name, 1000 * number, 1000, 40) for number, name in enumerate(phases))
    failed = replace(trial, phases=made, exit_code=exit_code, workload_passed=False)
    assert failed_to_start(failed) is expected
    assert not failed_to_start(replace(failed, workload_passed=True))
