"""Whether a limit follows from the last fit."""

from dataclasses import replace

import pytest

from membudget.budgets.fit import LastFit
from membudget.budgets.rules import EffectiveBudget
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.judge.fit import FitFault, LimitTooHigh, LimitTooLow, PeakMoved, fit_faults
from membudget.judge.image import OffItsFit, Status, judge_image
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.metric import Verdict
from tests.support.builders import budgets, image, side, trial

FIT = LastFit(100 * MIB, 110 * MIB, 15.0)


def fitted(fit: LastFit | None = FIT, *, limit: float = 128, peak: float = 40) -> ImageMeasurement:
    """An image with a limit, a peak and a last fit."""
    one = side(trial(peak))
    return replace(image(base=one, head=one, limit=limit, allowed=budgets(max_rss=1000)), fit=fit)


@pytest.mark.parametrize(
    ("limit", "faults"),
    [
        (114.9, (LimitTooLow(round(114.9 * MIB), 115 * MIB, 100 * MIB),)),
        (115, ()),
        (220, ()),
        (220.1, (LimitTooHigh(round(220.1 * MIB), 220 * MIB, 110 * MIB),)),
    ],
)
def test_a_limit_lies_between_the_headroom_and_twice_the_fit(limit: float, faults: tuple[FitFault, ...]) -> None:
    assert fit_faults(fitted(limit=limit)) == faults


def test_a_large_headroom_raises_the_upper_bound() -> None:
    assert fit_faults(fitted(LastFit(100 * MIB, 100 * MIB, 150.0), limit=250)) == ()


@pytest.mark.parametrize(
    ("limit", "faults"),
    [
        (183.9, (LimitTooLow(round(183.9 * MIB), 184 * MIB, 100 * MIB, 1.6),)),
        (184, ()),
        (352, ()),
        (352.1, (LimitTooHigh(round(352.1 * MIB), 352 * MIB, 110 * MIB, 1.6),)),
    ],
)
def test_both_bounds_are_for_production(limit: float, faults: tuple[FitFault, ...]) -> None:
    assert fit_faults(replace(fitted(limit=limit), scale=1.6)) == faults


def test_headroom_of_the_budget_raises_the_upper_bound() -> None:
    free = {Metric.PEAK_RSS: EffectiveBudget(below_limit=120 * MIB)}
    assert fit_faults(replace(fitted(limit=300), budgets=free)) == ()
    assert fit_faults(fitted(limit=300)) != ()


def test_an_image_that_was_never_fitted_has_no_faults() -> None:
    assert fit_faults(fitted(None, limit=1000)) == ()


@pytest.mark.parametrize(("peak", "is_moved"), [(40, False), (44, False), (44.1, True), (35.9, True)])
def test_a_peak_that_moved_asks_for_another_fit(peak: float, is_moved: bool) -> None:
    faults = fit_faults(fitted(replace(FIT, peak_rss_bytes=40 * MIB), limit=10_000, peak=peak))
    assert faults[:1] == ((PeakMoved(round(peak * MIB), 40 * MIB),) if is_moved else faults[:1])
    assert isinstance(faults[0], PeakMoved) == is_moved


def test_a_limit_off_its_fit_is_a_warning() -> None:
    judged = judge_image(fitted(limit=100))
    assert (judged.verdict, judged.status) == (Verdict.WARN, Status.OFF_ITS_FIT)
    (reason,) = judged.reasons
    assert isinstance(reason, OffItsFit)
    assert judge_image(fitted(limit=128)).verdict is Verdict.PASS


def test_a_broken_budget_is_graver_than_a_limit_off_its_fit() -> None:
    judged = judge_image(replace(fitted(limit=100, peak=40), budgets=budgets(max_rss=30)))
    assert (judged.verdict, judged.status) == (Verdict.FAIL, Status.OVER_BUDGET)
    assert any(isinstance(reason, OffItsFit) for reason in judged.reasons)
