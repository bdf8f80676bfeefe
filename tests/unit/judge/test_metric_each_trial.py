"""What single trials say that the median does not: over the maximum, and at the limit."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.budgets.exceptions import ExceptionInForce
from membudget.budgets.rules import EffectiveBudget, Tolerance
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.judge.evidence import Samples, TrialsAtLimit, TrialsOver
from membudget.judge.image import Status, judge_image
from membudget.judge.measurement import ImageMeasurement, SideMeasurement
from membudget.judge.metric import Inconclusive, Row, Verdict, judge_metric
from membudget.judge.values import aggregated
from membudget.judge.whole import ExitPolicy, FailOn, judge
from membudget.measure.trial import LimitContact, OomKills, Trial
from membudget.report.formats.judged_report import render as as_json
from membudget.report.formats.markdown import render
from membudget.report.headline import verdict_line
from tests.support.builders import image, phase, report, side, trial
from tests.support.said import reason_of, reasons_of

CONTACT = LimitContact(12, 4 * MIB, 5, is_thrashing=False)
SPIKY = (10, 200, 10, 200, 10)
QUIET = side(trial(40), trial(40), trial(40))


def measured(*rss: float, every: bool = False, maximum: float = 96) -> ImageMeasurement:
    budget = EffectiveBudget(round(maximum * MIB), every=every)
    return image(base=QUIET, head=side(*map(trial, rss)), allowed={Metric.PEAK_RSS: budget}, limit=256)


def row_of(of: ImageMeasurement, metric: Metric = Metric.PEAK_RSS) -> Row:
    return next(row for row in judge_image(of).rows if row.metric is metric and row.phase is None)


def test_a_trial_over_the_maximum_is_warned_of_with_its_number_and_its_height() -> None:
    judged = judge_image(measured(*SPIKY))
    assert (judged.verdict, judged.status) == (Verdict.WARN, Status.SOMETIMES_OVER)
    row = row_of(measured(*SPIKY))
    assert row.trials_over == TrialsOver(count=2, of=5, worst=200 * MIB, level=96 * MIB)
    assert not row.is_within_noise
    assert reasons_of(judged) == ["peak RSS was over max 96.0 MiB in 2 of 5 trials, by up to 104.0 MiB"]
    assert ExitPolicy().exit_code(judge([measured(*SPIKY)])) == 0
    assert ExitPolicy(FailOn.WARN).exit_code(judge([measured(*SPIKY)])) == 1


def test_it_is_told_in_the_comment_and_as_data() -> None:
    made = report(measured(*SPIKY))
    assert "was over `max` 96.0 MiB in 2 of 5 trials, by up to 104.0 MiB" in render(made.judged())
    assert "was over max 96.0 MiB in 2 of 5 trials" in verdict_line(made.judged())
    assert '"trials_over": {\n      "count": 2' in as_json(made.judged())


def test_headroom_is_a_maximum_as_well() -> None:
    allowed = {Metric.PEAK_RSS: EffectiveBudget(120 * MIB, below_limit=96 * MIB)}
    row = row_of(image(base=QUIET, head=side(*map(trial, SPIKY)), allowed=allowed))
    assert row.trials_over == TrialsOver(2, 5, 200 * MIB, 96 * MIB)


@pytest.mark.parametrize("rss", [(40, 41, 42), (96, 96, 96)])
def test_trials_within_the_maximum_are_not_warned_of(rss: tuple[float, ...]) -> None:
    row = row_of(measured(*rss))
    assert (row.verdict, row.trials_over) == (Verdict.PASS, None)


def test_with_every_one_trial_over_the_maximum_fails_at_once() -> None:
    judged = judge_image(measured(10, 10, 97, every=True))
    assert (judged.verdict, judged.status) == (Verdict.FAIL, Status.OVER_BUDGET)
    assert judged.is_settled, "no more trials are needed to know"
    assert reasons_of(judged) == ["peak RSS was over max 96.0 MiB in 1 of 3 trials, by up to 1.0 MiB"]
    within = judge_image(measured(10, 10, 96, every=True))
    assert (within.verdict, within.is_settled) == (Verdict.PASS, True)


def test_with_every_other_noisy_rows_ask_for_no_more_trials() -> None:
    noisy = measured(10, 10, 97, every=True)
    allowed = {**noisy.budgets, Metric.PEAK_MEMORY: EffectiveBudget(100 * MIB)}
    assert not row_of(replace(noisy, budgets=allowed), Metric.PEAK_MEMORY).is_settled
    assert judge_image(replace(noisy, budgets=allowed)).is_settled


def spiked(rss: float, at_most: float) -> Trial:
    seen = trial(rss)
    peak = MetricValue.of(Metric.PEAK_RSS, round(rss * MIB), "lower bound", at_most=round(at_most * MIB))
    return replace(seen, metrics={**seen.metrics, Metric.PEAK_RSS: peak})


def test_with_every_a_trial_that_may_have_been_over_leaves_the_answer_open() -> None:
    allowed = {Metric.PEAK_RSS: EffectiveBudget(96 * MIB, every=True)}
    head = side(trial(40), trial(40), spiked(40, 120))
    row = row_of(image(base=QUIET, head=head, allowed=allowed))
    assert (row.verdict, row.inconclusive) == (Verdict.INCONCLUSIVE, Inconclusive.NOISE)
    assert reason_of(row) == "1 of 3 trials may be up to 120.0 MiB: a spike was missed"
    assert row.is_settled, "a spike that was missed stays missed"
    median = {Metric.PEAK_RSS: EffectiveBudget(96 * MIB)}
    assert row_of(image(base=QUIET, head=head, allowed=median)).verdict is Verdict.PASS
    over = side(trial(100), trial(40), spiked(40, 120))
    assert row_of(image(base=QUIET, head=over, allowed=allowed)).verdict is Verdict.FAIL


def test_with_every_a_trial_without_a_reading_is_not_measured() -> None:
    row = row_of(
        image(base=QUIET, head=side(trial(40), trial(None), trial(40)), allowed=measured(1, every=True).budgets)
    )
    assert (row.verdict, row.inconclusive) == (Verdict.INCONCLUSIVE, Inconclusive.NOT_MEASURED)
    assert reason_of(row) == "1 of 3 trials have no value"


def test_every_holds_for_phases() -> None:
    trials = [replace(trial(200), phases=(phase("burst", 0, 10, rss),)) for rss in (40, 40, 100)]
    for every, verdict in ((True, Verdict.FAIL), (False, Verdict.WARN)):
        burst = {"burst": {Metric.PEAK_RSS: EffectiveBudget(90 * MIB, every=every)}}
        judged = judge_image(replace(image(base=QUIET, head=side(*trials)), phase_budgets=burst))
        assert judged.verdict is verdict


values = st.lists(st.integers(0, 200 * MIB), min_size=1, max_size=12)


@pytest.mark.thorough
@given(values, st.integers(0, 200 * MIB))
def test_every_fails_exactly_where_a_trial_is_over_and_the_median_never_passes_that_in_silence(
    found: list[int], maximum: int
) -> None:
    median = MetricValue.of(Metric.PEAK_RSS, sorted(found)[len(found) // 2])
    strict, usual = (
        judge_metric(Metric.PEAK_RSS, None, median, EffectiveBudget(maximum, every=every), Samples(head=tuple(found)))
        for every in (True, False)
    )
    is_over = max(found) > maximum
    assert (strict.verdict is Verdict.FAIL) == is_over == (strict.trials_over is not None)
    assert (usual.verdict is Verdict.PASS) == (not is_over)
    if is_over:
        assert usual.trials_over == strict.trials_over
        assert strict.is_settled


def excepted(of: ImageMeasurement, allow: float) -> Row:
    exception = ExceptionInForce(round(allow * MIB), date(2099, 1, 1), "why", None, ends_soon=False)
    return row_of(replace(of, exceptions={Metric.PEAK_RSS: exception}))


def test_an_exception_covers_the_trials_that_it_allows() -> None:
    strict = measured(10, 10, 120, every=True)
    assert excepted(strict, 119).verdict is Verdict.FAIL
    assert excepted(strict, 120).verdict is Verdict.PASS
    usual = measured(10, 10, 120)
    assert excepted(usual, 119).verdict is Verdict.WARN
    assert excepted(usual, 120).verdict is Verdict.PASS
    median_over = measured(100, 100, 100, 100, 180)
    assert excepted(median_over, 110).verdict is Verdict.WARN, "one trial is beyond the exception too"
    assert excepted(median_over, 180).verdict is Verdict.PASS


# At the limit


def at_limit(rss: float) -> Trial:
    return replace(trial(rss), at_limit=CONTACT)


def killed(rss: float) -> Trial:
    return replace(trial(rss, oom_kills=1), oom=OomKills((), "unknown"))


GROWTH = EffectiveBudget(None, Tolerance(10, 4 * MIB))


def with_growth(metric: Metric, head: SideMeasurement, base: SideMeasurement = QUIET) -> Row:
    return row_of(image(base=base, head=head, allowed={metric: GROWTH}), metric)


@pytest.mark.parametrize("metric", [Metric.PEAK_RSS, Metric.PEAK_MEMORY, Metric.PEAK_WORKING_SET])
def test_a_trial_at_the_limit_is_a_warning_of_the_peaks_and_names_how_many(metric: Metric) -> None:
    head = side(trial(40), at_limit(40), at_limit(40))
    row = row_of(image(base=QUIET, head=head, allowed={metric: EffectiveBudget(100 * MIB)}), metric)
    assert row.trials_at_limit == TrialsAtLimit(2, 3)
    assert (row.verdict, reason_of(row)) == (Verdict.WARN, "reached the limit in 2 of 3 trials")
    unjudged = row_of(image(base=QUIET, head=head, allowed={}), metric)
    assert unjudged.verdict is None
    other = image(base=QUIET, head=head, allowed={Metric.SETTLED_RSS: EffectiveBudget(100 * MIB)})
    assert row_of(other, Metric.SETTLED_RSS).verdict is Verdict.PASS


def test_what_reached_the_limit_is_never_within_noise() -> None:
    noisy = side(at_limit(40), trial(48), trial(44))
    base = side(trial(40), trial(47), trial(44))
    plain = with_growth(Metric.PEAK_RSS, side(trial(40), trial(48), trial(44)), base)
    assert plain.is_within_noise
    row = with_growth(Metric.PEAK_RSS, noisy, base)
    assert (row.verdict, row.is_within_noise) == (Verdict.WARN, False)


@pytest.mark.parametrize(
    ("head", "metric", "verdict"),
    [
        # the kernel's mark cannot go beyond the limit: how much it grew, nobody saw
        (side(*[at_limit(40)] * 3), Metric.PEAK_MEMORY, Verdict.INCONCLUSIVE),
        (side(trial(40), trial(40), at_limit(40)), Metric.PEAK_MEMORY, Verdict.INCONCLUSIVE),
        (side(*[at_limit(90)] * 5), Metric.PEAK_MEMORY, Verdict.FAIL),  # what was seen is too much already
        (side(*[trial(40)] * 9, at_limit(40)), Metric.PEAK_MEMORY, Verdict.WARN),  # one of ten does not move the median
        # no swap: reclaim takes file pages, and RSS goes on growing until something is killed
        (side(*[at_limit(40)] * 3), Metric.PEAK_RSS, Verdict.WARN),
        (side(*[killed(40)] * 3), Metric.PEAK_RSS, Verdict.INCONCLUSIVE),
        (side(*[trial(40)] * 3), Metric.PEAK_RSS, Verdict.PASS),
    ],
)
def test_growth_that_the_limit_cut_off_does_not_pass_in_silence(
    head: SideMeasurement, metric: Metric, verdict: Verdict
) -> None:
    base = side(*[trial(40)] * max(3, len(head.trials)))
    row = with_growth(metric, head, base)
    assert row.verdict is verdict
    if verdict is Verdict.INCONCLUSIVE:
        assert row.inconclusive is Inconclusive.NOT_MEASURED, "noise is not what hides it"
        assert "the limit cut its peak off in" in str(reason_of(row))


def test_a_kill_in_one_trial_counts_whatever_the_median_says() -> None:
    judged = judge_image(image(base=QUIET, head=side(trial(40), trial(40), trial(40), killed(40))))
    assert (judged.verdict, judged.status) == (Verdict.FAIL, Status.OOM_KILLED)


def test_a_kill_that_nobody_counted_in_one_trial_is_not_none() -> None:
    unknown = MetricValue.absent(Metric.OOM_KILLS, "the log has a gap")
    none, one = (MetricValue.of(Metric.OOM_KILLS, count) for count in (0, 1))
    reason = aggregated(Metric.OOM_KILLS, [none, unknown, none]).reason
    assert reason == "not counted in 1 of 3 trials: the log has a gap"
    assert aggregated(Metric.OOM_KILLS, [none, unknown, one]).value == 1, "what is known counts"
    head = side(trial(40), replace(trial(40), metrics={**trial(40).metrics, Metric.OOM_KILLS: unknown}))
    judged = judge([image(base=QUIET, head=head)])
    assert judged.inconclusive is Inconclusive.NOT_MEASURED


def test_only_the_phase_that_was_largest_reached_the_limit() -> None:
    one = replace(at_limit(90), phases=(phase("warm", 0, 10, 30, 34), phase("burst", 10, 10, 90, 127)))
    head = side(one, one, one)
    allowed = {name: {Metric.PEAK_MEMORY: EffectiveBudget(128 * MIB)} for name in ("warm", "burst")}
    rows = judge_image(replace(image(base=QUIET, head=head), phase_budgets=allowed)).rows
    at = {row.phase: row.trials_at_limit for row in rows if row.phase}
    assert at == {"warm": None, "burst": TrialsAtLimit(3, 3)}
