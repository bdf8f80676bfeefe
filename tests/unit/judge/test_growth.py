"""What grew between two heap profiles: every byte is counted once, wherever code moved."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.judge.growth import MOST_SITES, Growth, Whole, compared, growth_behind, growth_of, whole_of
from membudget.judge.image import ImageJudgement, judge_image
from membudget.judge.measurement import OwnMeasurement
from membudget.judge.metric import Verdict
from membudget.measure.profiling.heap_profile import (
    Frame,
    HeapProfile,
    PairProfile,
    ProfiledBy,
    ProfiledSide,
    SourceLine,
)
from membudget.measure.trial import Trial
from tests.support.builders import budgets, image, side, trial

_MAIN = Frame("main", "/app/shop/__main__.py", 9)
_JSON = Frame("loads", "/usr/lib/python3.12/json/__init__.py", 346, is_library=True)


def at(name: str, line: int = 1, file: str = "/app/catalog/search.py") -> Frame:
    return Frame(name, file, line)


def profile(*held: tuple[Frame | tuple[Frame, ...], float], by: ProfiledBy = ProfiledBy.TRACEMALLOC) -> HeapProfile:
    """Stacks with what each holds in MiB."""
    return HeapProfile.of(
        by, [((*((where,) if isinstance(where, Frame) else where), _MAIN), round(size * MIB)) for where, size in held]
    )


def pair(base: HeapProfile | None, head: HeapProfile | None) -> PairProfile:
    return PairProfile(ProfiledSide(base, None if base else "no wheel"), ProfiledSide(head))


def grown(growth: Growth) -> list[tuple[str, int | None, float]]:
    return [(site.frame.name, site.frame.line, site.delta_bytes / MIB) for site in growth.named]


def test_the_place_that_grew_most_is_first_at_its_line_in_head() -> None:
    base = profile((at("build_index", 38), 2), (at("load", 7), 10))
    head = profile((at("build_index", 41), 40), (at("load", 9), 12))
    growth = compared(base, head)
    assert grown(growth) == [("build_index", 41, 38), ("load", 9, 2)]
    assert growth.explained_bytes == growth.delta_bytes == 40 * MIB


def test_lines_that_moved_are_no_growth() -> None:
    before, after = (
        profile((at("load", 7), 10), (at("load", 9), 3)),
        profile((at("load", 107), 10), (at("load", 109), 3)),
    )
    growth = compared(before, after)
    assert not growth.is_growth
    assert [site.head_bytes for site in growth.named] == [13 * MIB]


def line_of(growth: Growth | None) -> int | None:
    """The line of the first place."""
    assert growth is not None
    return growth.named[0].frame.line


def in_repository(line: int, base_line: int | None = None, *, is_changed: bool = False) -> SourceLine:
    return SourceLine("/app/catalog/search.py", line, "catalog/search.py", is_changed, base_line, is_changed)


def test_the_line_of_a_place_is_the_one_that_grew_most() -> None:
    base, head = profile((at("load", 10), 60)), profile((at("load", 10), 60), (at("load", 20), 40))
    assert grown(compared(base, head)) == [("load", 20, 40)]


def test_a_line_grows_in_all_stacks_together() -> None:
    base = profile((at("load", 10), 60))
    through = [((_JSON, at("load", 20), at(caller)), 15) for caller in ("first", "second")]
    head = profile((at("load", 10), 80), *through)
    assert grown(compared(base, head)) == [("load", 20, 50)]


def test_a_line_that_moved_is_compared_with_the_line_that_it_was() -> None:
    base, head = profile((at("load", 10), 60)), profile((at("load", 12), 60), (at("load", 20), 40))
    moved, added = in_repository(12, 10), in_repository(20, is_changed=True)
    assert line_of(growth_of(replace(pair(base, head), sources=(moved, added)))) == 20
    assert line_of(growth_of(pair(base, head))) == 12, "nobody knows which line it was"


def test_a_line_that_the_diff_adds_was_no_line_of_the_base() -> None:
    base = profile((Frame("load", "/app/catalog/search.py", None), 49))
    head = profile((at("load", 10), 30), (at("load", 20), 50))
    sources = (in_repository(10, 10), in_repository(20, is_changed=True))
    assert line_of(growth_of(replace(pair(base, head), sources=sources))) == 20


def test_of_lines_that_grew_about_as_much_the_one_that_the_pull_request_changed_is_shown() -> None:
    base = profile((at("load", 10), 60))
    changed = (in_repository(10, 10), in_repository(20, is_changed=True))
    near = profile((at("load", 10), 100), (at("load", 20), 38))
    assert line_of(growth_of(replace(pair(base, near), sources=changed))) == 20
    far = profile((at("load", 10), 100), (at("load", 20), 10))
    assert line_of(growth_of(replace(pair(base, far), sources=changed))) == 10


def test_the_line_that_holds_most_is_shown_if_no_line_grew() -> None:
    base = profile((at("load", 10), 60), (at("load", 20), 1))
    head = profile((at("load", 10), 60), (at("load", 20), 1.1))
    assert line_of(compared(base, head)) == 10
    assert line_of(growth_of(pair(None, head))) == 10


def test_a_place_knows_all_its_lines_the_largest_first() -> None:
    growth = compared(profile((at("load", 10), 60)), profile((at("load", 10), 60), (at("load", 20), 40), (_JSON, 1)))
    lines = {site.frame.name: [frame.line for frame in site.lines] for site in growth.sites}
    assert lines == {"load": [10, 20], "main": [9]}


def test_a_library_is_charged_to_the_code_that_called_it() -> None:
    head = profile(((_JSON, at("parse", 12)), 30), (_JSON, 3))
    growth = compared(profile((_JSON, 3)), head)
    assert grown(growth) == [("parse", 12, 30)]


def test_a_stack_of_libraries_alone_is_charged_to_the_innermost() -> None:
    caller = replace(_JSON, name="load")
    held = HeapProfile.of(ProfiledBy.TRACEMALLOC, [((_JSON, caller), 5 * MIB)])
    assert grown(compared(HeapProfile.of(ProfiledBy.TRACEMALLOC, []), held)) == [("loads", 346, 5)]


def test_code_that_moved_is_compared_with_itself() -> None:
    base = profile((at("build_index", 5), 40), (replace(_JSON, file="/usr/lib/python3.11/json/__init__.py"), 4))
    moved = profile((at("build_index", 41, "/app/catalog/index.py"), 42), (_JSON, 4))
    assert grown(compared(base, moved)) == [("build_index", 41, 2)]
    renamed = profile((at("build_search_index", 41), 42), (_JSON, 4))
    assert grown(compared(base, renamed)) == [("build_search_index", 41, 2)]


def test_memory_that_moved_to_several_places_is_not_explained_twice() -> None:
    base = profile((at("build_index"), 40), (at("cache"), 0.5))
    head = profile((at("build_words"), 30), (at("build_trees"), 30), (at("cache"), 0.5))
    growth = compared(base, head)
    assert growth.freed_bytes == 40 * MIB
    assert growth.explained_bytes == growth.delta_bytes == 20 * MIB


def test_profiles_taken_in_different_ways_are_not_compared() -> None:
    held = profile((at("load"), 40), (at("cache"), 2))
    found = growth_of(pair(profile((at("load"), 40), by=ProfiledBy.SMAPS), held))
    assert found is not None
    assert not found.is_compared
    assert [site.head_bytes / MIB for site in found.named] == [40, 2]


def test_without_a_base_the_places_that_hold_most_are_named() -> None:
    found = growth_of(pair(None, profile((at("load"), 40), (at("cache"), 2))))
    assert found is not None
    assert (found.is_compared, found.is_growth, found.explained_bytes) == (False, False, 42 * MIB)
    assert growth_of(pair(profile((at("load"), 40)), None)) is None
    assert growth_of(PairProfile(None, None)) is None


def test_empty_profiles_hold_nothing() -> None:
    nothing = HeapProfile.of(ProfiledBy.PPROF, [])
    growth = compared(nothing, nothing)
    assert (growth.named, growth.delta_bytes, growth.explained_bytes, growth.is_growth) == ((), 0, 0, False)


def judged(base: float, head: Trial) -> ImageJudgement:
    return judge_image(image(base=side(trial(base)), head=side(head), allowed=budgets(rss_growth=(5, 2))))


def test_the_share_is_of_the_judged_growth() -> None:
    growth = compared(profile((at("load"), 10)), profile((at("load"), 46)))
    whole = whole_of(growth, judged(40, trial(80)))
    assert whole == Whole(Metric.PEAK_RSS, 40 * MIB)
    assert whole.share_of(growth.explained_bytes) == 0.9


@pytest.mark.parametrize("verdict", [Verdict.WARN, Verdict.FAIL])
def test_the_share_is_of_the_metric_whose_budget_is_broken(verdict: Verdict) -> None:
    found = judged(40, trial(80))
    (peak,) = (row for row in found.rows if row.metric is Metric.PEAK_RSS)
    settled = replace(peak, metric=Metric.SETTLED_RSS, delta=36 * MIB, verdict=verdict)
    found = replace(found, rows=(replace(peak, verdict=Verdict.PASS), settled))
    growth = compared(profile((at("load"), 10)), profile((at("load"), 46)))
    assert whole_of(growth, found) == Whole(Metric.SETTLED_RSS, 36 * MIB)


def test_the_share_is_of_the_profiles_if_the_limit_cut_the_judged_growth_off_or_there_is_none() -> None:
    growth = compared(profile((at("load"), 10)), profile((at("load"), 46)))
    cut = trial(64)
    value = cut.metrics[Metric.PEAK_RSS]
    cut.metrics[Metric.PEAK_RSS] = replace(value, is_lower_bound=True)
    for found in (judged(40, cut), judged(40, trial(40)), judged(40, trial(None))):
        assert whole_of(growth, found) == Whole(None, 36 * MIB)


def test_what_holds_memory_is_a_share_of_the_judged_figure() -> None:
    growth = compared(profile((at("load"), 30)), profile((at("load"), 30)))
    assert whole_of(growth, judged(40, trial(40))) == Whole(Metric.PEAK_RSS, 40 * MIB)
    assert whole_of(growth, judged(40, trial(None))) == Whole(None, 30 * MIB)
    assert Whole(None, 0).share_of(3) == 0


def test_the_share_of_the_heads_own_settings_is_not_that_of_the_comparison() -> None:
    own = OwnMeasurement(side(trial(96)), counts=True, workload="more")
    made = image(base=side(trial(40)), head=side(trial(44)), allowed=budgets(max_rss=60, rss_growth=(50, 20)))
    found = judge_image(replace(made, own=own))
    grew = compared(profile((at("load"), 10)), profile((at("load"), 46)))
    assert whole_of(grew, found) == Whole(Metric.PEAK_RSS, 4 * MIB)
    assert whole_of(grew, found, is_own=True) == Whole(None, 36 * MIB)
    same = compared(profile((at("load"), 48)), profile((at("load"), 48)))
    assert whole_of(same, found, is_own=True).share_of(same.explained_bytes) == 0.5


NOT_LIVE = Frame("V8 heap, not live", in_live_heap=False)
NATIVE = Frame("Node.js, native memory", in_live_heap=False)


def breaking(metric: Metric, delta: float) -> ImageJudgement:
    """Only the budget of `metric` is broken, by a growth of `delta` MiB."""
    found = judged(40, trial(80))
    (peak,) = (row for row in found.rows if row.metric is Metric.PEAK_RSS)
    broken = replace(peak, metric=metric, delta=round(delta * MIB), verdict=Verdict.FAIL)
    return replace(found, rows=(replace(peak, verdict=Verdict.PASS), broken))


def test_a_broken_live_heap_is_explained_by_the_live_heap_alone() -> None:
    base = profile((at("load"), 10), (NOT_LIVE, 2), (NATIVE, 9))
    head = profile((at("load"), 30), (NOT_LIVE, 22), (NATIVE, 5))
    found = breaking(Metric.LIVE_HEAP, 40)
    growth = growth_behind(pair(base, head), found)
    assert growth is not None
    assert (grown(growth), growth.freed_bytes) == ([("load", 1, 20)], 0)
    assert whole_of(growth, found).share_of(growth.explained_bytes) == 0.5
    assert (growth.head_bytes, growth.delta_bytes) == (30 * MIB, 20 * MIB)


def test_all_memory_explains_a_broken_peak() -> None:
    base, head = profile((at("load"), 10), (NOT_LIVE, 2)), profile((at("load"), 30), (NOT_LIVE, 22))
    growth = growth_behind(pair(base, head), breaking(Metric.PEAK_RSS, 40))
    assert growth is not None
    assert sorted(grown(growth)) == [("V8 heap, not live", None, 20), ("load", 1, 20)]
    assert growth.explained_bytes == 40 * MIB


def test_what_is_not_live_cannot_be_growth_of_the_live_heap() -> None:
    base, head = profile((at("load"), 10), (NATIVE, 2)), profile((at("load"), 10), (NATIVE, 22))
    growth = growth_behind(pair(base, head), breaking(Metric.LIVE_HEAP, 4))
    assert growth is not None
    assert (growth.is_growth, [site.frame.name for site in growth.named]) == (False, ["load"])
    only_native = profile((NATIVE, 22), by=ProfiledBy.SMAPS)
    growth = growth_behind(pair(only_native, only_native), breaking(Metric.LIVE_HEAP, 4))
    assert growth is not None
    assert growth.named == ()


def test_the_rest_of_a_profile_is_no_part_of_the_live_heap() -> None:
    """Nobody knows which part of the rest is live."""
    base = replace(profile((at("load"), 10)), rest_bytes=100 * MIB)
    head = replace(profile((at("load"), 11)), rest_bytes=900 * MIB)
    growth = growth_behind(pair(base, head), breaking(Metric.LIVE_HEAP, 1))
    assert growth is not None
    assert (growth.head_bytes, growth.delta_bytes, growth.freed_bytes) == (11 * MIB, MIB, 0)
    assert growth.is_growth
    assert grown(growth) == [("load", 1, 1)]
    assert growth_of(pair(base, head)) == compared(base, head)
    assert compared(base, head).head_bytes == 911 * MIB


def test_one_function_may_hold_memory_inside_and_outside_of_the_live_heap() -> None:
    outside = replace(at("load", 2), in_live_heap=False)
    base, head = profile((at("load"), 10)), profile((at("load"), 12), (outside, 30))
    growth = growth_behind(pair(base, head), breaking(Metric.LIVE_HEAP, 2))
    assert growth is not None
    assert grown(growth) == [("load", 1, 2)]
    assert grown(compared(base, head)) == [("load", 2, 32)]


def test_places_that_hardly_count_are_not_named() -> None:
    growth = compared(profile(), profile((at("load"), 40), (at("cache"), 1.1), (at("main"), 2)))
    assert grown(growth) == [("load", 1, 40), ("main", 1, 2)]


_frames = st.builds(
    Frame,
    st.sampled_from(["load", "cache", "main", "<module>"]),
    st.sampled_from(["/app/a.py", "/app/b/a.py", "/app/c.py", None]),
    st.integers(1, 40),
    st.booleans(),
)
_held = st.lists(st.tuples(st.lists(_frames, min_size=1, max_size=4).map(tuple), st.integers(1, 90 * MIB)), max_size=14)


def _of(held: Sequence[tuple[tuple[Frame, ...], int]]) -> HeapProfile:
    return HeapProfile.of(ProfiledBy.V8_SAMPLING, held)


@pytest.mark.thorough
@given(_held, _held, st.integers(0, MIB), st.integers(0, MIB))
def test_every_byte_is_counted_once(before: list, after: list, base_rest: int, head_rest: int) -> None:  # type: ignore[type-arg]
    base, head = replace(_of(before), rest_bytes=base_rest), replace(_of(after), rest_bytes=head_rest)
    growth = compared(base, head)
    assert growth.delta_bytes == head.held_bytes - base.held_bytes
    assert growth.head_bytes == head.held_bytes
    assert sum(site.base_bytes for site in growth.sites) + base_rest == base.held_bytes
    assert len(growth.named) <= MOST_SITES
    if growth.is_growth:
        assert 0 <= growth.explained_bytes <= max(0, growth.delta_bytes)
    else:
        assert growth.explained_bytes <= head.held_bytes


@pytest.mark.thorough
@given(_held, _held, st.randoms(use_true_random=False))
def test_the_order_of_stacks_changes_nothing(before: list, after: list, random: object) -> None:  # type: ignore[type-arg]
    growth = compared(_of(before), _of(after))
    shuffled = [list(before), list(after)]
    for one in shuffled:
        random.shuffle(one)  # type: ignore[attr-defined]
    again = compared(_of(shuffled[0]), _of(shuffled[1]))
    assert [(site.frame, site.base_bytes, site.head_bytes) for site in again.sites] == [
        (site.frame, site.base_bytes, site.head_bytes) for site in growth.sites
    ]


@pytest.mark.thorough
@given(_held)
def test_a_profile_did_not_grow_since_itself(held: list) -> None:  # type: ignore[type-arg]
    growth = compared(_of(held), _of(held))
    assert (growth.is_growth, growth.delta_bytes, growth.freed_bytes) == (False, 0, 0)
    assert all(site.delta_bytes == 0 for site in growth.sites)


@pytest.mark.thorough
@given(_held, _held)
def test_what_grew_one_way_shrank_the_other(before: list, after: list) -> None:  # type: ignore[type-arg]
    there, back = compared(_of(before), _of(after)), compared(_of(after), _of(before))
    assert sorted(site.delta_bytes for site in there.sites) == sorted(-site.delta_bytes for site in back.sites)
