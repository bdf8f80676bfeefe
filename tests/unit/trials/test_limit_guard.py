"""How near a container may be to its limit for its processes' memory maps to be read."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.quantities import MIB
from membudget.trials.limit_guard import LimitGuard

NAMES = [("memory.usage_in_bytes", "memory.limit_in_bytes"), ("memory.current", "memory.max")]


def guard(folder: Path, names: tuple[str, str], usage: int, limit: str) -> LimitGuard:
    (folder / names[0]).write_text(f"{usage}\n")
    (folder / names[1]).write_text(f"{limit}\n")
    return LimitGuard(folder)


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize(
    ("usage_mib", "limit_mib", "is_far"),
    [(40, 64, True), (41, 64, False), (64, 64, False), (192, 256, True), (193, 256, False), (1, 24, False)],
)
def test_usage_is_far_a_quarter_of_the_limit_below_it_and_24_mib(
    tmp_path: Path, names: tuple[str, str], usage_mib: int, limit_mib: int, *, is_far: bool
) -> None:
    looked = guard(tmp_path, names, usage_mib * MIB, str(limit_mib * MIB))
    assert looked.is_far() is is_far
    looked.close()


def test_without_a_limit_it_is_always_far(tmp_path: Path) -> None:
    assert guard(tmp_path, NAMES[1], 1 << 40, "max").is_far()


def test_what_cannot_be_read_is_too_near(tmp_path: Path) -> None:
    assert not LimitGuard(tmp_path).is_far()
    (tmp_path / "memory.max").write_text("what?\n")
    assert not LimitGuard(tmp_path).is_far()


def test_usage_is_read_anew_each_time(tmp_path: Path) -> None:
    looked = guard(tmp_path, NAMES[0], MIB, str(64 * MIB))
    assert looked.is_far()
    (tmp_path / NAMES[0][0]).write_text(f"{63 * MIB}\n")
    assert not looked.is_far()


@given(st.integers(1, 1 << 40), st.integers(0, 1 << 40))
def test_nothing_is_far_that_could_reach_the_limit_with_24_mib(
    tmp_path_factory: pytest.TempPathFactory, limit: int, usage: int
) -> None:
    looked = guard(tmp_path_factory.mktemp("cgroup"), NAMES[0], usage, str(limit))
    assert not (looked.is_far() and usage + 24 * MIB > limit)
    looked.close()
