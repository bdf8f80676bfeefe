from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.budgets.rules import EffectiveBudget, Tolerance
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.core.untrusted_text import Quoted
from membudget.judge.bounds import Bound, BoundKind
from membudget.judge.image import StageFailed, Status, judge_image
from membudget.judge.measurement import Failure, FailureStage, ImageMeasurement, Presence, SideMeasurement
from membudget.judge.metric import Inconclusive, Verdict, judge_metric, worst
from membudget.judge.whole import ExitPolicy, FailOn, Judgement, judge
from membudget.report.verdicts import image_reason, next_step
from tests.support.builders import budgets, image, side, trial
from tests.support.said import reason_of, reasons_of

BUILD_FAILED = Failure(FailureStage.BUILD, "exit code 1", ("the log",))
WORKLOAD_FAILED = Failure(FailureStage.WORKLOAD, "still running after 60.0 s")
TIMED_OUT = Failure(FailureStage.WORKLOAD, "timed out after 60.0 s")
IMAGE_UNREADABLE = Failure(FailureStage.IMAGE, "its export is damaged")
ENGINE_FAILED = Failure(FailureStage.ENVIRONMENT, "the engine does not answer")


def rss(mib: float) -> MetricValue:
    return MetricValue.of(Metric.PEAK_RSS, round(mib * MIB))


@pytest.mark.parametrize(
    ("base", "head", "verdict", "headroom_mib"),
    [
        (100, 104, Verdict.PASS, 6),  # neither part of 5 % and 10 MiB is exceeded: the larger is the ceiling
        (100, 108, Verdict.PASS, 2),  # the percent is, the floor is not
        (1000, 1020, Verdict.PASS, 30),  # the floor is, the percent is not
        (100, 110, Verdict.PASS, 0),  # exactly as much as is tolerated
        (100, 111, Verdict.FAIL, -1),
        (1000, 1051, Verdict.FAIL, -1),
        (100, 50, Verdict.PASS, 60),
    ],
)
def test_growth_counts_when_both_parts_of_the_tolerance_are_exceeded(
    base: int, head: int, verdict: Verdict, headroom_mib: int
) -> None:
    row = judge_metric(Metric.PEAK_RSS, rss(base), rss(head), EffectiveBudget(None, Tolerance(5, 10 * MIB)))
    assert row.verdict is verdict
    assert row.headroom == headroom_mib * MIB
    assert row.delta == (head - base) * MIB


def test_the_maximum_itself_is_within_budget() -> None:
    budget = EffectiveBudget(64 * MIB)
    assert judge_metric(Metric.PEAK_RSS, None, rss(64), budget).verdict is Verdict.PASS
    over = judge_metric(Metric.PEAK_RSS, None, rss(65), budget)
    assert (over.verdict, over.headroom, reason_of(over)) == (Verdict.FAIL, -MIB, "is 1.0 MiB over max 64.0 MiB")


def test_the_tightest_budget_gives_the_headroom_until_one_is_broken() -> None:
    row = judge_metric(Metric.PEAK_RSS, rss(50), rss(51), EffectiveBudget(64 * MIB, Tolerance(5, 2 * MIB)))
    assert row.nearest == Bound(BoundKind.GROWTH, round(52.5 * MIB))
    assert row.headroom == round(1.5 * MIB)
    assert not row.exceeded


def test_each_broken_budget_has_its_own_figure_and_the_first_gives_the_headroom() -> None:
    budget = EffectiveBudget(64 * MIB, Tolerance(5, 2 * MIB))
    row = judge_metric(Metric.PEAK_RSS, rss(50), rss(66), budget)
    assert [(one.bound.kind, one.excess) for one in row.exceeded] == [
        (BoundKind.MAX, 2 * MIB),
        (BoundKind.GROWTH, 13.5 * MIB),
    ]
    assert (row.nearest, row.headroom) == (Bound(BoundKind.MAX, 64 * MIB), -2 * MIB)
    said = "is 2.0 MiB over max 64.0 MiB and grew by 16.0 MiB (+32.0%), 13.5 MiB more than growth allows"
    assert reason_of(row) == said


def test_growth_from_nothing_has_no_percent() -> None:
    row = judge_metric(
        Metric.OOM_KILLS, MetricValue.of(Metric.OOM_KILLS, 0), MetricValue.of(Metric.OOM_KILLS, 2), EffectiveBudget(0)
    )
    assert (row.verdict, row.delta, reason_of(row)) == (Verdict.FAIL, 2, "is 2 over max 0")


