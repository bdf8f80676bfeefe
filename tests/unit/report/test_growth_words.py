"""What people read of heap profiles."""

from dataclasses import replace

import pytest

from membudget.budgets.rules import EffectiveBudget, Tolerance
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.judge.measurement import ImageMeasurement, OwnMeasurement
from membudget.measure.profiling.heap_profile import Frame, PairProfile, ProfiledBy, SourceLine
from membudget.measure.trial import Trial
from membudget.report.formats import junit, markdown
from membudget.report.formats.judged_growth import JudgedGrowth
from membudget.report.growth_words import grown_lines, growth_findings, place_text, profiling_findings
from tests.support.builders import budgets, image, report, side, trial
from tests.support.profiles import INDEX, MAIN, grown_shop, heap, profiled, shop

ALLOWED = budgets(max_rss=200, rss_growth=(5, 2))


def measured(pair: PairProfile | None, base: float = 60, head: float = 100) -> ImageMeasurement:
    made = image("api", base=side(*[trial(base)] * 5), head=side(*[trial(head)] * 5), allowed=ALLOWED)
    return replace(made, profile=pair)


def said(pair: PairProfile | None, base: float = 60, head: float = 100) -> list[str]:
    made = measured(pair, base, head)
    judged = report(made).judged().judgement.images[0]
    return [finding.as_text() for finding in growth_findings(made, judged)]


def test_what_grew_is_named_with_its_place_and_share() -> None:
    assert said(grown_shop()) == [
        (
            "what grew, by tracemalloc: +38.2 MiB services/api/catalog/search.py:41 build_index (in the diff), +3.0 MiB"
            " services/api/catalog/search.py:58 words_of; that is 100% of the growth of peak RSS (+40.0 MiB)"
        )
    ]


def test_without_a_judged_growth_the_share_is_of_the_profiles() -> None:
    assert said(grown_shop(), 60, 60)[0].endswith("; that is 100% of the growth of the profiles (+41.3 MiB)")


def test_memory_that_moved_is_told() -> None:
    trees, tables = Frame("trees", "/app/a.py", 1), Frame("tables", "/app/b.py", 2)
    pair = PairProfile(profiled(heap([((INDEX, MAIN), 40)])), profiled(heap([((trees,), 50), ((tables,), 30)])))
    assert said(pair) == [
        (
            "what grew, by tracemalloc: +50.0 MiB /app/a.py:1 trees, +30.0 MiB /app/b.py:2 tables; less 40.0 MiB that"
            " other places freed, that is 100% of the growth of peak RSS (+40.0 MiB)"
        )
    ]


NOT_LIVE = Frame("V8 heap, not live", in_live_heap=False)


def keeping(before: float, after: float, max_heap: float = 900, by: ProfiledBy = ProfiledBy.V8_SAMPLING) -> str:
    """What is said of an image that breaks its budget of live heap. Much more memory is not live. Sizes are in MiB."""
    places = [((NOT_LIVE,), 5), ((INDEX, MAIN), before)], [((NOT_LIVE,), 55), ((INDEX, MAIN), after)]
    profiles = [profiled(heap(held, by)) for held in places]
    pair = PairProfile(profiles[0], profiles[1])
    allowed = {Metric.LIVE_HEAP: EffectiveBudget(round(max_heap * MIB), Tolerance(2, MIB))}
    base, head = (side(*[keeps(size)] * 5) for size in (40, 40 + 2 * (after - before)))
    made = replace(image("api", base=base, head=head, allowed=allowed), profile=pair)
    (finding,) = growth_findings(made, report(made).judged().judgement.images[0])
    return finding.as_text()


def keeps(live_heap: float) -> Trial:
    made = trial(60)
    return replace(
        made, metrics={**made.metrics, Metric.LIVE_HEAP: MetricValue.of(Metric.LIVE_HEAP, round(live_heap * MIB))}
    )


def test_a_broken_live_heap_names_only_what_is_live() -> None:
    assert keeping(before=4, after=24) == (
        "what grew in the live heap, by V8's heap profiler: +20.0 MiB /app/catalog/search.py:41 build_index; that is"
        " 50% of the growth of live heap (+40.0 MiB)"
    )
    assert keeping(before=4, after=4, max_heap=30) == (
        "nothing grew in the live heap of the profile by V8's heap profiler; it holds 4.0 MiB"
        " /app/catalog/search.py:41 build_index; that is 10% of live heap (40.0 MiB)"
    )


def test_a_profile_without_live_heap_cannot_say_what_grew_in_it() -> None:
    assert keeping(before=0, after=0, max_heap=30, by=ProfiledBy.SMAPS) == (
        "what grew in the live heap is not known: the profile by the kernel's list of mappings does not show it"
    )


