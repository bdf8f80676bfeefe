"""How CI's peak compares with production's."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.judge.measurement import Failure, FailureStage
from membudget.judge.production import (
    CiNotMeasured,
    ImageFidelity,
    NotSeen,
    OfCi,
    ProductionUse,
    Reach,
    compare,
    of_report,
)
from membudget.measure.probe.messages import Series
from membudget.measure.trial import Trial
from tests.support.builders import image, side, trial
from tests.unit.judge.production_cases import production

RSS = Metric.PEAK_RSS


def reach(*ci_mib: float, scale: float = 1, cut_off: bool = False, **more: object) -> Reach:
    """How trials compare with 100 MiB in production."""
    samples = tuple(round(mib * MIB) for mib in ci_mib)
    of_ci = replace(OfCi(sorted(samples)[len(samples) // 2], samples), **more)  # type: ignore[arg-type]
    return compare(RSS, of_ci, ProductionUse(100 * MIB), scale, is_cut_off=cut_off).reach


@pytest.mark.parametrize(
    ("ci_mib", "expected"),
    [
        ((62, 62, 62), Reach.BELOW),
        ((89.9,), Reach.BELOW),
        ((90,), Reach.HOLDS),
        ((95, 100, 109), Reach.HOLDS),
        ((110,), Reach.HOLDS),
        ((110.1,), Reach.ABOVE),
        ((85, 88, 95), Reach.UNCLEAR),
        ((105, 108, 120), Reach.UNCLEAR),
        ((60, 100, 140), Reach.UNCLEAR),
    ],
)
def test_a_peak_holds_within_a_tenth_if_all_trials_say_so(ci_mib: tuple[float, ...], expected: Reach) -> None:
    assert reach(*ci_mib) is expected


def test_the_scale_counts() -> None:
    assert reach(62, 63, 64, scale=1.6) is Reach.HOLDS
    assert reach(62, 63, 64, scale=2) is Reach.ABOVE


def test_a_peak_that_was_cut_off_in_production_is_only_ever_too_large_for_ci() -> None:
    """It may have been any size."""
    assert reach(62, 63, 64, cut_off=True) is Reach.BELOW
    assert reach(100, cut_off=True) is Reach.UNCLEAR
    assert reach(200, cut_off=True) is Reach.UNCLEAR


def test_a_lower_bound_of_ci_is_only_ever_too_large_for_production() -> None:
    assert reach(50, is_lower_bound=True) is Reach.UNCLEAR
    assert reach(100, is_lower_bound=True) is Reach.UNCLEAR
    assert reach(120, is_lower_bound=True) is Reach.ABOVE


def test_a_missed_spike_may_have_been_larger() -> None:
    assert reach(80, 80, 80, at_most_bytes=95 * MIB) is Reach.UNCLEAR


@pytest.mark.parametrize(
    ("ci_mib", "scale"), [(62.5, 1.6), (62, 1.7), (100, 1), (99, 1.1), (0.5, None), (101, 1), (200, None), (0, None)]
)
def test_the_wanted_scale_is_rounded_up(ci_mib: float, scale: float | None) -> None:
    """A scale under 1 would make limits smaller than what CI proved to be needed."""
    found = compare(RSS, OfCi(round(ci_mib * MIB)), ProductionUse(100 * MIB), 1, is_cut_off=False)
    assert found.wanted_scale == scale


@given(st.integers(1, 2**40), st.integers(1, 2**40))
def test_the_wanted_scale_closes_the_gap(ci: int, production_bytes: int) -> None:
    found = compare(RSS, OfCi(ci, (ci,)), ProductionUse(production_bytes), 1, is_cut_off=False)
    if found.wanted_scale is not None and found.wanted_scale > 1:
        scaled = compare(RSS, OfCi(ci, (ci,)), ProductionUse(production_bytes), found.wanted_scale, is_cut_off=False)
        assert scaled.percent >= 100 - 1e-6
        assert scaled.reach in (Reach.HOLDS, Reach.ABOVE)


def sampled(rss: float, shared: float) -> Trial:
    """A trial with a series, in MiB."""
    series = Series([0, 1000], [MIB, round((rss - shared) * MIB)], [MIB, round(rss * MIB)], [MIB, MIB], [MIB, MIB])
    return replace(trial(rss), series=series)


def test_shared_memory_is_left_out_because_production_has_none() -> None:
    head = side(sampled(100, 30), sampled(102, 30), sampled(104, 30))
    found = of_report(image(head=head))
    assert not isinstance(found, CiNotMeasured)
    assert found[RSS] == OfCi(72 * MIB, (70 * MIB, 72 * MIB, 74 * MIB), shared_bytes=30 * MIB)
    assert found[Metric.PEAK_WORKING_SET] == OfCi(105 * MIB, (103 * MIB, 105 * MIB, 107 * MIB))


def test_an_image_without_figures_says_why() -> None:
    assert of_report(image(head=side(failure=Failure(FailureStage.BUILD, "no")))) is CiNotMeasured.FAILED
    assert of_report(replace(image(head=side(trial())), is_unchanged=True)) is CiNotMeasured.UNCHANGED
    absent = replace(side(trial()), metrics={RSS: MetricValue.absent(RSS, "no sample")})
    assert of_report(image(head=absent)) is CiNotMeasured.FAILED


def test_rss_decides_if_both_sides_know_it() -> None:
    known = {RSS: OfCi(62), Metric.PEAK_WORKING_SET: OfCi(90)}
    seen = production(rss=100, working_set=100)
    assert [one.metric for one in ImageFidelity("api", 1, seen, known).compared] == [RSS, Metric.PEAK_WORKING_SET]
    alone = ImageFidelity("api", 1, seen, {Metric.PEAK_WORKING_SET: OfCi(90)})
    assert [one.metric for one in alone.compared] == [Metric.PEAK_WORKING_SET]


def test_nothing_is_compared_without_both_sides() -> None:
    assert ImageFidelity("api", 1, NotSeen.NO_SERIES, {RSS: OfCi(62)}).compared == ()
    assert ImageFidelity("api", 1, production(rss=100), CiNotMeasured.FAILED).compared == ()
    assert ImageFidelity("api", 1, production(working_set=100), {RSS: OfCi(62)}).compared == ()