def test_without_a_budget_nothing_is_judged() -> None:
    assert judge_metric(Metric.PEAK_RSS, rss(1), rss(1000), EffectiveBudget()).verdict is None


def test_growth_without_a_base_is_not_judged_and_that_is_said() -> None:
    row = judge_metric(Metric.PEAK_RSS, None, rss(1000), EffectiveBudget(None, Tolerance(5, MIB)))
    assert (row.verdict, reason_of(row)) == (None, "growth is not judged: there is no base value")


def test_a_value_that_is_missing_is_no_pass() -> None:
    missing = MetricValue.absent(Metric.PEAK_RSS, "no sample")
    assert judge_metric(Metric.PEAK_RSS, rss(1), missing, EffectiveBudget(64 * MIB)).verdict is Verdict.INCONCLUSIVE
    assert judge_metric(Metric.PEAK_RSS, rss(1), missing, EffectiveBudget()).verdict is None


def fine(name: str = "fine") -> ImageMeasurement:
    return image(name, base=side(trial(40)), head=side(trial(41)), allowed=budgets(max_rss=64))


@pytest.mark.parametrize(
    ("measured", "verdict", "status"),
    [
        (fine(), Verdict.PASS, Status.WITHIN_BUDGET),
        (
            image(base=side(trial(40)), head=side(trial(70)), allowed=budgets(max_rss=64)),
            Verdict.FAIL,
            Status.OVER_BUDGET,
        ),
        (image(base=side(trial(40)), head=side(trial(40, oom_kills=1))), Verdict.FAIL, Status.OOM_KILLED),
        (image(base=side(trial(40, oom_kills=1)), head=side(trial(40))), Verdict.PASS, Status.WITHIN_BUDGET),
        (image(head=side(trial(40)), presence=Presence.NEW), Verdict.PASS, Status.WITHIN_BUDGET),
        (image(presence=Presence.REMOVED), Verdict.PASS, Status.REMOVED),
        (
            image(base=side(trial(40)), head=side(size=None, failure=BUILD_FAILED)),
            Verdict.INCONCLUSIVE,
            Status.BUILD_FAILED,
        ),
        (image(base=side(trial(40)), head=side(failure=WORKLOAD_FAILED)), Verdict.INCONCLUSIVE, Status.WORKLOAD_FAILED),
        (image(base=side(trial(40)), head=side(failure=ENGINE_FAILED)), Verdict.INCONCLUSIVE, Status.NOT_MEASURED),
        # what is known to be over budget stays so, whatever else could not be measured
        (
            image(base=side(trial(40)), head=side(failure=WORKLOAD_FAILED, size=200), allowed=budgets(max_size=150)),
            Verdict.FAIL,
            Status.OVER_BUDGET,
        ),
        # a base that could not be measured leaves growth open, and maxima are judged all the same
        (
            image(
                base=side(failure=BUILD_FAILED, size=None),
                head=side(trial(40)),
                allowed=budgets(max_rss=64, rss_growth=(1, 1)),
            ),
            Verdict.INCONCLUSIVE,
            Status.BASE_NOT_MEASURED,
        ),
    ],
    ids=lambda value: value.value if isinstance(value, Status) else "",
)
def test_each_outcome_of_an_image_has_its_verdict_and_its_status(
    measured: ImageMeasurement, verdict: Verdict, status: Status
) -> None:
    judged = judge_image(measured)
    assert (judged.verdict, judged.status) == (verdict, status)
    assert (next_step(judged.status) is None) == (verdict is Verdict.PASS)
    assert bool(judged.reasons) == (status is not Status.WITHIN_BUDGET)


def test_one_broken_budget_fails_the_whole_and_nothing_is_no_pass() -> None:
    over = image("over", head=side(trial(70)), allowed=budgets(max_rss=64))
    unclear = image("unclear", head=side(failure=ENGINE_FAILED))
    assert judge([fine(), over, unclear]).verdict is Verdict.FAIL
    assert judge([fine(), unclear]).verdict is Verdict.INCONCLUSIVE
    assert judge([fine()]).verdict is Verdict.PASS
    assert judge([]).verdict is Verdict.INCONCLUSIVE
    assert worst([Verdict.INCONCLUSIVE, Verdict.PASS]) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("failure", [BUILD_FAILED, WORKLOAD_FAILED, TIMED_OUT, IMAGE_UNREADABLE, ENGINE_FAILED])