def test_a_new_image_names_what_holds_memory() -> None:
    pair = PairProfile(None, profiled(shop(38, words=0, cache=0)))
    assert said(pair) == [
        (
            "what holds memory, by tracemalloc: 38.0 MiB /app/catalog/search.py:41 build_index, 12.5 MiB"
            " /app/catalog/books.py:12 load_books; that is 50% of peak RSS (100.0 MiB)"
        )
    ]


def test_what_did_not_grow_is_said_to_hold_memory() -> None:
    pair = PairProfile(profiled(shop(38)), profiled(shop(38.1)))
    assert said(pair)[0].startswith(
        "nothing grew in the profile by tracemalloc; it holds 38.1 MiB /app/catalog/search.py:41"
    )


def test_it_is_told_why_nothing_is_compared() -> None:
    no_base = PairProfile(profiled(None, reason="it hangs"), profiled(shop(38)))
    assert said(no_base)[0].endswith("; not compared, because the base has no profile: it hangs")
    other = PairProfile(profiled(heap([((INDEX,), 4)], ProfiledBy.SMAPS)), profiled(shop(38)))
    assert said(other)[0].endswith("; not compared, because the base was profiled by the kernel's list of mappings")


@pytest.mark.parametrize(
    ("base", "head", "words"),
    [
        (0, 1, "; 1 of 3 processes of the head gave no profile, so these figures are too small"),
        (2, 0, "; 2 of 3 processes of the base gave no profile, so the growth may be false"),
        (
            2,
            1,
            "; 2 of 3 processes of the base and 1 of 3 of the head gave no profile, so the growth may be false",
        ),
    ],
)
def test_processes_without_a_profile_are_told_where_the_figures_are(base: int, head: int, words: str) -> None:
    (without,) = said(grown_shop())
    (told,) = said(with_silent(grown_shop(), base, head))
    assert told == without + words


def with_silent(pair: PairProfile, base: int, head: int) -> PairProfile:
    """Three processes on each side, of which some gave no profile."""
    assert pair.base is not None
    assert pair.head is not None
    why = "PID 7: it did not answer in time"
    before, after = (
        replace(one, processes=3, unanswered=count, reason=why if count else None)
        for one, count in ((pair.base, base), (pair.head, head))
    )
    return replace(pair, base=before, head=after)


@pytest.mark.parametrize(
    ("base", "head", "words"),
    [
        (0, 0, ""),
        (4, 3, "; these are the peaks of 3 processes, added up: they may be at different times"),
        (0, 3, "; these are the peaks of 3 processes, added up: they may be at different times"),
        (4, 0, "; the base has the peaks of 4 processes, added up: they may be at different times"),
    ],
)
def test_peaks_that_were_added_up_are_told_where_the_figures_are(base: int, head: int, words: str) -> None:
    (without,) = said(grown_shop())
    pair = with_added_peaks(grown_shop(), base, head)
    assert said(pair) == [without + words]
    made = measured(pair)
    judged = report(made).judged().judgement.images[0]
    ((_, finding),) = grown_lines(made, judged)
    assert finding.as_text().endswith(f"since the base, by tracemalloc{words}")
    growth = JudgedGrowth.of(made, judged)
    assert growth is not None
    assert (growth.base_added_peaks, growth.head_added_peaks) == (base, head)


def with_added_peaks(pair: PairProfile, base: int, head: int) -> PairProfile:
    assert pair.base is not None
    assert pair.head is not None
    return replace(pair, base=replace(pair.base, added_peaks=base), head=replace(pair.head, added_peaks=head))


def test_added_peaks_of_a_base_that_is_not_compared_do_not_matter() -> None:
    same = PairProfile(profiled(shop(38)), profiled(shop(38.1)))
    assert said(with_added_peaks(same, 4, 0)) == said(same)


def test_a_base_with_missing_processes_cannot_hide_that_nothing_grew() -> None:
    same = PairProfile(profiled(shop(38)), profiled(shop(38.1)))
    assert said(with_silent(same, 1, 0)) == said(same)
    assert said(with_silent(same, 1, 1))[0].endswith(
        "; 1 of 3 processes of the head gave no profile, so these figures are too small"
    )


def test_lines_of_the_diff_and_costs_tell_missing_processes() -> None:
    made = measured(with_silent(grown_shop(), 0, 1))
    judged = report(made).judged().judgement.images[0]
    ((_, finding),) = grown_lines(made, judged)
    assert finding.as_text().endswith("; 1 of 3 processes of the head gave no profile, so these figures are too small")
    base, head = profiling_findings(made)
    assert "gave no profile" not in base.as_text()
    assert head.as_text().endswith("; 1 of 3 processes gave no profile: PID 7: it did not answer in time")
    growth = JudgedGrowth.of(made, judged)
    assert growth is not None
    assert (growth.base_unanswered, growth.head_unanswered) == (0, 1)


