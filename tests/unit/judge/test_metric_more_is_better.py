"""Metrics of which more is better: minimums and drops, with the same certainty as maximums and growth."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.budgets.exceptions import ExceptionInForce
from membudget.budgets.rules import EffectiveBudget, Tolerance, WarnLevels
from membudget.core.metrics import Metric, MetricValue
from membudget.core.untrusted_text import raw
from membudget.judge.bounds import BoundKind
from membudget.judge.evidence import Samples
from membudget.judge.image import Status, judge_image
from membudget.judge.metric import Inconclusive, Row, Verdict, judge_metric
from membudget.report.row_words import row_sentence
from tests.support.builders import image, side, throughput

RATE = Metric.REQUESTS_PER_SECOND
TIME = Metric.LATENCY_P95


def said(row: Row) -> str:
    return raw(row_sentence(row))


def judged(base: list[int] | None, head: list[int], budget: EffectiveBudget, metric: Metric = RATE) -> Row:
    """Rates are in requests a second."""
    sides = [[1000 * value for value in values] for values in (base or [], head)]
    before = MetricValue.of(metric, sorted(sides[0])[len(sides[0]) // 2]) if base is not None else None
    after = MetricValue.of(metric, sorted(sides[1])[len(sides[1]) // 2])
    samples = Samples(base=tuple(sides[0]), head=tuple(sides[1]), head_worst=tuple(sides[1]))
    return judge_metric(metric, before, after, budget, samples)


def test_a_rate_above_its_minimum_passes_with_what_is_left() -> None:
    row = judged(None, [1600] * 5, EffectiveBudget(min=1_500_000))
    assert (row.verdict, row.headroom) == (Verdict.PASS, 100_000)
    assert row.nearest is not None
    assert row.nearest.kind is BoundKind.MIN


def test_a_rate_certainly_below_its_minimum_fails() -> None:
    row = judged(None, [1400] * 6, EffectiveBudget(min=1_500_000))
    assert (row.verdict, row.headroom) == (Verdict.FAIL, -100_000)
    assert said(row) == "throughput is 100/s under min 1,500/s"


def test_a_rate_on_both_sides_of_its_minimum_is_open_or_noise() -> None:
    low = judged(None, [1400, 1450, 1600], EffectiveBudget(min=1_500_000))
    assert (low.verdict, low.inconclusive) == (Verdict.INCONCLUSIVE, Inconclusive.NOISE)
    assert "it may be under min 1,500/s: its median is between 1,400/s and 1,600/s" in said(low)
    high = judged(None, [1450, 1600, 1700], EffectiveBudget(min=1_500_000))
    assert (high.verdict, high.trials_over) != (Verdict.FAIL, None)
    assert said(high) == "throughput was under min 1,500/s in 1 of 3 trials, by up to 50.0/s"


def test_each_trial_has_to_keep_the_minimum_if_the_budget_says_so() -> None:
    row = judged(None, [1600, 1700, 1490], EffectiveBudget(min=1_500_000, every=True))
    assert (row.verdict, row.is_beyond_doubt, row.headroom) == (Verdict.FAIL, True, -10_000)
    assert said(row) == "throughput was under min 1,500/s in 1 of 3 trials, by up to 10.0/s"


def test_a_drop_beyond_the_tolerance_fails_and_a_rise_never_does() -> None:
    budget = EffectiveBudget(tolerance=Tolerance(5, 20_000))
    row = judged([1000, 1001, 1002, 999, 998], [880, 881, 882, 879, 878], budget)
    assert (row.verdict, row.delta) == (Verdict.FAIL, -120_000)
    assert said(row) == "throughput fell by 120/s (-12.0%), 70.0/s more than drop allows"
    risen = judged([880, 881, 882, 879, 878], [1000, 1001, 1002, 999, 998], budget)
    assert (risen.verdict, risen.is_within_noise) == (Verdict.PASS, False)


def test_a_drop_that_noise_explains_passes_within_noise() -> None:
    row = judged([900, 1100, 1000, 1200, 950], [800, 1050, 900, 1000, 980], EffectiveBudget(tolerance=Tolerance(5, 0)))
    assert (row.verdict, row.is_within_noise) == (Verdict.PASS, True)
    assert said(row) == "throughput shows no drop beyond its noise: between -400/s and +150/s"


def test_a_certain_drop_that_may_be_tolerated_is_inconclusive() -> None:
    row = judged([1000, 1010, 990, 1005, 995], [930, 975, 940, 970, 920], EffectiveBudget(tolerance=Tolerance(5, 0)))
    assert (row.verdict, row.inconclusive) == (Verdict.INCONCLUSIVE, Inconclusive.NOISE)
    assert said(row).endswith("it fell by 15.0/s to 90.0/s, and drop allows 50.0/s")


def test_a_low_rate_warns_before_it_fails() -> None:
    budget = EffectiveBudget(min=1_000_000, warn=WarnLevels(tolerance=Tolerance(5, 0), min=1_300_000))
    row = judged([1400] * 5, [1200] * 5, budget)
    assert row.verdict is Verdict.WARN
    assert said(row) == (
        "throughput is 100/s under warn.min 1,300/s and fell by 200/s (-14.3%), 130/s more than warn.drop allows"
    )


def test_a_drop_of_everything_is_never_beyond_a_tolerance_of_everything() -> None:
    assert judged([1000] * 5, [0] * 5, EffectiveBudget(tolerance=Tolerance(150, 0))).verdict is Verdict.PASS


rates = st.lists(st.integers(0, 4000), min_size=1, max_size=9)


@pytest.mark.thorough
@given(
    base=rates, head=rates, level=st.integers(0, 4000), floor=st.integers(0, 400), every=st.booleans(),
)  # fmt: skip
def test_the_verdict_mirrors_that_of_a_metric_of_which_less_is_better(
    base: list[int], head: list[int], level: int, floor: int, every: bool
) -> None:
    """Mirrored at 5,000: a rate of 1,500 against a minimum is a time of 3,500 against a maximum. Only the percentage of
    base has no mirror, so the tolerance is a floor.
    """
    mirror = 5000
    low = EffectiveBudget(min=1000 * level, tolerance=Tolerance(0, 1000 * floor), every=every)
    high = EffectiveBudget(max=1000 * (mirror - level), tolerance=Tolerance(0, 1000 * floor), every=every)
    one = judged(base, head, low)
    flipped = [[mirror - value for value in values] for values in (base, head)]
    other = judged(flipped[0], flipped[1], high, TIME)
    if len(base) % 2 and len(head) % 2:  # otherwise `judged` takes different middles
        assert (one.verdict, one.inconclusive, one.is_within_noise, one.is_settled) == (
            other.verdict, other.inconclusive, other.is_within_noise, other.is_settled,
        )  # fmt: skip
        assert (one.headroom, one.margin) == (other.headroom, other.margin)
        assert one.delta == -(other.delta or 0)
        assert [(type(a), type(b)) for a, b in zip(one.reasons, other.reasons, strict=True)] == [
            (type(a), type(a)) for a in one.reasons
        ]


def test_an_upper_bound_does_not_pass_by_what_was_measured() -> None:
    value = MetricValue(300_000, Metric.REQUESTS_PER_GIB.definition.unit, "upper bound", at_least=200_000)
    row = judge_metric(Metric.REQUESTS_PER_GIB, None, value, EffectiveBudget(min=250_000))
    assert (row.verdict, row.inconclusive) == (Verdict.INCONCLUSIVE, Inconclusive.NOISE)
    assert said(row) == ("throughput per GiB is inconclusive: the head's may be down to 200/s (upper bound)")


def test_an_image_that_only_serves_too_little_is_under_budget() -> None:
    budget = {RATE: EffectiveBudget(min=1_500_000)}
    slow = judge_image(image(head=side(*(throughput(1400) for _ in range(5))), allowed=budget))
    assert (slow.verdict, slow.status) == (Verdict.FAIL, Status.UNDER_BUDGET)
    larger = {**budget, Metric.PEAK_RSS: EffectiveBudget(max=1)}
    both = judge_image(image(head=side(*(throughput(1400) for _ in range(5))), allowed=larger))
    assert both.status is Status.OVER_BUDGET
    sometimes = judge_image(image(head=side(*map(throughput, (1600, 1600, 1400))), allowed=budget))
    assert (sometimes.verdict, sometimes.status) == (Verdict.WARN, Status.SOMETIMES_UNDER)


@pytest.mark.parametrize(("allow", "status"), [(1300, Status.WITHIN_BUDGET), (1450, Status.UNDER_BUDGET)])
def test_an_exception_covers_a_rate_that_is_no_lower_than_it_allows(allow: int, status: Status) -> None:
    exception = ExceptionInForce(1000 * allow, date(2099, 1, 1), "slow disks", None, ends_soon=False)
    measured = image(head=side(*(throughput(1400) for _ in range(5))), allowed={RATE: EffectiveBudget(min=1_500_000)})
    assert judge_image(replace(measured, exceptions={RATE: exception})).status is status
