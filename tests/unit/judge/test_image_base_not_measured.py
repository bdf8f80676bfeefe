"""A base without figures: growth is open, maxima are judged all the same, and a new image needs none."""

from dataclasses import replace

import pytest

from membudget.budgets.rules import EffectiveBudget, Tolerance
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.judge.image import ImageJudgement, Status, judge_image
from membudget.judge.measurement import Failure, FailureStage, ImageMeasurement, Presence, SideMeasurement
from membudget.judge.metric import Inconclusive, Verdict
from membudget.judge.whole import ExitPolicy, GroupMeasurement, judge
from membudget.publish.report_file import parse_report
from membudget.report.formats.markdown import render
from membudget.report.verdicts import image_reason, next_step
from tests.support.builders import budgets, image, phase, report, side, trial
from tests.support.said import reason_of, reasons_of

BUILD = Failure(FailureStage.BUILD, "exit code 1")
WORKLOAD = Failure(FailureStage.WORKLOAD, "it answered 500")
ENGINE = Failure(FailureStage.ENVIRONMENT, "the engine does not answer")
NOT_BUILT = side(failure=BUILD, size=None)
BOTH_BUDGETS = budgets(max_rss=64, rss_growth=(5, 2), max_size=150)


def judged(base: SideMeasurement | None, rss: float = 40, **changes: object) -> ImageJudgement:
    allowed = changes.pop("allowed", BOTH_BUDGETS)
    assert isinstance(allowed, dict)
    return judge_image(replace(image(base=base, head=side(trial(rss)), allowed=allowed), **changes))  # type: ignore[arg-type]


def verdicts(of: ImageJudgement) -> dict[Metric, Verdict | None]:
    return {row.metric: row.verdict for row in of.rows if row.budget.is_set}


@pytest.mark.parametrize("base", [NOT_BUILT, side(failure=WORKLOAD), side(failure=ENGINE), side(trial(None)), None])
def test_growth_over_a_base_that_was_not_measured_is_open_and_maxima_are_judged(base: SideMeasurement | None) -> None:
    of = judged(base)
    assert (of.verdict, of.inconclusive) == (Verdict.INCONCLUSIVE, Inconclusive.NOT_MEASURED)
    assert verdicts(of) == {
        Metric.IMAGE_SIZE: Verdict.PASS, Metric.PEAK_RSS: Verdict.INCONCLUSIVE, Metric.OOM_KILLS: Verdict.PASS,
    }  # fmt: skip
    assert ExitPolicy(allows_inconclusive=True).exit_code(judge([image(base=base, head=side(trial(40)),
                                                                       allowed=BOTH_BUDGETS)])) == 3  # fmt: skip


@pytest.mark.parametrize("base", [NOT_BUILT, side(failure=WORKLOAD), None])
def test_a_maximum_fails_whatever_the_base_is(base: SideMeasurement | None) -> None:
    of = judged(base, rss=70)
    assert (of.verdict, of.status, of.inconclusive) == (Verdict.FAIL, Status.OVER_BUDGET, None)
    assert "peak RSS is 6.0 MiB over max 64.0 MiB" in reasons_of(of)


def test_headroom_is_judged_without_a_base() -> None:
    allowed = {Metric.PEAK_RSS: EffectiveBudget(None, Tolerance(5, MIB), below_limit=50 * MIB)}
    assert judged(NOT_BUILT, rss=51, allowed=allowed).verdict is Verdict.FAIL
    assert judged(NOT_BUILT, rss=50, allowed=allowed).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("failure", "size", "lost"), [(BUILD, None, "image size, peak RSS"), (WORKLOAD, 100, "peak RSS")]
)
def test_the_reason_is_said_once_and_what_to_do(failure: Failure, size: float | None, lost: str) -> None:
    allowed = budgets(rss_growth=(5, 2), size_growth=(5, 2))
    of = judged(side(failure=failure, size=size), allowed=allowed)
    assert of.status is Status.BASE_NOT_MEASURED
    assert reasons_of(of) == [
        f"in the base, the {failure.stage} failed, so the growth of {lost} is unknown: {failure.reason}"
    ]
    assert "fix the image on the base branch first, or ask" in str(next_step(of.status))