def test_it_is_told_why_there_is_no_profile() -> None:
    assert said(PairProfile(None, profiled(None, reason="it hangs"))) == ["what grew is not known: it hangs"]
    assert said(PairProfile(None, profiled(heap([])))) == [
        "what grew is not known: the profile by tracemalloc is empty"
    ]
    assert said(None) == []
    assert said(PairProfile(profiled(shop(1)), None)) == []


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (Frame("com.example.Index"), "com.example.Index"),
        (Frame("main.load", "/src/main.go", 7), "/src/main.go:7 main.load"),
        (Frame("/usr/lib/libtorch.so", "/usr/lib/libtorch.so"), "/usr/lib/libtorch.so"),
        (Frame("", "/app/a.py", 3), "/app/a.py:3"),
        (Frame("f", "/app/b.py", 3), "src/b.py:3 f"),
        (Frame("g", "/app/b.py", 9), "src/b.py:9 g"),
    ],
)
def test_a_place_in_short(frame: Frame, expected: str) -> None:
    pair = PairProfile(None, None, (SourceLine("/app/b.py", 3, "src/b.py", is_in_diff=False),))
    assert place_text(frame, pair) == expected


def test_the_cost_of_profiling_is_told_for_each_side() -> None:
    told = "was profiled in a trial that is never judged, which took"
    assert [finding.as_text() for finding in profiling_findings(measured(grown_shop()))] == [
        f"the base {told} 2.9 s; its peak RSS was 72.4 MiB, 12.4 MiB more than judged",
        f"the head {told} 3.4 s; its peak RSS was 116.9 MiB, 16.9 MiB more than judged",
    ]
    unknown = PairProfile(None, replace(profiled(None), peak_rss_bytes=None, duration_ms=0))
    assert [finding.as_text() for finding in profiling_findings(measured(unknown))] == [
        "the head was profiled in a trial that is never judged"
    ]


def test_it_is_told_why_not_memray_was_used() -> None:
    why = "memray could not be fetched: pypi.org answered 503\x1b[2J"
    pair = PairProfile(None, replace(profiled(shop(1)), not_first_choice=why, processes=3, unanswered=1, reason="slow"))
    (finding,) = profiling_findings(measured(pair))
    told = "; tracemalloc was used, because memray could not be fetched: pypi.org answered 503"
    assert told in finding.as_text()
    assert "\x1b" not in finding.as_text()
    assert finding.as_text().endswith("; 1 of 3 processes gave no profile: slow")


def test_tracemalloc_is_told_only_where_it_was_used() -> None:
    """Older reports have the reason also where there is no profile."""
    why = "memray could not be fetched"
    nothing = PairProfile(None, replace(profiled(None), not_first_choice=why))
    mappings = profiled(replace(shop(1), profiled_by=ProfiledBy.SMAPS))
    for pair in (nothing, PairProfile(None, replace(mappings, not_first_choice=why))):
        (finding,) = profiling_findings(measured(pair))
        assert "used" not in finding.as_text()


def test_profiles_with_the_heads_own_settings_say_so() -> None:
    own = OwnMeasurement(side(*[trial(110)] * 5), counts=True, workload="more requests")
    made = replace(measured(replace(grown_shop(), is_own=True)), own=own)
    judged = report(made).judged().judgement.images[0]
    (finding,) = growth_findings(made, judged)
    assert finding.as_text().startswith("what grew, by tracemalloc, with the head's own settings: +38.2 MiB")
    assert finding.as_text().endswith("; that is 100% of the growth of the profiles (+41.3 MiB)")
    told = "was profiled with the head's own settings in a trial that is never judged, which took"
    assert [finding.as_text() for finding in profiling_findings(made)] == [
        f"the base {told} 2.9 s; its peak RSS was 72.4 MiB",
        f"the head {told} 3.4 s; its peak RSS was 116.9 MiB, 6.9 MiB more than judged",
    ]


def test_profiles_change_no_verdict_and_are_told_once() -> None:
    with_profile, without = (report(measured(pair)).judged() for pair in (grown_shop(), None))
    assert with_profile.judgement == without.judgement
    for text in (markdown.render(with_profile), junit.render(with_profile)):
        assert text.count("what grew, by tracemalloc") == 1
    passing = report(measured(grown_shop(), 60, 60)).judged()
    assert markdown.render(passing).count("what grew, by tracemalloc") == 1


def test_programs_get_the_figures() -> None:
    made = measured(grown_shop())
    judged = report(made).judged().judgement.images[0]
    growth = JudgedGrowth.of(made, judged)
    assert growth is not None
    assert [(one.path, one.line, one.is_in_diff, one.head_bytes - one.base_bytes) for one in growth.sites] == [
        ("services/api/catalog/search.py", 41, True, round(39.3 * MIB) - round(1.1 * MIB)),
        ("services/api/catalog/search.py", 58, False, round(4.4 * MIB) - round(1.4 * MIB)),
    ]
    assert (growth.explained, growth.is_compared) == (1.0, True)
    assert JudgedGrowth.of(measured(None), judged) is None
