"""A head with other settings of what is measured: compared by the base's, and by itself under its own."""

from dataclasses import replace

import pytest

from membudget.budgets.rules import EffectiveBudget, Tolerance
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.judge.image import Status, judge_image
from membudget.judge.measurement import Failure, FailureStage, ImageMeasurement, OwnMeasurement, SideMeasurement
from membudget.judge.metric import Inconclusive, Row, Verdict
from membudget.judge.whole import GroupMeasurement, judge
from membudget.publish.report_file import parse_report
from membudget.report.row_words import row_label
from tests.support.builders import image, phase, report, side, trial

BUDGETS = {
    Metric.PEAK_RSS: EffectiveBudget(64 * MIB, Tolerance(5, MIB)),
    Metric.OOM_KILLS: EffectiveBudget(0),
    Metric.IMAGE_SIZE: EffectiveBudget(200 * MIB),
}
WORKLOAD = Failure(FailureStage.WORKLOAD, "status 404", ("no such endpoint",))
BROKEN = Failure(FailureStage.ENVIRONMENT, "the engine is gone")


def three(rss: float) -> SideMeasurement:
    return side(trial(rss), trial(rss), trial(rss))


def measured(
    own: SideMeasurement,
    *,
    counts: bool,
    base: SideMeasurement | None = None,
    head: SideMeasurement | None = None,
) -> ImageMeasurement:
    made = image(base=base or three(40), head=head or three(40), allowed=BUDGETS)
    return replace(made, own=OwnMeasurement(own, counts, "exec true"))


def row(of: ImageMeasurement, metric: Metric = Metric.PEAK_RSS, *, is_own: bool) -> Row:
    (found,) = (one for one in judge_image(of).rows if (one.metric, one.is_own) == (metric, is_own))
    return found


def test_until_it_is_approved_it_is_shown_and_nothing_comes_of_it() -> None:
    for own in (three(90), three(10), side(trial(60, oom_kills=1)), side(failure=WORKLOAD)):
        of = measured(own, counts=False)
        assert judge_image(of).verdict is Verdict.PASS
        shown = row(of, is_own=True)
        assert (shown.verdict, shown.budget.max, row_label(shown)) == (None, 64 * MIB, "peak RSS (own settings)")


@pytest.mark.parametrize(("head", "verdict"), [(70, Verdict.FAIL), (50, Verdict.FAIL), (40, Verdict.PASS)])
def test_until_then_the_head_is_judged_under_the_bases_settings(head: float, verdict: Verdict) -> None:
    assert judge_image(measured(three(10), counts=False, head=three(head))).verdict is verdict


@pytest.mark.parametrize(
    ("own", "head", "verdict"),
    [
        (60, 40, Verdict.PASS),  # more than base, which another workload explains
        (70, 40, Verdict.FAIL),
        (10, 50, Verdict.FAIL),  # it grew, under the same workload
        (10, 41, Verdict.PASS),
    ],
)
def test_once_it_counts_maximums_are_its_own_and_growth_is_under_the_bases(
    own: float, head: float, verdict: Verdict
) -> None:
    of = measured(three(own), counts=True, head=three(head))
    assert judge_image(of).verdict is verdict
    assert row(of, is_own=False).budget == EffectiveBudget(tolerance=Tolerance(5, MIB))
    assert row(of, is_own=True).budget == EffectiveBudget(64 * MIB)


def test_a_maximum_that_the_old_workload_breaks_is_no_matter_once_the_new_one_counts() -> None:
    assert judge_image(measured(three(60), counts=True, base=three(70), head=three(70))).verdict is Verdict.PASS


def test_the_image_itself_is_judged_whatever_it_is_run_with() -> None:
    heavy = side(trial(40), trial(40), trial(40), size=300)
    for counts in (True, False):
        assert judge_image(measured(three(40), counts=counts, head=heavy)).verdict is Verdict.FAIL


