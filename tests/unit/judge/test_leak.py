"""Growth without end, plateau, noise: single soaks whose answer is plain. The rates are the benchmark's."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.core.quantities import MIB
from membudget.judge.leak import BLOCKS, LeakVerdict, SoakSeries, Trend, judge_soak

SOAK_MS = 120_000
TICKS = 240


def soak(shape: Callable[[float], float]) -> SoakSeries:
    """RSS in MiB by the share of the soak, with a ripple that is no noise and no trend."""
    times = [number / (TICKS - 1) for number in range(TICKS)]
    rss = [round(MIB * (shape(time) + 0.2 * math.sin(97 * time))) for time in times]
    return SoakSeries([time * SOAK_MS for time in times], rss)


def judged(shape: Callable[[float], float], base: Callable[[float], float] | None = None) -> LeakVerdict:
    verdict = judge_soak([soak(shape)] * 3, [soak(base)] * 3 if base else [])
    assert verdict is not None
    return verdict


def level(time: float) -> float:
    del time
    return 100.0


def leak(time: float) -> float:
    return 100 + 10 * time


def cache(time: float) -> float:
    return 100 + 30 * (1 - math.exp(-time / 0.2))


def saw(time: float) -> float:
    return 100 + 20 * (9 * time % 1)


def late_step(time: float) -> float:
    return 100.0 if time < 0.7 else 110.0


def falling(time: float) -> float:
    return 100 - 10 * time


@pytest.mark.parametrize(
    ("shape", "trend"),
    [
        (level, Trend.NOISE),
        (leak, Trend.GROWTH),
        (cache, Trend.PLATEAU),
        (saw, Trend.NOISE),
        (lambda time: saw(time) + 10 * time, Trend.GROWTH),
        (late_step, Trend.PLATEAU),
        (falling, Trend.NOISE),
        (lambda time: 100 + 0.5 * time, Trend.NOISE),
    ],
    ids=["level", "leak", "cache", "saw", "leak under a saw", "step", "falling", "too little to matter"],
)
def test_shapes_are_told_apart(shape: Callable[[float], float], trend: Trend) -> None:
    assert judged(shape).trend is trend


def test_growth_is_given_by_the_minute_with_its_interval() -> None:
    verdict = judged(leak)
    assert verdict.soak_ms == SOAK_MS
    assert verdict.bytes_per_minute == pytest.approx(5 * MIB, rel=0.02)
    assert verdict.low < 5 * MIB < verdict.high
    assert verdict.high - verdict.low < MIB
    assert verdict.growth_bytes == pytest.approx(10 * MIB, rel=0.02)


@pytest.mark.parametrize(
    ("shape", "base", "trend"),
    [
        (leak, level, Trend.GROWTH),
        (leak, leak, Trend.NOISE),
        (cache, cache, Trend.PLATEAU),
        (lambda time: cache(time) + 10 * time, cache, Trend.GROWTH),
        (level, falling, Trend.NOISE),
        (cache, level, Trend.PLATEAU),
    ],
    ids=["new leak", "old leak", "the same cache", "leak on top of a cache", "base sank", "new cache"],
)
def test_what_base_does_as_well_is_taken_off(
    shape: Callable[[float], float], base: Callable[[float], float], trend: Trend
) -> None:
    verdict = judged(shape, base)
    assert verdict.is_paired
    assert verdict.trend is trend


def test_growth_that_slows_down_and_does_not_end_is_undecided() -> None:
    assert judged(lambda time: 100 + 12 * (1 - math.exp(-time / 1.2))).trend is Trend.UNDECIDED
    assert judged(lambda time: 100 + 12 * (1 - math.exp(-time / 0.8))).trend is Trend.UNDECIDED


def test_too_few_samples_say_nothing() -> None:
    few = SoakSeries([float(number) for number in range(BLOCKS)], [MIB] * BLOCKS)
    assert judge_soak([few]) is None
    assert judge_soak([]) is None
    clumped = SoakSeries([*[0.0] * 100, 1000.0], [MIB] * 101)
    assert judge_soak([clumped]) is None


def test_series_that_nobody_measured_break_nothing() -> None:
    assert judge_soak([SoakSeries([7.0] * 100, [MIB] * 100)]) is None
    backwards = SoakSeries([float(-number) for number in range(100)], [MIB] * 100)
    verdict = judge_soak([backwards])
    assert verdict is not None
    assert verdict.trend is Trend.NOISE


@pytest.mark.thorough
@given(st.lists(st.integers(0, 1 << 50), min_size=BLOCKS * 3, max_size=200))
def test_any_series_has_a_verdict(rss: list[int]) -> None:
    verdict = judge_soak([SoakSeries([float(number) for number in range(len(rss))], rss)])
    assert verdict is not None
    assert verdict.low <= verdict.bytes_per_minute <= verdict.high
