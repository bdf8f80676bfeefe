"""Percentiles of counted latencies, against those of all latencies in order."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.measure.latencies import Latencies, step_of

durations = st.lists(st.integers(0, 24 * 3_600_000_000), min_size=1, max_size=300)
shares = st.sampled_from([0.001, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0])


def counted(values: list[int]) -> Latencies:
    return Latencies.of(Counter(map(step_of, values)).items())


@pytest.mark.thorough
@given(values=durations, share=shares)
def test_a_percentile_is_the_nearest_rank_to_half_a_thousandth(values: list[int], share: float) -> None:
    exact = sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
    found = counted(values).percentile(share)
    assert found is not None
    assert abs(found - exact) <= 0.0005 * exact + 0.5


@pytest.mark.thorough
@given(one=durations, other=durations, share=shares)
def test_loads_together_have_the_percentiles_of_all_their_latencies(
    one: list[int], other: list[int], share: float
) -> None:
    together = Latencies.together([counted(one), counted(other)])
    assert together == counted([*one, *other])
    assert together.total == len(one) + len(other)
    assert together.percentile(share) == counted([*one, *other]).percentile(share)


@pytest.mark.thorough
@given(values=durations)
def test_percentiles_never_fall(values: list[int]) -> None:
    found = counted(values)
    p50, p95, p99 = (found.percentile(share) or 0 for share in (0.5, 0.95, 0.99))
    assert p50 <= p95 <= p99


def test_below_two_milliseconds_each_microsecond_is_a_step() -> None:
    assert all(step_of(value) == value for value in range(2048))
    assert counted([1234]).percentile(0.5) == 1234


def test_the_steps_of_a_day_are_few() -> None:
    octaves = (24 * 3_600_000_000).bit_length() - 11
    assert len({step_of(value << shift) for shift in range(octaves) for value in range(1024, 2048)}) < 30_000


def test_without_latencies_there_is_no_percentile() -> None:
    assert Latencies().percentile(0.5) is None
    assert Latencies.together([]) == Latencies()