def test_kills_count_where_maximums_do() -> None:
    killed = side(trial(60, oom_kills=1))
    judged = judge_image(measured(killed, counts=True))
    assert (judged.verdict, judged.status) == (Verdict.FAIL, Status.OOM_KILLED)
    assert judge_image(measured(three(40), counts=False, head=killed)).status is Status.OOM_KILLED


def test_a_head_that_lacks_the_old_endpoint_is_open_until_that_is_approved() -> None:
    head = side(failure=WORKLOAD)
    waiting = judge_image(measured(three(40), counts=False, head=head))
    assert (waiting.verdict, waiting.inconclusive) == (Verdict.INCONCLUSIVE, Inconclusive.NOT_MEASURED)
    approved = judge_image(measured(three(40), counts=True, head=head))
    assert approved.verdict is Verdict.PASS
    assert judge_image(measured(three(70), counts=True, head=head)).verdict is Verdict.FAIL


def test_a_base_that_lacks_the_old_endpoint_as_well_is_no_reason_either() -> None:
    gone = side(failure=WORKLOAD)
    assert judge_image(measured(three(40), counts=True, base=gone)).verdict is Verdict.PASS
    assert judge_image(measured(three(40), counts=True, base=gone, head=gone)).verdict is Verdict.PASS
    assert judge_image(measured(three(40), counts=False, base=gone)).inconclusive is Inconclusive.NOT_MEASURED


@pytest.mark.parametrize("failure", [WORKLOAD, BROKEN])
def test_its_own_failure_leaves_the_answer_open_once_it_counts(failure: Failure) -> None:
    judged = judge_image(measured(side(failure=failure), counts=True))
    assert (judged.verdict, judged.inconclusive) == (Verdict.INCONCLUSIVE, Inconclusive.NOT_MEASURED)


def test_an_engine_that_failed_for_the_comparison_is_no_lack_of_an_endpoint() -> None:
    for sides in ({"head": side(failure=BROKEN)}, {"base": side(failure=BROKEN)}):
        judged = judge_image(measured(three(40), counts=True, **sides))
        assert (judged.verdict, judged.inconclusive) == (Verdict.INCONCLUSIVE, Inconclusive.NOT_MEASURED)


def test_phases_of_the_new_workload_are_judged_by_their_maximums() -> None:
    own = replace(trial(40), phases=(phase("import", 0, 100, 50, 54),))
    allowed = {"import": {Metric.PEAK_RSS: EffectiveBudget(45 * MIB)}}
    of = replace(measured(side(own, own, own), counts=True), phase_budgets=allowed)
    assert judge_image(of).verdict is Verdict.FAIL
    (found,) = (one for one in judge_image(of).rows if one.phase is not None)
    assert (row_label(found), found.verdict) == ("peak RSS (import, own settings)", Verdict.FAIL)


TOTAL = {Metric.PEAK_RSS: EffectiveBudget(100 * MIB, Tolerance(5, MIB))}


@pytest.mark.parametrize(
    ("own", "head", "counts", "verdict"),
    [
        (55, 40, True, Verdict.PASS),
        (70, 40, True, Verdict.FAIL),
        (55, 60, True, Verdict.FAIL),
        (70, 40, False, Verdict.PASS),
    ],
)
def test_a_sum_takes_maximums_and_growth_from_where_its_members_do(
    own: float, head: float, counts: bool, verdict: Verdict
) -> None:
    first = replace(measured(three(own), counts=counts, head=three(head)), name="a")
    other = image("b", base=three(40), head=three(40))
    (group,) = judge([first, other], [GroupMeasurement("both", ("a", "b"), TOTAL)]).groups
    assert group.verdict is verdict


def test_it_survives_the_file() -> None:
    made = report(measured(three(50), counts=True))
    read = parse_report(made.model_dump_json().encode(), "x")
    assert read.images[0].own == made.images[0].own
