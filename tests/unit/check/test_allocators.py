"""Whether an allocator keeps freed memory is tried, and only where it can matter."""

from dataclasses import replace

import pytest

from membudget.budgets.workload import CommandWorkload
from membudget.check.allocators import with_returned
from membudget.core.errors import EnvironmentFault
from membudget.core.progress import Doing, ProgressStep
from membudget.core.quantities import MIB
from membudget.measure.runtimes.runtime import Malloc, Returned, Runtime
from membudget.measure.trial import Outcome, Trial, TrialInputs, TrialSpec
from tests.support import builders
from tests.support.runtimes import freeing
from tests.support.steps import Steps

JEMALLOC = replace(freeing(100, 0), returned=None)
SETTING = "MALLOC_CONF=background_thread:true,dirty_decay_ms:500,muzzy_decay_ms:0"


def settled(size: float, outcome: Outcome = Outcome.COMPLETED) -> Trial:
    return replace(builders.trial(2 * size), outcome=outcome)  # the builder's trials settle at half of their peak


def tried(
    runtime: Runtime,
    judged: list[Trial],
    again: list[Trial],
    *,
    settle_ms: int = 1000,
    limit: int | None = 256 * MIB,
) -> tuple[Runtime, list[TrialSpec]]:
    """What came of it, and the specs that were run."""
    inputs = TrialInputs({"A": "b"})
    spec = TrialSpec("api", "image", limit, 1000, CommandWorkload(), settle_ms, inputs)
    specs: list[TrialSpec] = []

    def run(one: TrialSpec) -> Trial:
        specs.append(one)
        return again[len(specs) - 1]

    return with_returned(runtime, builders.side(*judged), spec, run, Steps()), specs


def test_two_trials_that_settle_lower_prove_it() -> None:
    found, specs = tried(JEMALLOC, [settled(100), settled(96)], [settled(20), settled(24)])
    assert found.returned == Returned(SETTING, 96 * MIB, 24 * MIB)
    assert [spec.inputs.environment for spec in specs] == [
        {"A": "b", "MALLOC_CONF": "background_thread:true,dirty_decay_ms:500,muzzy_decay_ms:0"}
    ] * 2


def test_tcmalloc_has_a_setting_of_its_own() -> None:
    found, _ = tried(replace(JEMALLOC, malloc=Malloc.TCMALLOC), [settled(100)], [settled(20), settled(24)])
    assert found.returned is not None
    assert found.returned.setting == "TCMALLOC_AGGRESSIVE_DECOMMIT=t"


def test_memory_in_use_is_found_by_one_trial() -> None:
    found, specs = tried(JEMALLOC, [settled(100)], [settled(90)])
    assert (found.returned, len(specs)) == (None, 1)


def test_one_low_trial_proves_nothing() -> None:
    found, specs = tried(JEMALLOC, [settled(100)], [settled(20), settled(95)])
    assert (found.returned, len(specs)) == (None, 2)


@pytest.mark.parametrize(
    "runtime",
    [
        replace(JEMALLOC, malloc=Malloc.GLIBC),
        replace(JEMALLOC, malloc=None),
        replace(JEMALLOC, variables={"MALLOC_CONF": "dirty_decay_ms:0"}),
        replace(JEMALLOC, malloc=Malloc.TCMALLOC, variables={"TCMALLOC_RELEASE_RATE": "5"}),
    ],
    ids=["glibc", "unknown", "jemalloc is set", "tcmalloc is set"],
)
def test_nothing_is_tried_without_need(runtime: Runtime) -> None:
    assert tried(runtime, [settled(100)], []) == (runtime, [])


def test_nothing_is_tried_where_it_cannot_be_told() -> None:
    assert tried(JEMALLOC, [settled(20)], [])[1] == [], "it holds little"
    assert tried(JEMALLOC, [settled(100)], [], settle_ms=500)[1] == []
    assert tried(JEMALLOC, [settled(100)], [], limit=None)[1] == []
    assert tried(JEMALLOC, [settled(100, Outcome.OOM_KILLED)], [])[1] == []
    assert tried(JEMALLOC, [settled(100)], [settled(10, Outcome.WORKLOAD_FAILED)])[0].returned is None


def test_a_failing_engine_leaves_the_runtime_as_it_is() -> None:
    spec = TrialSpec("api", "image", 256 * MIB, 1000, CommandWorkload())

    def fail(_: TrialSpec) -> Trial:
        raise EnvironmentFault("it stopped")

    assert with_returned(JEMALLOC, builders.side(settled(100)), spec, fail, Steps()) == JEMALLOC


def test_each_trial_is_a_step() -> None:
    spec = TrialSpec("api", "image", 256 * MIB, 1000, CommandWorkload(), 1000)
    steps = Steps()
    with_returned(JEMALLOC, builders.side(settled(100)), spec, lambda _: settled(20), steps)
    assert steps.steps == [
        ProgressStep("api", Doing.ALLOCATOR, "head", 1, 2, left=1), ProgressStep("api", Doing.ALLOCATOR, "head", 2, 2),
    ]  # fmt: skip