def test_where_our_engine_failed_nobody_is_asked_to_repair_the_base() -> None:
    assert judged(side(failure=ENGINE)).status is Status.NOT_MEASURED
    assert judged(side(trial(None))).status is Status.NOT_MEASURED
    assert judged(None).status is Status.NOT_MEASURED


def test_without_growth_budgets_no_base_is_needed() -> None:
    of = judged(NOT_BUILT, allowed=budgets(max_rss=64))
    assert (of.verdict, of.status) == (Verdict.PASS, Status.WITHIN_BUDGET)
    text = render(
        report(image(base=NOT_BUILT, head=side(trial(40)), allowed=budgets(max_rss=64))).judged(),
    )
    assert "its base could not be measured" in text


@pytest.mark.parametrize(
    ("presence", "why"), [(Presence.NEW, "the image is new"), (Presence.HEAD_ONLY, "there is no base revision")]
)
def test_an_image_that_is_new_needs_no_base_and_says_so(presence: Presence, why: str) -> None:
    of = judged(None, allowed=budgets(rss_growth=(5, 2)), presence=presence)
    assert of.verdict is Verdict.PASS
    (row,) = (row for row in of.rows if row.metric is Metric.PEAK_RSS)
    assert (row.verdict, reason_of(row)) == (None, f"growth is not judged: {why}")


def test_what_a_maintainer_approved_passes_without_a_base_and_is_still_judged_by_its_maxima() -> None:
    approved = judged(NOT_BUILT, base_waived=True)
    assert (approved.verdict, approved.inconclusive) == (Verdict.PASS, None)
    assert judged(NOT_BUILT, rss=70, base_waived=True).verdict is Verdict.FAIL
    growth_alone = judged(NOT_BUILT, allowed=budgets(rss_growth=(5, 2)), base_waived=True)
    (row,) = (row for row in growth_alone.rows if row.metric is Metric.PEAK_RSS)
    assert reason_of(row) == "growth is not judged: its base could not be measured, and that was approved"
    with_base = judged(side(trial(20)), allowed=budgets(rss_growth=(5, 2)), base_waived=True)
    assert with_base.verdict is Verdict.FAIL, "a base that was measured is compared with"


def test_the_waiver_survives_the_file() -> None:
    waived = replace(image(base=NOT_BUILT, head=side(trial(40)), allowed=BOTH_BUDGETS), base_waived=True)
    made = report(waived)
    assert parse_report(made.model_dump_json().encode(), "x").images[0].base_waived


def test_an_image_without_a_head_is_no_removed_one() -> None:
    of = judge_image(image(base=side(trial(40))))
    assert (of.verdict, of.inconclusive) == (Verdict.INCONCLUSIVE, Inconclusive.NOT_MEASURED)
    made = report(image(base=side(trial(40))))
    assert "not measured" in render(made.judged())
    assert judge_image(image(presence=Presence.REMOVED)).status is Status.REMOVED


def test_a_phase_that_the_base_did_not_reach_leaves_its_growth_open() -> None:
    head = replace(trial(60), phases=(phase("burst", 0, 100, 40, 44),))
    grown = {"burst": {Metric.PEAK_RSS: EffectiveBudget(None, Tolerance(5, MIB))}}
    of = judge_image(replace(image(base=side(trial(40)), head=side(head)), phase_budgets=grown))
    assert (of.verdict, of.inconclusive) == (Verdict.INCONCLUSIVE, Inconclusive.NOT_MEASURED)
    assert reasons_of(of) == ["peak RSS (burst) of the base was not measured: no trial reached the phase burst"]
    failed = judge_image(replace(image(base=NOT_BUILT, head=side(head)), phase_budgets=grown))
    assert "so the growth of peak RSS (burst) is unknown" in reasons_of(failed)[0]


SUM = {Metric.PEAK_RSS: EffectiveBudget(200 * MIB, Tolerance(5, 2 * MIB))}
FINE = image("a", base=side(trial(40)), head=side(trial(40)))


