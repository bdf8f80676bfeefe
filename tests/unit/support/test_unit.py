"""tools/unit.py: no test module may be left out."""

from pathlib import Path

import pytest

import unit

_TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_each_module_is_in_one_share(count: int) -> None:
    shares = unit.shares(_TESTS, count)

    assert len(shares) == count
    assert sorted(module for share in shares for module in share) == sorted(map(str, _TESTS.rglob("test_*.py")))


def test_shares_are_about_as_large() -> None:
    large, larger = sorted(sum(Path(module).stat().st_size for module in share) for share in unit.shares(_TESTS, 2))

    assert larger < 1.05 * large
