import pytest

from membudget.core.quantities import GIB, MIB
from membudget.setup.memory_limits import compose_limit, kubernetes_limit


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