@pytest.mark.parametrize(
    ("other", "verdict"),
    [
        (image("b", base=side(failure=WORKLOAD), head=side(trial(40))), Verdict.INCONCLUSIVE),
        (image("b", base=side(trial(None)), head=side(trial(40))), Verdict.INCONCLUSIVE),
        (image("b", head=side(trial(40))), Verdict.INCONCLUSIVE),
        (image("b", base=side(failure=WORKLOAD), head=side(trial(170))), Verdict.FAIL),
        (image("b", base=side(trial(40)), head=side(trial(40))), Verdict.PASS),
        (replace(image("b", base=side(failure=WORKLOAD), head=side(trial(40))), base_waived=True), Verdict.PASS),
    ],
)  # fmt: skip
def test_growth_of_a_sum_needs_the_base_of_every_member(other: ImageMeasurement, verdict: Verdict) -> None:
    (group,) = judge([FINE, other], [GroupMeasurement("both", ("a", "b"), SUM)]).groups
    assert group.verdict is verdict
    assert (group.inconclusive is Inconclusive.NOT_MEASURED) == (verdict is Verdict.INCONCLUSIVE)
    if verdict is Verdict.INCONCLUSIVE:
        assert str(reason_of(group.rows[0])).startswith("b: ")


def test_a_sum_of_new_images_needs_no_base() -> None:
    new = [image(name, head=side(trial(40)), presence=Presence.NEW) for name in "ab"]
    assert judge(new, [GroupMeasurement("both", ("a", "b"), SUM)]).groups[0].verdict is Verdict.PASS
    alone = [image(name, head=side(trial(40)), presence=Presence.HEAD_ONLY) for name in "ab"]
    assert judge(alone, [GroupMeasurement("both", ("a", "b"), SUM)]).groups[0].verdict is Verdict.PASS


def test_a_long_reason_of_the_base_is_told_once_like_a_short_one() -> None:
    long = Failure(FailureStage.BUILD, "the builder says " + "more and " * 100)
    sides = [side(failure=failure, size=None) for failure in (BUILD, long)]
    told = [[image_reason(reason)[0] for reason in judged(one).reasons] for one in sides]
    assert told[0] == told[1]


def worded(of: SideMeasurement, metric: Metric, reason: str) -> SideMeasurement:
    """A side without a value of a metric, for a reason in these words."""
    return replace(of, metrics={**of.metrics, metric: MetricValue.absent(metric, reason)})


def test_which_growth_a_failed_base_leaves_open_does_not_hang_on_words() -> None:
    allowed = budgets(rss_growth=(5, 2), size_growth=(5, 2))
    base = worded(side(failure=WORKLOAD), Metric.PEAK_RSS, "in other words")
    assert reasons_of(judged(base, allowed=allowed)) == [
        f"in the base, the workload failed, so the growth of peak RSS is unknown: {WORKLOAD.reason}"
    ]
    unread = worded(base, Metric.IMAGE_SIZE, str(WORKLOAD))
    assert reasons_of(judged(unread, allowed=allowed)) == [
        f"image size of the base was not measured: {WORKLOAD}",
        f"in the base, the workload failed, so the growth of peak RSS is unknown: {WORKLOAD.reason}",
    ]


def test_what_a_failed_head_lost_does_not_hang_on_words() -> None:
    allowed = budgets(max_rss=64, max_size=150)
    head = worded(side(failure=WORKLOAD), Metric.PEAK_RSS, "in other words")
    measured = image(head=head, allowed=allowed)
    assert reasons_of(judge_image(measured)) == [WORKLOAD.reason]
    unread = image(head=worded(head, Metric.IMAGE_SIZE, str(WORKLOAD)), allowed=allowed)
    assert reasons_of(judge_image(unread)) == [
        WORKLOAD.reason,
        f"image size was not measured: {WORKLOAD}",
    ]


def test_trials_of_the_head_without_a_value_are_not_called_the_bases() -> None:
    allowed = {Metric.PEAK_RSS: EffectiveBudget(64 * MIB, Tolerance(5, MIB), every=True)}
    of = judge_image(image(base=NOT_BUILT, head=side(trial(40), trial(None), trial(40)), allowed=allowed))
    assert reasons_of(of) == ["peak RSS was not measured: 1 of 3 trials have no value"]
    assert of.status is Status.NOT_MEASURED