def test_what_could_not_be_measured_never_passes_and_is_exit_code_3(failure: Failure) -> None:
    judged = judge([fine(), image(base=side(trial(40)), head=side(failure=failure), allowed=budgets(max_rss=64))])
    assert judged.verdict is Verdict.INCONCLUSIVE
    assert ExitPolicy().exit_code(judged) == 3
    (reason,) = judged.images[1].reasons  # said once, not once a metric
    assert isinstance(reason, StageFailed)
    assert reason.failure == failure


def test_a_value_that_is_missing_alone_makes_its_image_inconclusive_and_says_which() -> None:
    judged = judge_image(image(base=side(trial(40)), head=side(trial(None)), allowed=budgets(max_rss=64)))
    assert (judged.verdict, judged.status) == (Verdict.INCONCLUSIVE, Status.NOT_MEASURED)
    assert reasons_of(judged) == ["peak RSS was not measured: no sample"]


def test_a_failure_does_not_hide_what_is_missing_for_another_reason() -> None:
    head = side(failure=WORKLOAD_FAILED)
    head.metrics[Metric.IMAGE_SIZE] = MetricValue.absent(Metric.IMAGE_SIZE, "its export is damaged")
    judged = judge_image(image(head=head, allowed=budgets(max_rss=64, max_size=150)))
    assert judged.status is Status.WORKLOAD_FAILED
    assert reasons_of(judged) == [
        "still running after 60.0 s",  # what the status is about comes first
        "image size was not measured: its export is damaged",
    ]


def test_a_failure_that_is_not_the_status_is_named() -> None:
    over = image(head=side(failure=WORKLOAD_FAILED, size=200), allowed=budgets(max_rss=64, max_size=150))
    judged = judge_image(over)
    assert judged.status is Status.OVER_BUDGET
    assert reasons_of(judged) == [
        "image size is 50.0 MiB over max 150.0 MiB",
        "the workload failed: still running after 60.0 s",
    ]


def test_a_missing_value_does_not_hide_a_broken_budget() -> None:
    measured = image(head=side(trial(None), size=200), allowed=budgets(max_rss=64, max_size=150))
    judged = judge_image(measured)
    assert (judged.verdict, judged.status) == (Verdict.FAIL, Status.OVER_BUDGET)
    assert reasons_of(judged) == [
        "image size is 50.0 MiB over max 150.0 MiB",
        "peak RSS was not measured: no sample",
    ]


def test_an_oom_kill_gives_the_status_and_is_told_beside_what_else_is_broken() -> None:
    measured = image(head=side(trial(70, oom_kills=1), trial(70, oom_kills=2)), allowed=budgets(max_rss=64), limit=72)
    judged = judge_image(measured)
    assert judged.status is Status.OOM_KILLED
    assert reasons_of(judged) == [
        "the kernel killed 2 processes at the limit of 72.0 MiB",
        "peak RSS is 6.0 MiB over max 64.0 MiB",
    ]
    (one,) = reasons_of(judge_image(image(head=side(trial(40, oom_kills=1)), limit=72)))
    assert one == "the kernel killed 1 process at the limit of 72.0 MiB"


def test_oom_kills_that_a_budget_allows_are_no_failure() -> None:
    allowed = {Metric.OOM_KILLS: EffectiveBudget(1)}
    assert judge_image(image(head=side(trial(40, oom_kills=1)), allowed=allowed)).verdict is Verdict.PASS
    assert judge_image(image(head=side(trial(40, oom_kills=2)), allowed=allowed)).status is Status.OOM_KILLED


def test_without_a_base_the_maximum_still_counts() -> None:
    allowed = budgets(max_rss=64, rss_growth=(5, 2))
    for presence in (Presence.NEW, Presence.HEAD_ONLY):
        judged = judge_image(image(head=side(trial(70)), presence=presence, allowed=allowed))
        assert judged.status is Status.OVER_BUDGET
        assert reasons_of(judged) == ["peak RSS is 6.0 MiB over max 64.0 MiB"]


@pytest.mark.thorough
@given(st.integers(0, 2**50), st.integers(0, 2**50), st.integers(0, 2**50), st.floats(0, 1000), st.integers(0, 2**50))
def test_a_row_fails_exactly_when_its_headroom_is_negative(
    before: int, after: int, most: int, percent: float, floor: int
) -> None:
    base, head = MetricValue.of(Metric.PEAK_RSS, before), MetricValue.of(Metric.PEAK_RSS, after)
    row = judge_metric(Metric.PEAK_RSS, base, head, EffectiveBudget(most, Tolerance(percent, floor)))
    assert row.headroom is not None
    assert (row.verdict is Verdict.FAIL) == (row.headroom < 0) == (reason_of(row) is not None)


