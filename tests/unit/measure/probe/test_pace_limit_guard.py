"""How near a container may be to its limit for its processes' memory maps to be read."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.core.quantities import MIB
from membudget.measure.probe.pace import LimitGuard

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


@pytest.mark.parametrize("names", NAMES)
def test_a_limit_above_the_container_counts_up_to_the_trials_own_cgroup(tmp_path: Path, names: tuple[str, str]) -> None:
    trial = tmp_path / "trial"
    leaf = trial / "scope/container"
    leaf.mkdir(parents=True)
    none = "max" if names == NAMES[1] else str(2**63 - 4096)
    guard(tmp_path, names, 99 * MIB, str(100 * MIB)).close()  # the machine's business
    for folder in (trial, leaf):
        guard(folder, names, MIB, none).close()
    guard(trial / "scope", names, 99 * MIB, str(100 * MIB)).close()
    assert LimitGuard(leaf).is_far()
    assert not LimitGuard(leaf, trial).is_far()
    guard(trial / "scope", names, MIB, str(100 * MIB)).close()
    assert LimitGuard(leaf, trial).is_far()


def test_how_far_usage_fell_is_kept(tmp_path: Path) -> None:
    looked = guard(tmp_path, NAMES[0], 60 * MIB, str(512 * MIB))
    assert looked.fell_bytes == 0
    for usage in (60, 45, 70):
        (tmp_path / NAMES[0][0]).write_text(f"{usage * MIB}\n")
        looked.is_far()
    assert looked.fell_bytes == 15 * MIB


KILLS = [
    ("memory.usage_in_bytes", "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"),
    ("memory.current", "memory.events", "low 0\nmax 3\noom 1\noom_kill {}\n"),
]


@pytest.mark.parametrize(("usage", "events", "text"), KILLS)
@pytest.mark.parametrize(
    ("counts", "expected"),
    [((0, 0), False), ((3, 3), False), ((0, 1), True), ((0, None), None), ((None, None), None), ((0, 1, None), True)],
)
def test_a_kill_while_a_process_is_read_is_noticed(
    tmp_path: Path, usage: str, events: str, text: str, counts: tuple[int | None, ...], *, expected: bool | None
) -> None:
    (tmp_path / usage).write_text("1\n")
    (tmp_path / events).write_text("")
    looked = LimitGuard(tmp_path)
    assert looked.kills_meanwhile is False
    for before, after in itertools.pairwise(counts):
        for count, step in ((before, looked.begin_process), (after, looked.end_process)):
            (tmp_path / events).write_text("" if count is None else text.format(count))
            step()
    assert looked.kills_meanwhile is expected
