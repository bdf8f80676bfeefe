"""Why an answer is open: noise leaves it open, or nothing was measured. Only the first may be let through."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.budgets.rules import EffectiveBudget, Tolerance, WarnLevels
from membudget.core.errors import ExitCode
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.judge.image import Status, judge_image
from membudget.judge.leak import LeakVerdict, Trend
from membudget.judge.measurement import Failure, FailureStage, ImageMeasurement, Presence, SideMeasurement
from membudget.judge.metric import Inconclusive, Row, Verdict, gravest, judge_metric, worst
from membudget.judge.reasons import Excuse, NotMeasured
from membudget.judge.whole import ExitPolicy, FailOn, Judgement, judge
from membudget.measure.trial import PhaseName
from membudget.report.verdicts import next_step
from tests.support.builders import budgets, image, phase, side, trial
from tests.support.said import reason_of, reasons_of

LENIENT = ExitPolicy(allows_inconclusive=True)
FAILURES = [Failure(stage, "it broke") for stage in FailureStage]


def fine(name: str = "fine") -> ImageMeasurement:
    return image(name, base=side(trial(40)), head=side(trial(41)), allowed=budgets(max_rss=64))


def noisy(name: str = "noisy") -> ImageMeasurement:
    """Its median is over the maximum, and one trial is not."""
    head = side(trial(60), trial(70), trial(71))
    return image(name, base=side(trial(40)), head=head, allowed=budgets(max_rss=64))


def missed_spike() -> ImageMeasurement:
    head = side(trial(40))
    head.metrics[Metric.PEAK_RSS] = MetricValue.of(Metric.PEAK_RSS, 40 * MIB, "lower bound", at_most=90 * MIB)
    return image("spiky", base=side(trial(40)), head=head, allowed=budgets(max_rss=64))


@pytest.mark.parametrize("measured", [noisy(), missed_spike()], ids=lambda one: str(one.name))
def test_what_was_measured_and_lies_on_both_sides_of_its_budget_is_open_by_noise(measured: ImageMeasurement) -> None:
    judged = judge([fine(), measured])
    assert (judged.verdict, judged.inconclusive) == (Verdict.INCONCLUSIVE, Inconclusive.NOISE)
    assert judged.images[1].status is Status.INCONCLUSIVE
    (row,) = (row for row in judged.images[1].rows if row.verdict is Verdict.INCONCLUSIVE)
    assert row.inconclusive is Inconclusive.NOISE
    assert ExitPolicy().exit_code(judged) is ExitCode.UNMEASURED
    assert LENIENT.exit_code(judged) is ExitCode.WITHIN_BUDGET


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: str(failure.stage))
def test_a_head_that_failed_is_not_measured_and_never_passes(failure: Failure) -> None:
    judged = judge([fine(), noisy(), image(base=side(trial(40)), head=side(failure=failure))])
    assert (judged.verdict, judged.inconclusive) == (Verdict.INCONCLUSIVE, Inconclusive.NOT_MEASURED)
    assert judged.images[2].inconclusive is Inconclusive.NOT_MEASURED
    assert judged.images[2].status is not Status.INCONCLUSIVE, "that word is for noise"
    assert LENIENT.exit_code(judged) is ExitCode.UNMEASURED


def test_a_budget_without_a_reading_is_not_measured_and_never_passes() -> None:
    judged = judge([image(base=side(trial(40)), head=side(trial(None)), allowed=budgets(max_rss=64))])
    assert judged.inconclusive is Inconclusive.NOT_MEASURED
    assert judged.images[0].status is Status.NOT_MEASURED
    assert LENIENT.exit_code(judged) is ExitCode.UNMEASURED


def test_a_result_without_images_is_not_measured() -> None:
    judged = judge([])
    assert (judged.verdict, judged.inconclusive) == (Verdict.INCONCLUSIVE, Inconclusive.NOT_MEASURED)
    assert LENIENT.exit_code(judged) is ExitCode.UNMEASURED


def test_a_soak_that_was_too_short_is_open_by_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    undecided = LeakVerdict(Trend.UNDECIDED, 1.0, -1.0, 3.0, 60_000, is_paired=False)
    monkeypatch.setattr("membudget.judge.leak.soak_verdict", lambda _: undecided)
    judged = judge_image(replace(fine(), leak_fails=True))
    assert (judged.verdict, judged.inconclusive) == (Verdict.INCONCLUSIVE, Inconclusive.NOISE)
    assert judged.status is Status.SOAK_TOO_SHORT


def test_a_soak_of_which_too_little_was_sampled_is_not_measured() -> None:
    soaked = replace(trial(40), phases=(phase(PhaseName.SOAK, 0, 10, 40),))
    judged = judge_image(replace(image(base=side(trial(40)), head=side(soaked)), leak_fails=True))
    assert (judged.verdict, judged.inconclusive) == (Verdict.INCONCLUSIVE, Inconclusive.NOT_MEASURED)
    assert reasons_of(judged) == ["its soak has too few samples"]
    assert judge_image(image(base=side(trial(40)), head=side(soaked))).verdict is Verdict.PASS, "it is advice"
    assert judge_image(replace(fine(), leak_fails=True)).verdict is Verdict.PASS, "nobody soaked it"


def test_a_warning_beside_noise_that_is_let_through_still_fails_who_fails_on_warnings() -> None:
    warned = {Metric.PEAK_RSS: EffectiveBudget(64 * MIB, warn=WarnLevels(max=30 * MIB))}
    judged = judge([noisy(), image("near", base=side(trial(40)), head=side(trial(41)), allowed=warned)])
    assert judged.verdict is Verdict.INCONCLUSIVE
    assert ExitPolicy(FailOn.WARN, allows_inconclusive=True).exit_code(judged) is ExitCode.OVER_BUDGET
    assert LENIENT.exit_code(judged) is ExitCode.WITHIN_BUDGET


def test_whoever_never_fails_never_fails() -> None:
    for judged in (judge([]), judge([noisy()]), judge([fine()])):
        assert ExitPolicy(FailOn.NEVER).exit_code(judged) is ExitCode.WITHIN_BUDGET


def test_each_open_status_asks_for_something_else() -> None:
    steps = [next_step(one) for one in (Status.INCONCLUSIVE, Status.NOT_MEASURED, Status.BASE_NOT_MEASURED)]
    assert all(steps)
    assert len(set(steps)) == len(steps)


def test_not_measured_outranks_noise() -> None:
    assert gravest([Inconclusive.NOISE, None, Inconclusive.NOT_MEASURED]) is Inconclusive.NOT_MEASURED
    assert gravest([Inconclusive.NOISE, None]) is Inconclusive.NOISE
    assert gravest([None]) is None


verdicts = st.lists(st.sampled_from(Verdict), max_size=6)


@pytest.mark.thorough
@given(verdicts, verdicts)
def test_more_verdicts_never_make_it_better(some: list[Verdict], more: list[Verdict]) -> None:
    order = [Verdict.PASS, Verdict.WARN, Verdict.INCONCLUSIVE, Verdict.FAIL]
    if some:
        assert order.index(worst(some + more)) >= order.index(worst(some))
        assert worst(some) is worst(reversed(some))
    assert worst([worst(some), worst(more)]) is worst([*some, *more]) or not (some and more)


SIDES: list[SideMeasurement | None] = [
    None, side(trial(40)), side(trial(40), trial(60), trial(70)), side(trial(None)), side(trial(40, oom_kills=1)),
    side(failure=FAILURES[0], size=None),
]  # fmt: skip
images = st.builds(
    lambda base, head, most, growth, presence: image(
        base=base, head=head, allowed=budgets(max_rss=most, rss_growth=growth), presence=presence
    ),
    st.sampled_from(SIDES),
    st.sampled_from(SIDES),
    st.sampled_from([None, 30, 64]),
    st.sampled_from([None, (5.0, 1.0)]),
    st.sampled_from([Presence.BOTH, Presence.NEW, Presence.HEAD_ONLY]),
)


def parts(judged: Judgement) -> list[Row]:
    return [row for one in judged.images for row in one.rows]


@pytest.mark.thorough
@given(st.lists(images, max_size=3))
def test_a_reason_is_given_exactly_where_an_answer_is_open(measured: list[ImageMeasurement]) -> None:
    judged = judge([replace(one, name=f"i{number}") for number, one in enumerate(measured)])
    answers = [(judged.verdict, judged.inconclusive)]
    answers += [(one.verdict, one.inconclusive) for one in judged.images]
    rows = [(row.verdict, row.inconclusive) for row in parts(judged)]
    for verdict, why in (*answers, *rows):
        assert (why is not None) == (verdict is Verdict.INCONCLUSIVE)
    if judged.verdict is Verdict.INCONCLUSIVE and measured:
        assert judged.inconclusive is gravest(one.inconclusive for one in judged.images)
    unmeasured = [one for one in judged.images if one.inconclusive is Inconclusive.NOT_MEASURED]
    if unmeasured:
        assert LENIENT.exit_code(judged) is not ExitCode.WITHIN_BUDGET


def test_growth_over_a_base_without_a_value_is_not_measured_where_the_base_is_needed() -> None:
    budget = EffectiveBudget(None, Tolerance(5, MIB))
    head = MetricValue.of(Metric.PEAK_RSS, 40 * MIB)
    row = judge_metric(Metric.PEAK_RSS, MetricValue.absent(Metric.PEAK_RSS, "no sample"), head, budget, excuse=None)
    assert (row.verdict, row.inconclusive) == (Verdict.INCONCLUSIVE, Inconclusive.NOT_MEASURED)
    assert row.reasons == (NotMeasured("no sample", is_base=True),)
    excused = judge_metric(Metric.PEAK_RSS, None, head, budget, excuse=Excuse.NEW)
    assert (excused.verdict, reason_of(excused)) == (None, "growth is not judged: the image is new")
