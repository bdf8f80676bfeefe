"""Ours beside scipy's: the same bounds, or bounds at which its test changes its mind."""

from collections.abc import Sequence
from statistics import median

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from membudget.core.intervals import median_interval, ratio_interval, shift_interval, student

# None that so many halves give exactly: at such a boundary scipy takes one bound and leaves the other.
confidences = st.sampled_from([0.55, 0.8, 0.9, 0.95, 0.99])
samples = st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=12, unique=True)


@pytest.mark.thorough
@given(samples, confidences)
def test_the_median_lies_between_the_values_that_scipy_names(values: list[int], confidence: float) -> None:
    from scipy.stats import quantile_test  # half a second, which `make unit` saves

    ours = median_interval(values, confidence)
    theirs = quantile_test(values, q=0, p=0.5).confidence_interval(confidence)
    assert ours.estimate == median(values)
    if ours.confidence >= confidence:
        assert (ours.low, ours.high) == (theirs.low, theirs.high)
    else:  # so few values give no such confidence: scipy says that there is no bound
        assert (ours.low, ours.high) == (min(values), max(values))
        assert theirs.low != theirs.low or theirs.high != theirs.high


@pytest.mark.thorough
@given(samples, samples, confidences)
def test_a_test_of_scipys_cannot_tell_shifts_between_the_bounds_apart_and_can_tell_those_beyond(
    before: list[int], after: list[int], confidence: float
) -> None:
    ours = shift_interval(before, after, confidence)
    assume(ours.confidence >= confidence)
    for shift, is_told_apart in (
        (ours.low + 0.25, False), (ours.high - 0.25, False), (ours.low - 0.25, True), (ours.high + 0.25, True),
    ):  # fmt: skip
        if ours.low == ours.high and not is_told_apart:
            continue
        assert (p_value(before, after, shift) <= 1 - confidence + 1e-12) is is_told_apart


@pytest.mark.thorough
@given(samples, samples, confidences)
def test_the_bounds_hold_what_they_say(before: list[int], after: list[int], confidence: float) -> None:
    ours = shift_interval(before, after, confidence)
    assert ours.low <= ours.estimate <= ours.high
    assert ours.margin >= 0
    assert 0 <= ours.confidence <= 1
    swapped = shift_interval(after, before, confidence)
    assert (swapped.low, swapped.estimate, swapped.high) == (-ours.high, -ours.estimate, -ours.low)


@given(
    st.lists(st.integers(1, 10**12), min_size=1, max_size=8), st.lists(st.integers(1, 10**12), min_size=1), confidences
)
def test_a_ratio_and_its_inverse_have_the_same_bounds(before: list[int], after: list[int], confidence: float) -> None:
    ours = ratio_interval(before, after, confidence)
    assert ours.confidence == shift_interval(before, after, confidence).confidence
    assert ours.low <= ours.estimate <= ours.high
    ratios = sorted(late / early for late in after for early in before)
    assert ratios.index(ours.low) <= len(ratios) - 1 - ratios.index(ours.high)
    swapped = ratio_interval(after, before, confidence)
    assert swapped.low * ours.high == pytest.approx(1)
    assert swapped.high * ours.low == pytest.approx(1)


def test_a_ratio_of_known_samples() -> None:
    ours = ratio_interval([100, 100, 100, 100], [140, 150, 160, 145], 0.95)
    assert (ours.estimate, ours.low, ours.high) == (1.475, 1.4, 1.6)


@pytest.mark.parametrize(("before", "after"), [([], [1]), ([1], []), ([0, 1], [1]), ([1], [-1])])
def test_what_is_not_positive_has_no_ratio(before: list[int], after: list[int]) -> None:
    with pytest.raises(ValueError, match="no positive values"):
        ratio_interval(before, after, 0.9)


@pytest.mark.parametrize(("count", "attained"), [(1, 0.0), (3, 0.9), (4, 1 - 2 / 70), (5, 1 - 2 / 252)])
def test_few_trials_give_the_confidence_they_can(count: int, attained: float) -> None:
    ours = shift_interval(range(count), range(100, 100 + count), 0.999)
    assert ours.confidence == pytest.approx(attained)
    assert (ours.low, ours.high) == (101 - count, 99 + count)


def test_equal_values_leave_no_doubt() -> None:
    assert shift_interval([5, 5, 5], [9, 9, 9], 0.9).margin == 0
    assert median_interval([7], 0.95).low == 7


@pytest.mark.parametrize(("before", "after"), [([], [1]), ([1], [])])
def test_nothing_has_no_interval(before: Sequence[int], after: Sequence[int]) -> None:
    with pytest.raises(ValueError, match="no values"):
        shift_interval(before, after, 0.9)
    with pytest.raises(ValueError, match="no values"):
        median_interval([], 0.9)


def p_value(before: Sequence[int], after: Sequence[int], shift: float) -> float:
    from scipy.stats import mannwhitneyu

    moved = [value - shift for value in after]
    return float(mannwhitneyu(moved, before, alternative="two-sided", method="exact").pvalue)


@pytest.mark.thorough
@pytest.mark.parametrize("confidence", [0.95, 0.99])
@pytest.mark.parametrize("degrees", [*range(1, 16), 30, 100])
def test_a_quantile_of_students_t_is_scipys_or_wider(degrees: int, confidence: float) -> None:
    from scipy.stats import t

    exact = float(t.ppf((1 + confidence) / 2, degrees))
    assert exact - 0.005 <= student(degrees, confidence) <= 1.09 * exact
    assert student(degrees) == student(degrees, 0.95)
