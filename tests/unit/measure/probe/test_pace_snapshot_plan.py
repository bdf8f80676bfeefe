"""When processes are looked at, and which snapshot is kept."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.core.quantities import MIB
from membudget.measure.probe.pace import Attempt, Look, SnapshotPlan, is_over, is_worth_a_hurry
from tests.support.builders import process, snapshot

SECOND_NS = 10**9
MS_NS = 10**6


def answer(
    rss_mib: float, fell_mib: float = 0, *, maps: bool = True, reading_us: int = 1000, is_brief: bool = False
) -> Attempt:
    seen = replace(
        snapshot(process("app", rss=rss_mib, pss=rss_mib), rss=rss_mib),
        fell_bytes=round(fell_mib * MIB),
        summed_pss_bytes=round(rss_mib * MIB) if maps else None,
    )
    return Attempt(
        seen, is_stale=False, cpu_us=reading_us, reading_us=reading_us, kills_meanwhile=False, is_brief=is_brief
    )


def brief(rss_mib: float, reading_us: int = 100) -> Attempt:
    return answer(rss_mib, maps=False, reading_us=reading_us, is_brief=True)


STALE = Attempt(None, is_stale=True, cpu_us=100, reading_us=0, kills_meanwhile=False)


def at_rest(plan: SnapshotPlan, rss_mib: float, now_ns: int) -> Look | None:
    """How RSS that stands still there is looked at."""
    plan.wants(round(rss_mib * MIB), now_ns)
    return plan.wants(round(rss_mib * MIB), now_ns)


def late_in(plan: SnapshotPlan) -> bool:
    assert plan.best is not None
    return plan.best.is_late


def best_mib(plan: SnapshotPlan) -> float:
    assert plan.best is not None
    return plan.best.seen_bytes / MIB


def test_a_peak_that_has_settled_is_looked_at_briefly_and_then_whole_and_then_no_more() -> None:
    plan = SnapshotPlan(0)
    assert at_rest(plan, 20, 0) is Look.BRIEF
    plan.answered(brief(20), 0)
    assert at_rest(plan, 20, 0) is Look.WHOLE
    plan.answered(answer(20), 0)
    assert at_rest(plan, 20.2, SECOND_NS) is None
    assert at_rest(plan, 22, SECOND_NS) is Look.BRIEF


def test_small_growth_is_looked_at_whole_at_once() -> None:
    plan = SnapshotPlan(0)
    plan.answered(answer(100), 0)
    assert at_rest(plan, 103, SECOND_NS) is Look.WHOLE


def test_memory_that_grows_is_looked_at_when_it_has_grown_for_long() -> None:
    plan = SnapshotPlan(0)
    assert plan.wants(20 * MIB, 10 * MS_NS) is None
    assert plan.wants(40 * MIB, 20 * MS_NS) is None
    assert plan.wants(60 * MIB, 300 * MS_NS) is Look.BRIEF
    plan.answered(brief(60), 300 * MS_NS)
    assert plan.wants(62 * MIB, 310 * MS_NS) is None
    assert plan.wants(62 * MIB, 600 * MS_NS) is Look.WHOLE


def test_a_leap_that_has_nearly_settled_is_looked_at_briefly() -> None:
    plan = SnapshotPlan(0)
    plan.answered(brief(20), 0)
    assert plan.wants(60 * MIB, 10 * MS_NS) is None, "it still grows"
    assert plan.wants(61 * MIB, 12 * MS_NS) is Look.BRIEF


def test_reading_maps_is_followed_by_twenty_times_as_long_without() -> None:
    plan = SnapshotPlan(0)
    plan.answered(answer(100, reading_us=1000), 0)
    assert at_rest(plan, 103, 19 * MS_NS) is None
    assert at_rest(plan, 103, 21 * MS_NS) is Look.WHOLE


def test_a_leap_of_memory_is_looked_at_briefly_at_once_and_whole_sooner() -> None:
    plan = SnapshotPlan(0)
    plan.answered(answer(20, reading_us=1000), 0)
    assert at_rest(plan, 40, MS_NS) is Look.BRIEF
    plan.answered(brief(40), MS_NS)
    assert at_rest(plan, 40, 4 * MS_NS) is None
    assert at_rest(plan, 40, 6 * MS_NS) is Look.WHOLE


def test_brief_looks_take_a_fifth_of_the_time_at_most() -> None:
    plan = SnapshotPlan(0)
    plan.answered(brief(20, reading_us=1000), 0)
    assert at_rest(plan, 40, 4 * MS_NS) is None
    assert at_rest(plan, 40, 6 * MS_NS) is Look.BRIEF


@pytest.mark.thorough
@given(
    st.lists(st.tuples(st.floats(1, 300), st.integers(20, 200)), min_size=1, max_size=12),
    st.floats(0.1, 60),
    st.integers(1, 5),
)
def test_memory_that_rests_for_50_ms_has_been_looked_at_to_nine_tenths(
    levels: list[tuple[float, int]], reading_ms: float, every_ms: int
) -> None:
    """However long memory maps take: brief looks, which take half a millisecond here, do not wait for them."""
    plan, now_ns = SnapshotPlan(0), 0
    busy: tuple[int, float, Look] | None = None
    for rss_mib, rests_ms in levels:
        ends_ns = now_ns + max(50, rests_ms) * MS_NS
        while now_ns < ends_ns:
            now_ns += every_ms * MS_NS
            if busy is not None and now_ns >= busy[0]:
                _, seen, how = busy
                took_us = round(1000 * reading_ms) if how is Look.WHOLE else 500
                plan.answered(
                    answer(seen, reading_us=took_us, maps=how is Look.WHOLE, is_brief=how is Look.BRIEF), now_ns
                )
                busy = None
            wanted = plan.wants(round(rss_mib * MIB), now_ns)
            hurries = busy is not None and is_worth_a_hurry(round(rss_mib * MIB), round(busy[1] * MIB))
            if wanted is not None and (busy is None or hurries):
                takes_ms = reading_ms if wanted is Look.WHOLE else 0.5
                busy = now_ns + round(takes_ms * MS_NS), rss_mib, wanted
    assert plan.best is not None
    assert best_mib(plan) >= 0.9 * max(rss for rss, _ in levels) - 1


def test_a_late_snapshot_is_taken_again_at_the_next_burst() -> None:
    plan = SnapshotPlan(0)
    plan.answered(answer(80, fell_mib=60), 0)
    assert (late_in(plan), best_mib(plan)) == (True, 20)
    assert at_rest(plan, 80, 6 * MS_NS) is Look.BRIEF
    plan.answered(brief(79), 7 * MS_NS)
    assert (late_in(plan), best_mib(plan)) == (False, 79)
    assert at_rest(plan, 80, SECOND_NS) is Look.WHOLE


def test_a_stale_order_does_not_stand_in_the_way_of_the_next_burst() -> None:
    plan = SnapshotPlan(0)
    plan.answered(STALE, 0)
    assert plan.taken == 0
    assert at_rest(plan, 80, MS_NS) is Look.BRIEF


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
    plan.answered(replace(answer(100), cpu_us=3600 * 10**6), 0)
    assert at_rest(plan, 104, SECOND_NS) is None
    assert at_rest(plan, 120, SECOND_NS) is Look.BRIEF
    plan.answered(brief(120), SECOND_NS)
    assert at_rest(plan, 120, 2 * SECOND_NS) is Look.WHOLE


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
