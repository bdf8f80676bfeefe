"""How many trials there are of a pair, and which of them are not run at all."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.budgets import file as budgets_file
from membudget.budgets.rules import image_rules
from membudget.build.revision import BuiltImage, Side
from membudget.check.building import BuiltPair, Pair
from membudget.check.trials import Outage, measure_pair
from membudget.core.errors import LONGEST_REASON, EnvironmentFault
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.judge.image import Status, judge_image
from membudget.judge.measurement import ImageMeasurement, Presence
from membudget.judge.metric import Verdict
from membudget.measure.assumed import Assumed, AutoEnd
from membudget.measure.trial import LimitContact, Trial
from tests.fakes.measuring_tools import FakeTools
from tests.support.builders import trial
from tests.support.said import reason_of
from tests.support.silence import Silence

SPEC = budgets_file.parse(
    """
version = 1
[images.api]
limit = "128MiB"
budgets.peak_rss = { max = "100MiB", growth = { percent = 10, floor = "1MiB" } }
""",
    "t",
)["api"]

OF_A_TIME = budgets_file.parse('version = 1\n[images.api]\nlimit = "128MiB"\nbudgets.startup_time.max = "2s"\n', "t")[
    "api"
].budgets


def subject(base: str = "api base", head: str = "api head") -> BuiltPair:
    built = {Side.BASE: BuiltImage(base, "tag", base), Side.HEAD: BuiltImage(head, "tag", head)}
    return BuiltPair(Pair("api", Presence.BOTH, SPEC, SPEC), built)


def tools(base: Sequence[float], head: Sequence[float]) -> FakeTools:
    """Trials of so many MiB, one after another after a warm-up, the last again and again."""
    made = FakeTools()
    for side, values in (("base", base), ("head", head)):
        following = _following(values)
        made.trials[f"api {side}"] = lambda following=following: trial(next(following))  # type: ignore[misc]
    return made


def _following(values: Sequence[float]) -> Iterator[float]:
    yield 1  # the warm-up
    yield from values
    while True:
        yield values[-1]


def measured(made: FakeTools, one: BuiltPair | None = None) -> tuple[ImageMeasurement, int]:
    image = measure_pair(one or subject(), made, Silence(), Outage())
    assert image.head is not None
    return image, len(image.head.trials)


@pytest.mark.parametrize(
    ("base", "head", "trials", "verdict"),
    [
        ([40, 41, 40], [41, 40, 41], 3, Verdict.PASS),  # quiet: the fewest do
        ([40, 41, 40], [60, 61, 60], 5, Verdict.FAIL),  # an alarm is confirmed first
        ([40, 60, 40, 60], [60, 40, 60, 40], 10, Verdict.PASS),  # never clear: as many as may be
        ([40], [44.4], 5, Verdict.FAIL),
        ([40], [101], 5, Verdict.FAIL),
    ],
)
def test_trials_go_on_while_the_answer_is_unclear(
    base: list[float], head: list[float], trials: int, verdict: Verdict
) -> None:
    values = (base * 5, head * 5) if len(base) == 4 else (base, head)
    image, count = measured(tools(*values))
    assert count == trials
    assert judge_image(image).verdict is verdict


@pytest.mark.thorough
def test_an_alarm_that_goes_away_with_more_trials_is_none() -> None:
    image, count = measured(tools([40, 41, 40, 62, 61], [60, 61, 60, 41, 40, 62, 40, 61, 41, 60]))
    judged = judge_image(image)
    assert count == 10
    assert judged.verdict is Verdict.PASS
    (row,) = [row for row in judged.rows if row.metric is Metric.PEAK_RSS]
    assert row.is_within_noise
    assert "shows no growth beyond its noise: between" in str(reason_of(row))


def test_only_a_budget_for_a_time_asks_for_trials_without_others_beside_them() -> None:
    timed = SPEC.model_copy(update={"budgets": OF_A_TIME})
    for spec, is_alone in ((SPEC, False), (timed, True)):
        pair = Pair("api", Presence.BOTH, spec, spec)
        built = {side: BuiltImage(f"api {side}", "tag", f"api {side}") for side in Side}
        tools = FakeTools()
        measure_pair(BuiltPair(pair, built, rules=image_rules(spec)), tools, Silence(), Outage())
        assert {one.is_alone for one in tools.specs} == {is_alone}


def test_one_image_on_both_sides_is_not_run() -> None:
    made = tools([40], [40])
    image, count = measured(made, subject("same", "same"))
    judged = judge_image(image)
    assert (count, made.done) == (0, [])
    assert (judged.verdict, judged.status) == (Verdict.PASS, Status.UNCHANGED)
    assert image.head is not None
    assert image.head.metrics[Metric.IMAGE_SIZE].value is not None
    assert image.head.metrics[Metric.PEAK_RSS].reason == "unchanged: base and head are the same image"


def test_an_image_is_one_by_what_it_is_its_services_included() -> None:
    def built(image_id: str, identity: str, *beside: str) -> BuiltImage:
        services = {
            f"service {number}": BuiltImage(f"{image_id} {one}", "tag", one) for number, one in enumerate(beside)
        }
        return BuiltImage(image_id, "tag", identity, services)

    def is_unchanged(base: BuiltImage, head: BuiltImage) -> bool:
        return replace(subject(), built={Side.BASE: base, Side.HEAD: head}).is_unchanged

    assert is_unchanged(built("1", "same"), built("2", "same"))
    assert not is_unchanged(built("1", "one"), built("1", "other"))
    assert is_unchanged(built("1", "same", "a", "b"), built("2", "same", "a", "b"))
    assert not is_unchanged(built("1", "same", "a", "b"), built("2", "same", "b", "a")), "of other services"
    assert not is_unchanged(built("1", "same", "a"), built("2", "same", "c"))
    spec = subject().trial_spec(built("1", "one", "a"), SPEC)
    assert (spec.image_id, spec.identity, spec.pod_images) == ("1", "one", {"service 0": "1 a"})


def test_one_image_under_other_budgets_is_judged() -> None:
    made = subject("same", "same")
    looser = SPEC.model_copy(update={"limit": 2 * SPEC.limit_bytes})
    assert not replace(made, pair=replace(made.pair, base=looser)).is_unchanged
    assert not replace(made, is_summed=True).is_unchanged


def test_what_was_measured_before_is_not_measured_again() -> None:
    made = tools([40], [40])
    made.keeps = True
    measured(made)
    assert set(made.memory) == {"api base", "api head"}
    made.done.clear()
    image, count = measured(made)
    assert (count, made.done) == (3, [])
    assert judge_image(image).verdict is Verdict.PASS


def test_only_the_side_that_is_new_is_run() -> None:
    made = tools([40], [41])
    made.memory["api base"] = (trial(40), trial(40), trial(40))
    _, count = measured(made)
    assert count == 3
    assert set(made.done) == {"run api head"}


def test_an_alarm_over_remembered_trials_is_measured_again_side_by_side() -> None:
    made = tools([60], [60])
    made.memory["api base"] = (trial(40), trial(40), trial(40))
    image, _ = measured(made)
    assert judge_image(image).verdict is Verdict.PASS
    assert "run api base" in made.done


def test_what_failed_is_not_remembered() -> None:
    made = tools([40], [40])
    made.keeps = True
    made.trials["api head"] = _failing
    measured(made)
    assert set(made.memory) == {"api base"}


def _failing() -> Trial:
    from membudget.measure.trial import Outcome

    return trial(40, outcome=Outcome.WORKLOAD_FAILED, reason="no")


def test_fewer_trials_than_there_have_to_be_are_as_none() -> None:
    made = tools([40], [40])
    made.memory["api base"] = made.memory["api head"] = (trial(40), trial(40))
    _, count = measured(made)
    assert count == 3
    assert "run api base" in made.done


def test_a_kill_needs_no_confirmation() -> None:
    made = tools([40], [60])
    made.trials["api head"] = lambda: trial(60, oom_kills=1)
    image, count = measured(made)
    assert count == 3
    assert judge_image(image).status is Status.OOM_KILLED


def first(made: FakeTools, name: str, warm_up: Trial) -> None:
    """Let the warm-up of an image be that one."""
    later = made.trials[name]
    later()
    following = chain([warm_up], iter(later, None))
    made.trials[name] = lambda: next(following)


def test_a_kill_in_a_warm_up_alone_is_a_kill() -> None:
    made = tools([40], [40])
    first(made, "api head", trial(60, oom_kills=1))
    image, count = measured(made)
    judged = judge_image(image)
    assert count == 1 + 3
    assert (judged.verdict, judged.status) == (Verdict.FAIL, Status.OOM_KILLED)
    assert image.notes == ("a process was OOM-killed only in the head's warm-up, so the warm-up counts as a trial",)
    assert "api head" not in made.memory


def test_a_warm_up_that_reached_its_limit_by_reclaim_is_told_and_does_not_count() -> None:
    made = tools([40], [40])
    contact = LimitContact(hits=7, refaulted_bytes=None, stalled_ms=None, is_thrashing=False)
    first(made, "api base", replace(trial(120), at_limit=contact))
    image, _ = measured(made)
    assert judge_image(image).verdict is Verdict.PASS
    assert image.base is not None
    assert len(image.base.trials) == 3
    (note,) = image.notes
    assert (
        note
        == "reached the limit: the kernel reclaimed memory 7 times (in the base's warm-up, whose figures do not count)"
    )


def in_a_pull_request(base: float, head: float, memory: Mapping[str, Sequence[float]]) -> FakeTools:
    """An image of so many MiB a side, and what a cache that somebody else wrote holds, by side."""
    made = tools([base], [head])
    made.confirms = True
    made.keeps = True
    made.memory = {f"api {side}": tuple(map(trial, values)) for side, values in memory.items()}
    return made


def runs(made: FakeTools) -> dict[str, int]:
    return {side: made.done.count(f"run api {side}") for side in ("base", "head")}


def test_in_a_pull_request_one_fresh_trial_a_side_confirms_remembered_ones() -> None:
    made = in_a_pull_request(40, 41, {"base": [40, 40, 40], "head": [41, 41, 41]})
    image, count = measured(made)
    assert judge_image(image).verdict is Verdict.PASS
    assert runs(made) == {"base": 2, "head": 2}, "a warm-up and one trial"
    assert count == 4
    assert image.notes == ()
    assert len(made.memory["api head"]) == 3, "what is remembered does not grow"


def test_in_a_pull_request_a_maximum_of_every_trial_is_judged_by_fresh_trials_alone() -> None:
    spec = budgets_file.parse(
        'version = 1\n[images.api]\nlimit = "256MiB"\nbudgets.peak_rss = { max = "100MiB", every = true }\n', "t"
    )["api"]
    made = in_a_pull_request(40, 40, {"base": [40, 40, 40], "head": [40, 40, 40]})
    one = replace(subject(), pair=Pair("api", Presence.BOTH, spec, spec), rules=image_rules(spec))
    measured(made, one)
    assert runs(made)["head"] == 1 + spec.trials.min, "forged trials could hide the one that is over it"


def test_outside_of_a_pull_request_remembered_trials_stand_alone() -> None:
    made = in_a_pull_request(40, 41, {"base": [40, 40, 40], "head": [41, 41, 41]})
    made.confirms = False
    measured(made)
    assert runs(made) == {"base": 0, "head": 0}


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("base", "head", "memory", "what"),
    [
        (40, 110, {"base": [40] * 3, "head": [41] * 3}, "peak RSS of the head is 110.0 MiB"),
        (40, 60, {"base": [58] * 3}, "peak RSS of the base is 40.0 MiB"),
        (40, 60, {"base": [1, 58, 99], "head": [1, 58, 99]}, "verdict"),  # so wide that every figure fits
        (40, 50, {"base": [43.9] * 3, "head": [46.1] * 3}, "verdict"),  # each within its tolerance
        (105, 110, {"head": [90, 90, 120]}, "verdict"),  # a median that passes
    ],
)
def test_a_forged_cache_makes_no_broken_budget_pass(
    base: float, head: float, memory: dict[str, list[float]], what: str
) -> None:
    made = in_a_pull_request(base, head, memory)
    image, count = measured(made)
    assert judge_image(image).verdict is Verdict.FAIL
    assert image.head is not None
    assert {trial.metrics[Metric.PEAK_RSS].value for trial in image.head.trials} == {head * MIB}
    (note,) = image.notes
    assert "discarded the remembered trials" in note
    assert what in note
    assert len(made.memory["api head"]) == count, "what was forged is replaced"


def test_a_fresh_trial_that_fails_confirms_nothing() -> None:
    made = in_a_pull_request(40, 40, {"base": [40] * 3, "head": [40] * 3})
    made.trials["api head"] = _failing
    image, _ = measured(made)
    assert judge_image(image).status is Status.WORKLOAD_FAILED
    assert "of the head failed" in image.notes[0]


def test_figures_of_an_unchanged_image_are_not_taken_from_a_cache_that_is_not_trusted() -> None:
    made = tools([40], [40])
    made.confirms = True
    made.memory["same"] = (trial(1), trial(1), trial(1))
    image, count = measured(made, subject("same", "same"))
    assert (count, made.done) == (0, [])
    assert judge_image(image).status is Status.UNCHANGED
    assert image.head is not None
    assert image.head.metrics[Metric.PEAK_RSS].value is None


def test_an_image_whose_sum_is_judged_later_is_measured_anew() -> None:
    made = in_a_pull_request(40, 40, {"base": [1] * 3, "head": [1] * 3})
    image, count = measured(made, replace(subject(), is_summed=True))
    assert runs(made) == {"base": 4, "head": 4}
    assert count == 3
    assert image.notes == ()


_FIGURES = st.integers(1, 120)
_FORGED = st.lists(_FIGURES, max_size=6)


@pytest.mark.thorough
@given(base=_FIGURES, head=_FIGURES, forged_base=_FORGED, forged_head=_FORGED)
def test_whatever_a_cache_holds_the_verdict_is_the_one_without(
    base: int, head: int, forged_base: list[int], forged_head: list[int]
) -> None:
    forged, _ = measured(in_a_pull_request(base, head, {"base": forged_base, "head": forged_head}))
    true, _ = measured(tools([base], [head]))
    assert judge_image(forged).verdict is judge_image(true).verdict


def test_an_endless_reason_makes_no_endless_report() -> None:
    made = tools([40], [40])

    def fail() -> Trial:
        raise EnvironmentFault("\x80é" * 300_000, fix="look at the engine's log")

    made.trials["api head"] = fail
    image, _ = measured(made)
    assert image.head is not None
    assert image.head.failure is not None
    assert image.head.failure.reason.endswith("…\n  fix: look at the engine's log")
    kept = [image.head.failure.reason, *(one.reason or "" for one in image.head.metrics.values())]
    assert all(len(line) <= LONGEST_REASON for reason in kept for line in reason.split("\n"))
    assert max(map(len, kept)) <= 2 * LONGEST_REASON + 1


def ending(base: AutoEnd, head: AutoEnd) -> ImageMeasurement:
    made = FakeTools()
    for side, end in (("base", base), ("head", head)):
        made.trials[f"api {side}"] = lambda end=end: replace(trial(40), assumed=Assumed(end))  # type: ignore[misc]
    return measured(made)[0]


@pytest.mark.parametrize(
    ("base", "head"),
    [(AutoEnd.ENDED, AutoEnd.RESTED), (AutoEnd.ENDED, AutoEnd.KEPT_RUNNING), (AutoEnd.RESTED, AutoEnd.ENDED),
     (AutoEnd.BUSY, AutoEnd.RESTED), (AutoEnd.KEPT_RUNNING, AutoEnd.RESTED), (AutoEnd.RESTED, AutoEnd.HEALTHY)],
)  # fmt: skip
def test_without_a_workload_a_head_that_is_observed_for_less_than_the_base_is_not_compared(
    base: AutoEnd, head: AutoEnd
) -> None:
    image = ending(base, head)
    judged = judge_image(image)
    assert (judged.verdict, judged.status) == (Verdict.INCONCLUSIVE, Status.WORKLOAD_FAILED)
    assert image.head is not None
    assert image.head.failure is not None
    assert image.head.failure.reason.startswith("without a workload, the base")
    assert "fix: set a workload for it" in image.head.failure.reason


@pytest.mark.parametrize("base", [AutoEnd.HEALTHY, AutoEnd.RESTED, AutoEnd.KEPT_RUNNING, AutoEnd.BUSY])
def test_a_head_that_is_observed_for_as_long_as_the_base_or_longer_is_compared(base: AutoEnd) -> None:
    assert judge_image(ending(base, base)).verdict is Verdict.PASS
    assert judge_image(ending(base, AutoEnd.BUSY)).verdict is Verdict.PASS
