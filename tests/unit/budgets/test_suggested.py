import pytest

from membudget.budgets.suggested import (
    accepted_duration,
    accepted_rate,
    accepted_size,
    as_written,
    duration_as_written,
    latency_as_written,
    limit_for,
    maximum_for,
    rounded_down,
    rounded_up,
)
from membudget.core.quantities import GIB, KIB, MIB, parse_duration, parse_latency, parse_rate, parse_size


@pytest.mark.parametrize(
    ("size", "rounded"),
    [(1, 1), (9.2, 10), (12.1, 14), (50, 50), (93.4, 95), (112.1, 115), (501, 550), (2001, 2100), (30_000, 30_720)],
)
def test_sizes_are_rounded_up_to_readable_ones(size: float, rounded: int) -> None:
    assert rounded_up(int(size * MIB)) == rounded * MIB


@pytest.mark.parametrize(
    "size", [GIB, 120 * MIB, 128_000_000, 2 * 10**9, 8_400_000, 64 * MIB + 1, 2 * KIB * KIB, 96 * KIB]
)
def test_what_is_written_is_read_back_exactly(size: int) -> None:
    assert parse_size(as_written(size)) == size


def test_a_maximum_leaves_a_fifth_and_at_least_two_mib() -> None:
    assert maximum_for(int(93.4 * MIB)) == 115 * MIB
    assert maximum_for(MIB) == 3 * MIB


def test_a_limit_is_half_as_much_again_of_what_is_larger_and_not_tiny() -> None:
    assert limit_for(100 * MIB, 40 * MIB) == 150 * MIB
    assert limit_for(40 * MIB, 100 * MIB) == 150 * MIB
    assert limit_for(None, None) == limit_for(MIB, MIB) == 32 * MIB


@pytest.mark.parametrize(
    ("size", "accepted"), [(103.1 * MIB, 110 * MIB), (9.3 * MIB, 10 * MIB), (60 * KIB, 63 * KIB), (0, 0)]
)
def test_a_size_that_is_accepted_leaves_a_twentieth(size: float, accepted: int) -> None:
    assert accepted_size(round(size)) == accepted


def test_what_is_left_to_a_limit_is_rounded_down() -> None:
    assert (rounded_down(19_700_000), rounded_down(700_000), rounded_down(0)) == (18 * MIB, 683 * KIB, 0)


@pytest.mark.parametrize(("time", "accepted", "written"), [(240, 260, "260ms"), (1234, 1300, "1.3s"), (7, 7, "7ms")])
def test_a_time_that_is_accepted_has_two_digits(time: int, accepted: int, written: str) -> None:
    assert accepted_duration(time) == accepted
    assert duration_as_written(accepted) == written
    assert parse_duration(written) == accepted


@pytest.mark.parametrize(
    ("rate", "accepted", "written"),
    [(1_421_337, 1_350_000, "1350"), (12_345, 11_700, "11.7"), (250, 238, "0.238"), (3, 2, "0.002"), (0, 0, "0")],
)
def test_a_rate_that_is_accepted_is_a_twentieth_lower(rate: int, accepted: int, written: str) -> None:
    assert accepted_rate(rate) == accepted
    assert parse_rate(float(written)) == accepted


@pytest.mark.parametrize(
    ("time_us", "written"), [(850, "850us"), (2500, "2.5ms"), (12_000, "12ms"), (1_300_000, "1.3s"), (1001, "1.001ms")]
)
def test_a_latency_is_written_as_it_is_read(time_us: int, written: str) -> None:
    assert latency_as_written(time_us) == written
    assert parse_latency(written) == time_us
