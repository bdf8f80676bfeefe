"""Which profiled trials follow each other, whatever comes of them."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pytest

from membudget.build.revision import Side
from membudget.check.profile_plan import Planned, ProfilePlan, Ran, next_trial, planned, results
from membudget.measure.profiling.cpython import TRACEMALLOC
from membudget.measure.profiling.heap_profile import Frame, HeapProfile, ProfiledBy, ProfiledSide
from membudget.measure.profiling.jvm_profile import FLIGHT_RECORDER
from membudget.measure.profiling.mappings import SMAPS
from membudget.measure.profiling.order import ProfiledTrial, Profiling

FOLDER = Path("/memray")
PYTHON = Profiling(TRACEMALLOC, "/usr/bin/python3", 90 << 20)
JVM, NGINX = Profiling(FLIGHT_RECORDER, "/opt/java"), Profiling(SMAPS, "/usr/sbin/nginx")
BOTH = (Side.BASE, Side.HEAD)
FAILED, NOT_STARTED = (ProfiledTrial(ProfiledSide(None, "it fails"), failed_to_start=fails) for fails in (False, True))
_BY = {TRACEMALLOC: ProfiledBy.TRACEMALLOC, FLIGHT_RECORDER: ProfiledBy.FLIGHT_RECORDER, SMAPS: ProfiledBy.SMAPS}


def plan(base: Profiling, head: Profiling, memray: Path | str = FOLDER) -> ProfilePlan:
    usual = {Side.BASE: base, Side.HEAD: head}
    return planned(usual, [side for side, order in usual.items() if order == PYTHON], lambda _: memray)


def by(order: Profiling) -> ProfiledBy:
    return ProfiledBy.MEMRAY if order.memray is not None else _BY.get(order.profiler, ProfiledBy.CLASS_HISTOGRAM)


def gives(order: Profiling) -> ProfiledTrial:
    return ProfiledTrial(ProfiledSide(HeapProfile.of(by(order), [((Frame("f"),), 5)])))


def after(plan: ProfilePlan, *outcomes: ProfiledTrial | None) -> list[Ran]:
    """What runs if the trials end like this, one after another. None: with a profile, as all others do."""
    ran: list[Ran] = []
    left = list(outcomes)
    while (trial := next_trial(plan, ran)) is not None:
        outcome = left.pop(0) if left else None
        ran.append(Ran(trial.side, trial.order, outcome or gives(trial.order)))
    return ran


def names(ran: Sequence[Ran]) -> list[str]:
    return [f"{one.side} {by(one.order)}" for one in ran]


@pytest.mark.parametrize(
    ("base", "head", "outcomes", "expected"),
    [
        (PYTHON, PYTHON, (), ["base memray", "head memray"]),
        (PYTHON, PYTHON, (FAILED,), ["base memray", "base tracemalloc", "head tracemalloc"]),
        (PYTHON, PYTHON, (None, FAILED), ["base memray", "head memray", "head tracemalloc", "base tracemalloc"]),
        (PYTHON, PYTHON, (None, FAILED, FAILED), ["base memray", "head memray", "head tracemalloc"]),
        (PYTHON, PYTHON, (NOT_STARTED, NOT_STARTED), ["base memray", "base tracemalloc", "head tracemalloc"]),
        (
            *(PYTHON, PYTHON, (FAILED, None, NOT_STARTED)),
            ["base memray", "base tracemalloc", "head tracemalloc", "head smaps"],
        ),
        (NGINX, PYTHON, (None, FAILED), ["base smaps", "head memray", "head tracemalloc"]),
        (JVM, JVM, (NOT_STARTED,), ["base flight_recorder", "base flight_recorder", "head flight_recorder"]),
        (JVM, NGINX, (FAILED, NOT_STARTED), ["base flight_recorder", "head smaps"]),
    ],
)  # fmt: skip
def test_what_follows_is_decided_by_the_plan(
    base: Profiling, head: Profiling, outcomes: tuple[ProfiledTrial | None, ...], expected: list[str]
) -> None:
    ran = after(plan(base, head), *outcomes)
    assert [name.replace("class_histogram", "flight_recorder") for name in names(ran)] == expected


def test_a_runtime_that_does_not_start_runs_without_what_its_profiler_prepares() -> None:
    ran = after(plan(JVM, JVM), NOT_STARTED)
    assert [one.order.profiler.prepare is None for one in ran] == [False, True, False]


def test_no_side_has_memray_if_one_cannot_have_it() -> None:
    made = plan(PYTHON, PYTHON, "memray could not be fetched")
    assert names(after(made)) == ["base tracemalloc", "head tracemalloc"]
    assert next_trial(made, []) == Planned(Side.BASE, PYTHON, is_again=False, not_memray="memray could not be fetched")


def test_memray_is_not_asked_before_the_end() -> None:
    assert [one.order.trigger_bytes for one in after(plan(PYTHON, PYTHON), FAILED)] == [None, 90 << 20, 90 << 20]


@pytest.mark.thorough
@pytest.mark.parametrize("memray", [FOLDER, "memray could not be fetched"])
def test_a_side_has_at_most_two_trials_and_two_pythons_one_profiler(memray: Path | str) -> None:
    outcomes = list(product((None, FAILED, NOT_STARTED), repeat=4))
    for base, head, ended in product((PYTHON, JVM, NGINX), (PYTHON, JVM, NGINX), outcomes):
        ran = after(plan(base, head, memray), *ended)
        last = {one.side: one for one in ran}
        assert all(1 <= sum(one.side is side for one in ran) <= 2 for side in BOTH)
        if all(one.found.side.profile is not None for one in last.values()):
            assert {by(one.order) for one in last.values()} != {ProfiledBy.MEMRAY, ProfiledBy.TRACEMALLOC}


def test_a_profile_is_not_replaced_by_a_failure() -> None:
    ran = after(plan(PYTHON, PYTHON), None, FAILED, None, FAILED)
    base, head = (results(ran)[side].profile for side in BOTH)
    assert base is not None
    assert head is not None
    assert (base.profiled_by, head.profiled_by) == (ProfiledBy.MEMRAY, ProfiledBy.TRACEMALLOC)
