import pytest

from membudget.core.quantities import GIB, KIB, MIB, parse_size
from membudget.setup.memory_limits import (
    as_written,
    compose_limit,
    kubernetes_limit,
    limit_for,
    maximum_for,
    rounded_up,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [("128m", 128 * MIB), ("128M", 128 * MIB), ("128MB", 128 * MIB), ("128MiB", 128 * MIB), ("1.5g", 1536 * MIB),
     ("134217728", 128 * MIB), ("131072k", 128 * MIB), ("1t", 1024 * GIB)],
)  # fmt: skip
def test_compose_units_are_powers_of_1024(text: str, size: int) -> None:
    assert compose_limit(text) == size


@pytest.mark.parametrize(
    ("text", "size"),
    [("128Mi", 128 * MIB), ("128M", 128_000_000), ("1Gi", GIB), ("1G", 10**9), ("134217728", 128 * MIB),
     ("128e6", 128_000_000), ("134217728000m", 128 * MIB), ("0.5Gi", 512 * MIB), ("65536Ki", 64 * MIB)],
)  # fmt: skip
def test_kubernetes_units_are_as_written(text: str, size: int) -> None:
    assert kubernetes_limit(text) == size


@pytest.mark.parametrize(
    "text", ["", "lots", "-1", "128 Mi", "1e99", "9" * 30, "4Mi", "1024Ti9", "{{ .Values.memory }}"]
)
def test_what_cannot_be_a_limit_is_none(text: str) -> None:
    assert kubernetes_limit(text) is None
    assert compose_limit(text) is None


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
