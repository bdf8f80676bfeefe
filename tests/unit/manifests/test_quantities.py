import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.core.quantities import GIB, MIB
from membudget.manifests.quantities import (
    MOST_BYTES,
    InvalidQuantity,
    compose_bytes,
    ecs_bytes,
    kubernetes_bytes,
    thousandths_of_cpus,
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "size"),
    [("128m", 128 * MIB), ("128M", 128 * MIB), ("128MB", 128 * MIB), ("128MiB", 128 * MIB), ("1.5g", 1536 * MIB),
     ("134217728", 128 * MIB), ("131072k", 128 * MIB), ("1t", 1024 * GIB)],
)  # fmt: skip
def test_compose_units_are_powers_of_1024(text: str, size: int) -> None:
    assert compose_bytes(text) == size


@pytest.mark.parametrize(
    ("text", "thousandths"), [("500m", 500), ("2", 2000), ("0.1", 100), ("1.5", 1500), ("100u", 1), ("4e0", 4000)]
)
def test_cpus_are_counted_in_thousandths(text: str, thousandths: int) -> None:
    assert thousandths_of_cpus(text) == thousandths


@pytest.mark.parametrize(
    ("text", "size"),
    [("128Mi", 128 * MIB), ("128M", 128_000_000), ("1Gi", GIB), ("1G", 10**9), ("134217728", 128 * MIB),
     ("128e6", 128_000_000), ("134217728000m", 128 * MIB), ("0.5Gi", 512 * MIB), ("65536Ki", 64 * MIB),
     ("1.5e9", 1_500_000_000), ("128974848000m", 128_974_848), ("0.1Gi", 107_374_183), ("1Ei", 2**60),
     ("1E", 10**18), ("1E3", 1000), (".5Gi", 512 * MIB), ("5.", 5), ("+1Ki", 1024), ("1m", 1), ("0", 0)],
)  # fmt: skip
def test_kubernetes_units_are_as_written_and_parts_of_a_byte_round_up(text: str, size: int) -> None:
    assert kubernetes_bytes(text) == size


@pytest.mark.parametrize(("text", "size"), [("512", 512 * MIB), ("2 GB", 2 * GIB), ("0.5GB", GIB // 2)])
def test_ecs_counts_in_mebibytes_or_gigabytes(text: str, size: int) -> None:
    assert ecs_bytes(text) == size


@pytest.mark.parametrize(
    ("text", "why"),
    [("-1", "it is negative"), ("16Ei", "larger than"), ("1e99", "larger than"), ("9" * 30, "larger than"),
     ("128 Mi", "no quantity"), ("", "no quantity"), ("lots", "no quantity"), ("1024Ti9", "no quantity"),
     ("0x10", "no quantity"), ("1_000", "no quantity"), ("{{ .Values.memory }}", "no quantity"), ("128MiB", "no quant"),
     ("9" * 41, "no quantity")],
)  # fmt: skip
def test_what_is_no_quantity_says_why(text: str, why: str) -> None:
    with pytest.raises(InvalidQuantity, match=why):
        kubernetes_bytes(text)


@pytest.mark.parametrize("text", ["", "lots", "-1", "1e99", "9" * 30, "{{ .Values.memory }}", "1x"])
def test_other_files_refuse_what_is_no_size(text: str) -> None:
    with pytest.raises(InvalidQuantity):
        compose_bytes(text)
    with pytest.raises(InvalidQuantity):
        ecs_bytes(text)


@given(number=st.integers(0, 2**40), unit=st.sampled_from(["", "k", "M", "G", "Ki", "Mi", "Gi"]))
def test_every_whole_quantity_is_exact(number: int, unit: str) -> None:
    scale = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}[unit]
    if number * scale <= MOST_BYTES:
        assert kubernetes_bytes(f"{number}{unit}") == number * scale


@given(st.integers(0, 10**18))
def test_thousandths_round_up(number: int) -> None:
    assert kubernetes_bytes(f"{number}m") == -(-number // 1000)


@pytest.mark.thorough
@given(st.text(max_size=50))
def test_any_text_is_a_quantity_in_bounds_or_an_error(text: str) -> None:
    for read in (kubernetes_bytes, compose_bytes, ecs_bytes):
        with contextlib.suppress(InvalidQuantity):
            assert 0 <= read(text) <= MOST_BYTES
