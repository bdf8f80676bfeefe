"""How to accept growth that is wanted: what is proposed lets the same figures pass."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.budgets.rules import EffectiveBudget, Tolerance
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import KIB, MIB
from membudget.judge.acceptance import (
    Acceptance,
    LargerLimit,
    group_acceptances,
    image_acceptances,
    larger_limit,
)
from membudget.judge.bounds import fixed_bounds
from membudget.judge.image import judge_image
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.metric import Verdict, judge_metric
from membudget.measure.trial import LimitContact
from tests.support.builders import budgets, image, side, throughput, trial


def accepted(measured: ImageMeasurement) -> tuple[Acceptance, ...]:
    return image_acceptances(measured, judge_image(measured).rows)


def with_them(measured: ImageMeasurement) -> ImageMeasurement:
    """The image with the budgets that are proposed."""
    changed = dict(measured.budgets)
    for one in accepted(measured):
        budget = changed[one.metric]
        changed[one.metric] = replace(
            budget,
            max=one.max if one.max is not None else budget.max,
            min=one.min if one.min is not None else budget.min,
            tolerance=one.growth or budget.tolerance,
            below_limit=measured.limit_bytes - one.headroom if one.headroom is not None else budget.below_limit,
        )
    return replace(measured, budgets=changed)


def test_both_keys_are_raised_to_readable_values_with_some_room() -> None:
    allowed = budgets(max_rss=96, rss_growth=(5, 2))
    measured = image(base=side(trial(69.7)), head=side(trial(103.1)), allowed=allowed)
    assert accepted(measured) == (
        Acceptance(
            Metric.PEAK_RSS, None, max=110 * MIB, growth=Tolerance(5, 36 * MIB), allow=110 * MIB
        ),
    )  # fmt: skip
    assert judge_image(with_them(measured)).verdict is Verdict.PASS


def test_what_is_not_broken_is_not_raised() -> None:
    allowed = budgets(max_rss=120, rss_growth=(5, 2))
    (one,) = accepted(image(base=side(trial(69.7)), head=side(trial(103.1)), allowed=allowed))
    assert (one.max, one.growth) == (None, Tolerance(5, 36 * MIB))


def test_a_maximum_is_not_raised_above_the_limit() -> None:
    (one,) = accepted(image(head=side(trial(103.1)), allowed=budgets(max_rss=96), limit=104))
    assert (one.max, one.allow) == (104 * MIB, 110 * MIB)


def test_headroom_is_lowered() -> None:
    allowed = {Metric.PEAK_RSS: EffectiveBudget(below_limit=100 * MIB)}
    measured = image(head=side(trial(103.1)), allowed=allowed, limit=128)
    (one,) = accepted(measured)
    assert one.headroom == 18 * MIB
    assert judge_image(with_them(measured)).verdict is Verdict.PASS


def killed(rss: float = 63.8, **allowed: Any) -> ImageMeasurement:
    return image(base=side(trial(20)), head=side(trial(rss, oom_kills=1)), allowed=budgets(**allowed), limit=64)


def limit_of(measured: ImageMeasurement) -> LargerLimit | None:
    return larger_limit(measured, judge_image(measured).rows)


def test_after_an_oom_kill_limit_and_budgets_get_half_as_much_again() -> None:
    made = killed(max_rss=50, rss_growth=(5, 2), max_size=90)
    assert limit_of(made) == LargerLimit(100 * MIB, was_killed=True)
    rss = next(one for one in accepted(made) if one.metric is Metric.PEAK_RSS)
    assert rss == Acceptance(Metric.PEAK_RSS, None, 100 * MIB, growth=Tolerance(5, 80 * MIB), allow=100 * MIB)
    assert Metric.IMAGE_SIZE in {one.metric for one in accepted(made)}


@pytest.mark.parametrize("peak", [64, 80, 100])
def test_whatever_then_fits_into_the_limit_passes(peak: int) -> None:
    made = with_them(killed(max_rss=50, rss_growth=(5, 2)))
    bigger = limit_of(made)
    assert bigger is not None
    again = replace(made, head=side(trial(peak), trial(peak), trial(peak)), limit_bytes=bigger.bytes)
    assert judge_image(again).verdict is Verdict.PASS


def test_without_a_budget_of_the_peak_the_limit_alone_is_raised() -> None:
    assert accepted(killed()) == ()
    assert limit_of(killed()) == LargerLimit(100 * MIB, was_killed=True)


def test_a_peak_over_budget_that_reached_the_limit_needs_a_larger_one_as_well() -> None:
    reached = replace(trial(60), at_limit=LimitContact(1874, 96 * MIB, 640, is_thrashing=True))
    made = image(base=side(trial(20)), head=side(reached), allowed=budgets(max_rss=50), limit=64)
    assert limit_of(made) == LargerLimit(100 * MIB, was_killed=False)
    assert [one.max for one in accepted(made)] == [100 * MIB]


def test_an_image_that_stays_below_its_limit_keeps_it() -> None:
    made = image(base=side(trial(20)), head=side(trial(60)), allowed=budgets(max_rss=50), limit=64)
    assert limit_of(made) is None


def test_every_trial_is_covered() -> None:
    allowed = {Metric.PEAK_RSS: EffectiveBudget(96 * MIB, every=True)}
    measured = image(head=side(trial(40), trial(120), trial(41)), allowed=allowed)
    (one,) = accepted(measured)
    assert (one.max, one.allow) == (128 * MIB, 130 * MIB)
    assert judge_image(with_them(measured)).verdict is Verdict.PASS


def test_sums_of_groups_are_raised_without_an_exception() -> None:
    size = MetricValue.of(Metric.IMAGE_SIZE, 400 * MIB)
    row = judge_metric(Metric.IMAGE_SIZE, None, size, EffectiveBudget(350 * MIB))
    assert group_acceptances([row]) == (Acceptance(Metric.IMAGE_SIZE, None, max=420 * MIB),)


tolerances = st.none() | st.builds(Tolerance, st.sampled_from([0.0, 2.5, 20.0]), st.integers(0, 4 * MIB))
rules = st.builds(
    EffectiveBudget, st.none() | st.integers(0, 64 * MIB), tolerances, st.none() | st.integers(16 * KIB, 100 * MIB)
)


def peaks(most: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(1, most), min_size=1, max_size=6)


@pytest.mark.thorough
@given(base=peaks(60 * MIB), head=peaks(126 * MIB), budget=rules, every=st.booleans())
def test_what_is_proposed_lets_the_same_figures_pass(
    base: list[int], head: list[int], budget: EffectiveBudget, every: bool
) -> None:
    allowed = {Metric.PEAK_RSS: replace(budget, every=every and bool(fixed_bounds(budget)))}
    sides = [side(*(trial(value / MIB) for value in values)) for values in (base, head)]
    measured = image(base=sides[0], head=sides[1], allowed=allowed)
    before = judge_image(measured)
    proposed = accepted(measured)
    if before.verdict is Verdict.FAIL:
        assert proposed
        assert judge_image(with_them(measured)).verdict.passes
    else:
        assert not proposed


def test_a_minimum_is_lowered_and_a_drop_allowed_with_some_room() -> None:
    allowed = {Metric.REQUESTS_PER_SECOND: EffectiveBudget(min=1_500_000, tolerance=Tolerance(5, 50_000))}
    sides = [side(*(throughput(rate) for _ in range(5))) for rate in (1900, 1400)]
    measured = image(base=sides[0], head=sides[1], allowed=allowed)
    (one,) = accepted(measured)
    assert (one.min, one.growth, one.allow) == (1_330_000, Tolerance(5, 530_000), 1_330_000)
    assert judge_image(with_them(measured)).verdict is Verdict.PASS


low_rates = st.lists(st.integers(0, 3000), min_size=1, max_size=6)


@pytest.mark.thorough
@given(base=low_rates, head=low_rates, level=st.integers(1, 3000), every=st.booleans())
def test_what_is_proposed_for_a_rate_lets_the_same_figures_pass(
    base: list[int], head: list[int], level: int, every: bool
) -> None:
    budget = EffectiveBudget(min=1000 * level, tolerance=Tolerance(5, 10_000), every=every)
    sides = [side(*map(throughput, values)) for values in (base, head)]
    measured = image(base=sides[0], head=sides[1], allowed={Metric.REQUESTS_PER_SECOND: budget})
    if judge_image(measured).verdict is Verdict.FAIL:
        assert accepted(measured)
        assert judge_image(with_them(measured)).verdict.passes
    else:
        assert accepted(measured) == ()
