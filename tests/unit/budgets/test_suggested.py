import pytest

from membudget.budgets.suggested import as_written, limit_for, maximum_for, rounded_up
from membudget.core.quantities import GIB, KIB, MIB, parse_size


@pytest.mark.parametrize(
    ("size", "rounded"),
    [(1, 1), (9.2, 10), (12.1, 14), (50, 50), (93.4, 95), (112.1, 115), (501, 550), (2001, 2100), (30_000, 30_720)],
)
def test_sizes_are_rounded_up_to_readable_ones(size: float, rounded: int) -> None:
    assert rounded_up(int(size * MIB)) == rounded * MIB


@pytest.mark.parametrize("size", [GIB, 120 * MIB, 128_000_000, 2 * 10**9, 8_400_000, 64 * MIB + 1, 2 * KIB * KIB])
def test_what_is_written_is_read_back_exactly(size: int) -> None:
    assert parse_size(as_written(size)) == size


def test_a_maximum_leaves_a_fifth_and_at_least_two_mib() -> None:
    assert maximum_for(int(93.4 * MIB)) == 115 * MIB
    assert maximum_for(MIB) == 3 * MIB


def test_a_limit_is_half_as_much_again_of_what_is_larger_and_not_tiny() -> None:
    assert limit_for(100 * MIB, 40 * MIB) == 150 * MIB
    assert limit_for(40 * MIB, 100 * MIB) == 150 * MIB
    assert limit_for(None, None) == limit_for(MIB, MIB) == 16 * MIB
