"""The request and limit that follow from figures, and whether memory can scale an image."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.budgets.fit import LastFit
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.judge.sizing import Need, Scaling, Sizing, growth_with_load, scaling, sizing
from membudget.measure.trial import Trial
from tests.support.builders import image, side, trial


def of(*trials: Trial, fit: LastFit | None = None) -> Sizing | None:
    """What follows from trials."""
    head = side(*trials)
    return sizing(replace(image(base=head, head=head, limit=1000), fit=fit), head)


def found(*peaks: float, fit: LastFit | None = None) -> Sizing:
    """What follows from peaks. The builder's settled working set is half of a peak and 3 MiB."""
    advised = of(*map(trial, peaks), fit=fit)
    assert advised is not None
    return advised


def test_without_a_fit_the_limit_is_the_largest_peak_and_a_margin() -> None:
    one = found(40, 40, 40)
    assert (one.need, one.need_bytes, one.limit_bytes) == (Need.PEAK, 40 * MIB, 50 * MIB)  # 46 MiB, in steps of 5
    assert one.margin.bytes == 6 * MIB
    assert one.margin.spread_bytes == 0
    assert one.request_bytes == 24 * MIB  # 23 MiB at rest, in steps of 2


def test_peaks_that_spread_take_a_larger_margin() -> None:
    """40, 50 and 60 MiB: s = 10 MiB, t = 4.303, × √(1 + 1/3) = 49.7 MiB."""
    one = found(40, 50, 60)
    assert one.margin.spread_bytes == pytest.approx(49.7 * MIB, rel=0.01)
    assert one.limit_bytes == 110 * MIB


def test_a_fit_says_what_is_needed() -> None:
    one = found(40, 40, fit=LastFit(44 * MIB, 52 * MIB, 20.0, 40 * MIB))
    assert (one.need, one.need_bytes) == (Need.FIT, 52 * MIB)
    assert one.limit_bytes == 65 * MIB  # 62.4 MiB, in steps of 5


def test_a_fit_of_another_peak_says_nothing() -> None:
    assert found(80, 80, fit=LastFit(44 * MIB, 52 * MIB, 20.0, 40 * MIB)).need is Need.PEAK


def test_production_needs_a_multiple_of_everything() -> None:
    """40 MiB and 20 MiB at rest in CI, × 1.5, and 15 % more for the limit."""
    head = side(trial(40), trial(40))
    one = sizing(replace(image(base=head, head=head, limit=1000), scale=1.5), head)
    assert one is not None
    assert (one.need_bytes, one.margin.bytes, one.limit_bytes) == (40 * MIB, 9 * MIB, 70 * MIB)
    assert one.settled_bytes == 23 * MIB
    assert one.request_bytes == 36 * MIB  # 34.5 MiB, in steps of 2
    rests = scaling(one, 80)
    assert rests is not None
    assert rests.settled_bytes == 34.5 * MIB


def test_peaks_that_spread_are_as_far_apart_in_production() -> None:
    head = side(trial(40), trial(50), trial(60))
    one = sizing(replace(image(base=head, head=head, limit=1000), scale=2.0), head)
    assert one is not None
    assert one.margin.spread_bytes == pytest.approx(99.4 * MIB, rel=0.01)


def test_after_a_kill_nobody_knows_what_is_needed() -> None:
    assert of(trial(40, oom_kills=1)) is None
    assert of() is None


def test_a_peak_without_an_upper_bound_does_not_count() -> None:
    one = trial(40)
    one.metrics[Metric.PEAK_RSS] = MetricValue.of(Metric.PEAK_RSS, 40 * MIB, is_lower_bound=True)
    assert of(trial(40), one) is None


def test_a_container_that_ends_requests_its_limit() -> None:
    one = trial(40)
    one.metrics[Metric.SETTLED_WORKING_SET] = MetricValue.absent(Metric.SETTLED_WORKING_SET, "it ended")
    advised = of(one)
    assert advised is not None
    assert advised.is_request_the_limit
    assert scaling(advised, 80) is None


@given(st.lists(st.floats(1, 2000), min_size=1, max_size=6))
def test_a_limit_is_above_every_peak_and_the_request_within_it(peaks: list[float]) -> None:
    one = found(*peaks)
    assert one.request_bytes <= one.limit_bytes
    assert one.limit_bytes >= 1.14 * max(peaks) * MIB
    assert one.need_bytes + one.margin.bytes <= one.limit_bytes


@pytest.mark.parametrize(
    ("request_mib", "rests_at"),
    [
        (50, None),  # at rest a pod uses 125 % of its target
        (69, None),  # 90.6 %: within the autoscaler's tolerance
        (70, 9),  # 89.3 %: 10 pods become 9, and 9 stay 9
        (100, 2),  # 62.5 %: 3 pods become 2, and 2 stay 2
        (125, 1),  # 50 %: 2 pods become 1
        (200, 1),
    ],
)
def test_whether_memory_ever_removes_a_pod(request_mib: int, rests_at: int | None) -> None:
    one = Scaling(80, 50 * MIB, request_mib * MIB)
    assert one.rests_at == rests_at
    assert one.can_scale_down == (rests_at is not None)


@given(st.integers(1, 10**9), st.integers(1, 10**9), st.integers(10, 200))
def test_the_request_that_is_told_removes_pods(settled: int, request: int, target: int) -> None:
    one = Scaling(target, settled, request)
    assert replace(one, request_bytes=one.least_request_bytes).can_scale_down


def test_growth_with_load_is_certain_or_not() -> None:
    one = side(trial(40))
    one.metrics[Metric.RSS_PER_CONNECTION] = MetricValue.estimate(Metric.RSS_PER_CONNECTION, 1000, 900, 1100)
    one.metrics[Metric.RSS_PER_STREAM] = MetricValue.estimate(Metric.RSS_PER_STREAM, 10, -900, 1100)
    assert [(growth.metric, growth.grows) for growth in growth_with_load(one)] == [
        (Metric.RSS_PER_CONNECTION, True),
        (Metric.RSS_PER_STREAM, False),
    ]
