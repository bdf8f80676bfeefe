"""The rates in docs/measurements.md: computation, simulation and the closed form say the same."""

import pytest

from benchmarks.every_trial import COUNTS, EVERY, MEDIAN, SHARES, TRIALS, computed, simulated
from membudget.budgets.rules import EffectiveBudget
from membudget.judge.metric import Verdict


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("count", COUNTS)
def test_every_fails_as_often_as_any_trial_is_above(share: float, count: int) -> None:
    rates = computed(EVERY, share, count).shares
    assert rates[Verdict.FAIL] == pytest.approx(1 - (1 - share) ** count)
    assert rates[Verdict.PASS] == pytest.approx((1 - share) ** count)


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("count", COUNTS)
def test_the_median_passes_in_silence_only_where_no_trial_is_above(share: float, count: int) -> None:
    rates = computed(MEDIAN, share, count).shares
    assert sum(rates.values()) == pytest.approx(1)
    assert rates[Verdict.PASS] == pytest.approx((1 - share) ** count)


def test_the_median_fails_a_service_of_rare_spikes_hardly_ever() -> None:
    assert computed(MEDIAN, 0.05, 3).shares[Verdict.FAIL] == pytest.approx(0.05**3)
    assert computed(MEDIAN, 0.01, 10).shares[Verdict.WARN] == pytest.approx(1 - 0.99**10, abs=1e-6)


@pytest.mark.thorough
@pytest.mark.parametrize("of", [MEDIAN, EVERY], ids=["median", "every"])
@pytest.mark.parametrize("share", [0.05, 0.5])
def test_simulation_and_computation_agree(of: EffectiveBudget, share: float) -> None:
    drawn, exact = simulated(of, share, 5, 5).shares, computed(of, share, 5).shares
    assert drawn == {verdict: pytest.approx(rate, abs=0.01) for verdict, rate in exact.items()}


@pytest.mark.thorough
def test_a_trial_that_was_over_ends_the_trials_where_every_one_counts() -> None:
    assert simulated(EVERY, 0.2, TRIALS.min, TRIALS.max).trials == pytest.approx(TRIALS.min)
    assert simulated(MEDIAN, 0.2, TRIALS.min, TRIALS.max).trials > TRIALS.min + 2
