"""Memory that could be saved: what breaks each rule, what keeps it, and what it costs."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.budgets.cost import CostSettings
from membudget.budgets.memory_rules import MemoryRule
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.core.untrusted_text import raw
from membudget.judge.larger_bodies import BodySize, LargerBodies
from membudget.judge.measurement import Presence
from membudget.judge.memory_rules import judge_memory
from membudget.measure.probe.messages import Series
from membudget.measure.trial import Outcome, Trial
from membudget.report.memory_words import finding_words
from tests.support import builders
from tests.support.memory_use import (
    BREAKING,
    COST,
    LARGER,
    broken,
    found,
    image_of,
    plain,
    with_huge_pages,
    with_load,
    with_metrics,
    with_pages,
    with_processes,
    with_sidecars,
)


def rules_of(*trials: Trial, limit: float = 256) -> list[MemoryRule]:
    return [finding.rule for finding in found(*trials, limit=limit)]


@pytest.mark.parametrize("rule", MemoryRule)
def test_each_rule_is_broken_alone(rule: MemoryRule) -> None:
    assert [finding.rule for finding in broken(rule)] == [rule]


KEEPING = {
    "a plain service": plain(),
    "a sidecar of a quarter": with_sidecars(80, 60),
    "a large share of little memory": with_sidecars(30, 10),
    "little page cache": with_pages(clean=25),
    "page cache that only fills what is free": with_pages(clean=150, working_set=225),
    "little that waits for the disk": with_pages(dirty=25),
    "a limit that was not sized by the sum": with_processes(rss=65),
    "processes that share little": with_processes(rss=25, together=90),
    "processes whose maps were not read": with_processes(has_maps=False),
    "a load that adds little": with_load(before=100, peak=120, settled=119),
    "half of what was added": with_load(before=40, peak=120, settled=85),
    "a third of the peak": with_load(before=40, peak=120, settled=80),
    "few huge pages": with_huge_pages(40),
    "small huge pages": with_huge_pages(20, 24),
}


@pytest.mark.parametrize("trial", KEEPING.values(), ids=KEEPING)
def test_a_rule_is_kept(trial: Trial) -> None:
    assert rules_of(trial) == []


def test_the_limit_says_how_much_is_worth_a_word() -> None:
    assert rules_of(with_pages(clean=25), limit=200) == [MemoryRule.PAGE_CACHE]
    assert rules_of(with_pages(clean=15.9), limit=100) == []
    assert rules_of(with_pages(clean=16), limit=100) == [MemoryRule.PAGE_CACHE]


def test_every_trial_that_knows_has_to_break_a_rule() -> None:
    (finding,) = found(with_pages(clean=150), with_pages(clean=90), with_pages(clean=120))
    assert finding.used.found_bytes == 90 * MIB
    assert rules_of(with_pages(clean=150), with_pages(clean=10)) == []
    assert rules_of(with_huge_pages(), plain(130)) == [MemoryRule.HUGE_PAGES], "one has no snapshot"


def test_the_saved_page_cache_fits_above_the_working_set() -> None:
    (finding,) = found(with_pages(clean=150, working_set=200))
    assert finding.used.saved_bytes == int(0.95 * 256 * MIB) - 200 * MIB


def test_dirty_pages_without_room_in_the_limit_are_told_without_a_price() -> None:
    (finding,) = found(with_pages(dirty=60, working_set=250), where=COST.deployment)
    assert (finding.used.saved_bytes, finding.month) == (None, None)


def test_containers_that_run_to_their_end_are_no_share_of_the_pod() -> None:
    trial = with_sidecars()
    ended = tuple(replace(one, runs_to_end=True) for one in trial.sidecars)
    assert rules_of(replace(trial, sidecars=ended)) == []


def test_the_largest_sidecar_is_named() -> None:
    (finding,) = found(with_sidecars(150, 60, "proxy", "agent"))
    assert (finding.used.subject, finding.used.count) == ("proxy", 2)


def test_a_process_that_was_not_read_whole_proves_nothing() -> None:
    trial = with_processes()
    assert trial.snapshot is not None
    more = replace(trial, snapshot=replace(trial.snapshot, process_count=5))
    assert rules_of(more) == []


@pytest.mark.parametrize("trial", [with_processes(), with_huge_pages()], ids=["shared", "huge"])
def test_a_look_long_before_the_peak_proves_nothing(trial: Trial) -> None:
    assert trial.snapshot is not None
    early = with_metrics(trial, peak_rss=trial.snapshot.rss_bytes / MIB / 0.89)
    assert rules_of(early) == []
    assert rules_of(early, trial) == rules_of(trial) != [], "and it does not contradict another trial"


def test_without_the_moment_before_the_load_nothing_is_kept() -> None:
    trial = with_load()
    assert rules_of(replace(trial, phases=trial.phases[1:])) == [], "it was never seen ready"
    assert rules_of(replace(trial, series=Series())) == []


def test_what_a_warm_up_adds_is_no_load() -> None:
    trial = with_load(before=100, peak=120, settled=119)
    start, steady, settle = trial.phases
    warm = replace(steady, name="warm-up", begin_us=50_000)
    rss = [MIB, 40 * MIB, 100 * MIB, 120 * MIB, 119 * MIB]
    series = Series([0, 20_000, 90_000, 300_000, 900_000], rss, rss, rss, rss)
    image = image_of(replace(trial, phases=(start, warm, steady, settle), series=series))
    (finding,) = judge_memory([image], tuple(MemoryRule))
    assert (finding.rule, finding.used.of_bytes) == (MemoryRule.MEMORY_KEPT, 80 * MIB)
    assert judge_memory([replace(image, unjudged_phases=("warm-up",))], tuple(MemoryRule)) == ()


def test_what_the_start_up_took_was_not_returned_after_the_load() -> None:
    trial = with_load(before=60, peak=200, settled=50)
    start, steady, settle = trial.phases
    rss = [MIB, 200 * MIB, 60 * MIB, 62 * MIB, 50 * MIB]
    series = Series([0, 20_000, 90_000, 300_000, 900_000], rss, rss, rss, rss)
    at_start = replace(trial, phases=(start, steady, settle), series=series)
    assert MemoryRule.MEMORY_RETURNED not in rules_of(at_start)
    rss = [MIB, 40 * MIB, 60 * MIB, 200 * MIB, 50 * MIB]
    by_load = replace(at_start, series=Series([0, 20_000, 90_000, 300_000, 900_000], rss, rss, rss, rss))
    assert MemoryRule.MEMORY_RETURNED in rules_of(by_load)


def test_an_image_that_was_killed_has_other_troubles() -> None:
    trial = with_pages(clean=150)
    assert rules_of(trial, replace(trial, outcome=Outcome.OOM_KILLED)) == []


def test_rules_that_are_off_and_removed_images_are_silent() -> None:
    image = image_of(BREAKING[MemoryRule.PAGE_CACHE])
    assert judge_memory([image], (MemoryRule.DIRTY_PAGES,)) == ()
    assert judge_memory([replace(image, presence=Presence.REMOVED)], tuple(MemoryRule)) == ()
    assert judge_memory([builders.image("new")], tuple(MemoryRule)) == ()


@pytest.mark.parametrize("rule", MemoryRule)
def test_what_could_be_saved_has_its_price(rule: MemoryRule) -> None:
    (free,) = broken(rule)
    (finding,) = broken(rule, where=COST.deployment)
    assert free.month is None
    if finding.used.saved_bytes is None:
        assert rule is MemoryRule.HUGE_PAGES
        return
    assert finding.month is not None
    expected = Decimal(finding.used.saved_bytes) / 2**30 * Decimal("0.004237") * 730 * 100
    assert abs(finding.month - expected) < Decimal("0.02")


def test_memory_that_saves_no_node_has_no_price() -> None:
    whole = CostSettings.model_validate({"node": "64GiB", "replicas": 3}).deployment
    (finding,) = found(BREAKING[MemoryRule.PAGE_CACHE], where=whole)
    assert finding.month is None
    crowded = CostSettings.model_validate({"node": "1GiB", "replicas": 30}).deployment
    (finding,) = found(BREAKING[MemoryRule.PAGE_CACHE], where=crowded)
    assert finding.month is not None
    assert finding.month > 0


@pytest.mark.thorough
@given(st.lists(st.integers(-(2**70), 2**70), min_size=8, max_size=8), st.integers(-1, 2**60))
def test_no_figures_of_a_hostile_report_are_too_strange(numbers: list[int], limit: int) -> None:
    mib = [number / MIB for number in numbers]
    trial = with_load(mib[0], mib[1], mib[2])
    trial = with_metrics(trial, pod_peak_rss=mib[3], peak_working_set=mib[4])
    trial = replace(
        trial,
        sidecars=with_sidecars().sidecars,
        snapshot=replace(with_huge_pages(mib[5]).snapshot or builders.snapshot(), summed_pss_bytes=numbers[6]),
        file_pages=replace(with_pages().file_pages, clean_bytes=numbers[7], dirty_bytes=numbers[0]),  # type: ignore[type-var]
    )
    image = replace(image_of(trial, where=COST.deployment), limit_bytes=limit)
    for finding in judge_memory([image], tuple(MemoryRule)):
        assert finding.used.found_bytes > 0


def test_no_finding_changes_a_verdict() -> None:
    made = builders.report(image_of(BREAKING[MemoryRule.PAGE_CACHE]))
    told = made.model_copy(update={"memory_rules": tuple(MemoryRule)})
    assert told.judged().judgement.memory
    assert made.judged().judgement.memory == ()
    assert told.judged().judgement.verdict == made.judged().judgement.verdict


def bodies(before: float, after: float, *peaks: float, response: bool = False) -> LargerBodies:
    size = BodySize("GET /", response, round(before * MIB), round(after * MIB))
    return LargerBodies((size,), tuple(round(peak * MIB) for peak in peaks))


@pytest.mark.parametrize(
    ("larger", "is_broken"),
    [
        (bodies(4, 44, 101, 102), True),
        (bodies(0, 20, 90, 90), True),
        (bodies(4, 44, 62, 61), False),
        (bodies(4, 44, 101, 75), False),
        (bodies(4, 94, 101, 102), False),
        (bodies(44, 4, 101, 102), False),
        (bodies(4, 44), False),
        (LargerBodies(reason="413"), False),
        (LargerBodies(peaks=(200 * MIB,)), False),
    ],
    ids=["held", "large", "streamed", "one trial", "a part", "smaller", "no trial", "failed", "no size"],
)
def test_bodies_that_raise_the_peak_by_a_whole_one_were_held(larger: LargerBodies, is_broken: bool) -> None:
    image = replace(image_of(plain(60), plain(59)), larger=larger)
    found = judge_memory([image], tuple(MemoryRule))
    assert [one.rule for one in found] == [MemoryRule.BUFFERED_BODIES] * is_broken


def test_what_streams_save_is_the_bodies_of_today() -> None:
    (finding,) = judge_memory([replace(image_of(plain(60)), larger=LARGER)], tuple(MemoryRule))
    assert finding.used.found_bytes == 72 * MIB
    assert finding.used.saved_bytes == 8 * MIB


@given(st.lists(st.integers(0, 2**80), min_size=4, max_size=4))
def test_no_sizes_of_a_hostile_report_are_too_strange(numbers: list[int]) -> None:
    size = BodySize("GET /", True, numbers[0], numbers[1])
    larger = LargerBodies((size,), (numbers[2], numbers[3]))
    for finding in judge_memory([replace(image_of(plain(), where=COST.deployment), larger=larger)], tuple(MemoryRule)):
        assert raw(finding_words(finding))


def test_an_absent_metric_proves_nothing() -> None:
    trial = with_pages(clean=150)
    absent = MetricValue.absent(Metric.PEAK_WORKING_SET, "unknown")
    assert rules_of(replace(trial, metrics={**trial.metrics, Metric.PEAK_WORKING_SET: absent})) == []
