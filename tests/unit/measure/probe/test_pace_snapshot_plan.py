"""When processes are looked at, and which snapshot is kept."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.core.quantities import MIB
from membudget.measure.probe.pace import Attempt, SnapshotPlan, is_over
from tests.support.builders import process, snapshot

SECOND_NS = 10**9
MS_NS = 10**6


def answer(rss_mib: float, fell_mib: float = 0, *, maps: bool = True, reading_us: int = 1000) -> Attempt:
    seen = replace(
        snapshot(process("app", rss=rss_mib, pss=rss_mib), rss=rss_mib),
        fell_bytes=round(fell_mib * MIB),
        summed_pss_bytes=round(rss_mib * MIB) if maps else None,
    )
    return Attempt(seen, is_stale=False, cpu_us=reading_us, reading_us=reading_us, kills_meanwhile=False)


STALE = Attempt(None, is_stale=True, cpu_us=100, reading_us=0, kills_meanwhile=False)


def at_rest(plan: SnapshotPlan, rss_mib: float, now_ns: int) -> bool:
    """Whether RSS that stands still there is looked at."""
    plan.wants(round(rss_mib * MIB), now_ns)
    return plan.wants(round(rss_mib * MIB), now_ns)


def late_in(plan: SnapshotPlan) -> bool:
    assert plan.best is not None
    return plan.best.is_late


def best_mib(plan: SnapshotPlan) -> float:
    assert plan.best is not None
    return plan.best.seen_bytes / MIB


def test_a_peak_that_has_settled_is_looked_at_once() -> None:
    plan = SnapshotPlan(0)
    assert at_rest(plan, 20, 0)
    plan.answered(answer(20), 0)
    assert not at_rest(plan, 20.2, SECOND_NS)
    assert at_rest(plan, 22, SECOND_NS)


def test_memory_that_grows_is_looked_at_when_it_has_grown_for_long() -> None:
    plan = SnapshotPlan(0)
    assert not plan.wants(20 * MIB, 10 * MS_NS)
    assert not plan.wants(40 * MIB, 20 * MS_NS)
    assert plan.wants(60 * MIB, 300 * MS_NS)


def test_reading_is_followed_by_twenty_times_as_long_without() -> None:
    plan = SnapshotPlan(0)
    plan.answered(answer(20, reading_us=1000), 0)
    assert not at_rest(plan, 21.5, 19 * MS_NS)
    assert at_rest(plan, 21.5, 21 * MS_NS)


def test_a_leap_of_memory_is_looked_at_sooner() -> None:
    plan = SnapshotPlan(0)
    plan.answered(answer(20, reading_us=1000), 0)
    assert not at_rest(plan, 40, 4 * MS_NS)
    assert at_rest(plan, 40, 6 * MS_NS)


def test_a_late_snapshot_is_taken_again_at_the_next_burst() -> None:
    plan = SnapshotPlan(0)
    plan.answered(answer(80, fell_mib=60), 0)
    assert (late_in(plan), best_mib(plan)) == (True, 20)
    assert at_rest(plan, 80, 6 * MS_NS)
    plan.answered(answer(79), 7 * MS_NS)
    assert (late_in(plan), best_mib(plan)) == (False, 79)
    assert not at_rest(plan, 80, SECOND_NS)


def test_a_stale_order_does_not_stand_in_the_way_of_the_next_burst() -> None:
    plan = SnapshotPlan(0)
    plan.answered(STALE, 0)
    assert plan.taken == 0
    assert at_rest(plan, 80, MS_NS)


def test_bursts_that_are_too_short_do_not_cost_more_than_a_share_of_a_core() -> None:
    plan = SnapshotPlan(0)
    now_ns = 0
    for _ in range(1000):
        now_ns += 50 * MS_NS
        if at_rest(plan, 80, now_ns):
            plan.answered(answer(80, fell_mib=60, reading_us=5000), now_ns)
    assert plan.taken > 3
    assert plan.cpu_us * 1000 < 0.005 * now_ns + 60 * MS_NS


def test_after_the_share_of_the_cpu_is_used_up_only_leaps_are_looked_at() -> None:
    plan = SnapshotPlan(0)
    plan.answered(replace(answer(20), cpu_us=3600 * 10**6), 0)
    assert not at_rest(plan, 21.5, SECOND_NS)
    assert at_rest(plan, 24, SECOND_NS)


def test_kinds_and_files_are_worth_more_than_a_little_more_memory() -> None:
    plan = SnapshotPlan(0)
    plan.answered(answer(46), 0)
    plan.answered(answer(48, maps=False), 0)
    assert plan.best is not None
    assert plan.best.summed_pss_bytes is not None
    plan.answered(answer(60, maps=False), 0)
    assert plan.best.rss_bytes == 60 * MIB


@pytest.mark.thorough
@given(st.lists(st.tuples(st.floats(1, 500), st.floats(0, 1), st.booleans()), min_size=1, max_size=20))
def test_a_snapshot_is_never_replaced_by_one_that_saw_much_less(looks: list[tuple[float, float, bool]]) -> None:
    plan = SnapshotPlan(0)
    best = 0
    for rss_mib, fallen, maps in looks:
        plan.answered(answer(rss_mib, rss_mib * fallen, maps=maps), 0)
        assert plan.best is not None
        assert plan.best.seen_bytes >= 0.85 * best
        best = max(best, plan.best.seen_bytes)
    in_time = [rss for rss, fallen, _ in looks if fallen < 0.05]
    if in_time:
        assert plan.best is not None
        assert plan.best.seen_bytes >= 0.85 * max(in_time) * MIB


@pytest.mark.parametrize(("left_mib", "expected"), [(120, False), (100, False), (91, False), (89, True), (0, True)])
def test_a_peak_is_over_when_a_tenth_of_it_is_gone(left_mib: int, *, expected: bool) -> None:
    assert is_over(100 * MIB, left_mib * MIB) is expected


@pytest.mark.parametrize(
    ("told", "expected"),
    [((False, False), False), ((False, None), None), ((None, False), None), ((None, True), True), ((True, None), True)],
)
def test_a_kill_during_any_look_is_remembered(told: tuple[bool | None, ...], *, expected: bool | None) -> None:
    plan = SnapshotPlan(0)
    for one in told:
        plan.answered(replace(answer(20), kills_meanwhile=one), 0)
    assert plan.kills_meanwhile is expected


def test_an_answer_that_never_came_is_not_known() -> None:
    plan = SnapshotPlan(0)
    assert plan.kills_meanwhile is False
    plan.lost()
    assert plan.kills_meanwhile is None


def test_nobody_there_yet_is_no_snapshot() -> None:
    plan = SnapshotPlan(0)
    plan.answered(Attempt(None, is_stale=False, cpu_us=10, reading_us=0, kills_meanwhile=False), 0)
    assert (plan.taken, plan.best) == (0, None)
