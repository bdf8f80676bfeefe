"""Memory per connection, stream and thousand requests, from series whose answer is known."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import KIB, MIB
from membudget.measure.load import LoadPoint, LoadProgress, LoadUnit, unit_costs
from membudget.measure.probe.messages import Series

ORIGIN_NS = 5_000_000_000
NOTHING = (Metric.RSS_PER_CONNECTION, Metric.RSS_PER_STREAM, Metric.RSS_PER_1000_REQUESTS)


def ramp(unit: LoadUnit, most: int, ramp_ms: int = 2000, hold_ms: int = 1000) -> LoadProgress:
    """From nothing to `most` in equal steps, then no more."""
    counts = [round(most * min(1.0, at_ms / ramp_ms)) for at_ms in range(0, ramp_ms + hold_ms + 1, 20)]
    points = [
        LoadPoint(
            ORIGIN_NS + 20_000_000 * number,
            count if unit is LoadUnit.REQUEST else 0,
            count if unit is LoadUnit.STREAM else 0,
            count if unit is LoadUnit.CONNECTION else 0,
        )
        for number, count in enumerate(counts)
    ]
    return LoadProgress(unit, points)


def series(most: int, bytes_each: float, *, ramp_ms: int = 2000, noise: float = 0.0, seed: int = 1) -> Series:
    """RSS that follows such a ramp at once."""
    chance = random.Random(seed)
    times = range(0, 1000 * (ramp_ms + 1000), 10_000)
    rss = [
        round(40 * MIB + bytes_each * most * min(1.0, time_us / 1000 / ramp_ms) + chance.gauss(0, noise))
        for time_us in times
    ]
    return Series(list(times), rss, rss, rss, rss)


def cost(metric: Metric, progress: LoadProgress, seen: Series) -> MetricValue:
    return unit_costs([progress], seen, ORIGIN_NS)[metric]


@pytest.mark.parametrize(
    ("unit", "metric", "factor"),
    [
        (LoadUnit.CONNECTION, Metric.RSS_PER_CONNECTION, 1),
        (LoadUnit.STREAM, Metric.RSS_PER_STREAM, 1),
        (LoadUnit.REQUEST, Metric.RSS_PER_1000_REQUESTS, 1000),
    ],
)
def test_what_each_costs_is_fitted_over_the_ramp(unit: LoadUnit, metric: Metric, factor: int) -> None:
    value = cost(metric, ramp(unit, 1000), series(1000, 10 * KIB))
    assert value.value == pytest.approx(factor * 10 * KIB, rel=0.005)
    assert value.interval is not None
    assert value.interval[0] <= (value.value or 0) <= value.interval[1]


@pytest.mark.thorough
@given(st.integers(1, 200), st.integers(100, 5000), st.integers(0, 1000))
def test_the_interval_is_as_wide_as_the_noise_makes_it(kib_each: int, most: int, seed: int) -> None:
    noise = 0.02 * kib_each * KIB * most
    seen = series(most, kib_each * KIB, noise=noise, seed=seed)
    value = cost(Metric.RSS_PER_CONNECTION, ramp(LoadUnit.CONNECTION, most), seen)
    assert value.value == pytest.approx(kib_each * KIB, rel=0.08)
    assert value.interval is not None
    low, high = value.interval
    assert 0 <= high - low <= 0.2 * kib_each * KIB


def test_one_buffer_that_doubles_moves_little() -> None:
    seen = series(1000, 10 * KIB)
    seen.rss_bytes[150:] = [rss + 4 * MIB for rss in seen.rss_bytes[150:]]
    value = cost(Metric.RSS_PER_CONNECTION, ramp(LoadUnit.CONNECTION, 1000), seen)
    assert value.value == pytest.approx(10 * KIB, rel=0.25)  # by its two ends it would be 40 % more


def test_streams_that_end_and_begin_again_are_one_ramp() -> None:
    progress = ramp(LoadUnit.STREAM, 100)
    points = [
        LoadPoint(point.at_ns, 0, point.under_way - (number % 3 == 0), 0) if point.under_way else point
        for number, point in enumerate(progress.points)
    ]
    value = cost(Metric.RSS_PER_STREAM, LoadProgress(LoadUnit.STREAM, points), series(100, 64 * KIB))
    assert value.value == pytest.approx(64 * KIB, rel=0.05)


@pytest.mark.parametrize(
    ("progress", "seen", "reason"),
    [
        (ramp(LoadUnit.STREAM, 50), series(50, 1), "the workload holds no connections open"),
        (ramp(LoadUnit.CONNECTION, 5), series(5, 1), "5 of them are too few to fit: 10 or more"),
        (ramp(LoadUnit.CONNECTION, 50, 20), series(50, 1), "they came at once: a `ramp` is needed"),
        (LoadProgress(LoadUnit.CONNECTION, []), series(50, 1), "the workload holds no connections open"),
        (ramp(LoadUnit.CONNECTION, 50), Series(), "they came at once: a `ramp` is needed"),
    ],
)
def test_what_cannot_be_fitted_says_why(progress: LoadProgress, seen: Series, reason: str) -> None:
    value = cost(Metric.RSS_PER_CONNECTION, progress, seen)
    assert (value.value, value.reason) == (None, reason)


def test_no_clock_of_its_own_no_fit() -> None:
    costs = unit_costs([ramp(LoadUnit.CONNECTION, 50)], series(50, 1), None)
    assert costs[Metric.RSS_PER_CONNECTION].reason == "the engine's statistics are too few to fit"
    assert tuple(costs) == NOTHING