@pytest.mark.parametrize(
    ("verdict", "by_default", "on_warnings", "never", "open_passes"),
    [
        (Verdict.PASS, 0, 0, 0, 0),
        (Verdict.WARN, 0, 1, 0, 0),
        (Verdict.FAIL, 1, 1, 0, 1),
        (Verdict.INCONCLUSIVE, 3, 3, 0, 0),
    ],
)
def test_exit_codes(verdict: Verdict, by_default: int, on_warnings: int, never: int, open_passes: int) -> None:
    policies = (
        ExitPolicy(), ExitPolicy(FailOn.WARN), ExitPolicy(FailOn.NEVER), ExitPolicy(allows_inconclusive=True),
    )  # fmt: skip
    why = Inconclusive.NOISE if verdict is Verdict.INCONCLUSIVE else None
    codes = [policy.exit_code(Judgement(verdict, (), (), why)) for policy in policies]
    assert codes == [by_default, on_warnings, never, open_passes]


def test_what_others_said_is_kept_apart_from_our_words() -> None:
    (reason,) = judge_image(image(base=side(trial(40)), head=side(failure=ENGINE_FAILED))).reasons
    assert image_reason(reason) == ("the environment failed: ", Quoted("the engine does not answer"))


@pytest.mark.parametrize(
    ("base", "verdict"),
    [
        (side(failure=BUILD_FAILED, size=None), Verdict.INCONCLUSIVE),
        (side(failure=WORKLOAD_FAILED), Verdict.INCONCLUSIVE),
        (side(failure=ENGINE_FAILED), Verdict.INCONCLUSIVE),
        (side(trial(None)), Verdict.INCONCLUSIVE),
        (None, Verdict.INCONCLUSIVE),
    ],
)
def test_growth_over_a_base_that_should_have_a_figure_is_not_let_pass(
    base: SideMeasurement | None, verdict: Verdict
) -> None:
    judged = judge_image(image(base=base, head=side(trial(400)), allowed=budgets(rss_growth=(5, 2))))
    assert judged.verdict is verdict
    assert any("base" in str(reason) and "peak RSS" in reason for reason in reasons_of(judged))


def test_oom_kills_that_are_allowed_do_not_excuse_a_workload_that_failed() -> None:
    allowed = {**budgets(max_rss=100), Metric.OOM_KILLS: EffectiveBudget(1)}
    killed = replace(trial(60, oom_kills=1, reason="the kernel killed 1 process"), workload_passed=False)
    judged = judge_image(image(head=side(killed), allowed=allowed))
    assert (judged.verdict, judged.status) == (Verdict.INCONCLUSIVE, Status.WORKLOAD_FAILED)
    passed = judge_image(image(head=side(replace(killed, workload_passed=True)), allowed=allowed))
    assert passed.verdict is Verdict.WARN, "the limit was reached"


def per_connection(value: int, margin: int) -> MetricValue:
    return MetricValue.estimate(Metric.RSS_PER_CONNECTION, value, value - margin, value + margin)


@pytest.mark.parametrize(
    ("value", "margin", "verdict"),
    [
        (60_000, 1_000, Verdict.PASS),
        (60_000, 9_000, Verdict.PASS),  # the best guess is within, as a median is
        (70_000, 1_000, Verdict.FAIL),
        (70_000, 9_000, Verdict.INCONCLUSIVE),  # over, but perhaps by chance
    ],
)
def test_an_estimate_fails_only_where_chance_is_no_excuse(value: int, margin: int, verdict: Verdict) -> None:
    row = judge_metric(Metric.RSS_PER_CONNECTION, None, per_connection(value, margin), EffectiveBudget(65_536))
    assert row.verdict is verdict
    if verdict is Verdict.INCONCLUSIVE:
        assert reason_of(row) == "it is 59.6 KiB to 77.1 KiB; use a longer ramp, more load or more trials"


def test_the_growth_of_an_estimate_counts_where_the_intervals_are_apart() -> None:
    budget = EffectiveBudget(None, Tolerance(5, 0))
    base, apart, overlapping = per_connection(1000, 50), per_connection(1200, 50), per_connection(1200, 200)
    assert judge_metric(Metric.RSS_PER_CONNECTION, base, apart, budget).verdict is Verdict.FAIL
    assert judge_metric(Metric.RSS_PER_CONNECTION, base, overlapping, budget).verdict is Verdict.PASS
