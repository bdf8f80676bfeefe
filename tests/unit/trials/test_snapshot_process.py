"""When a snapshot is ordered, and what is kept: with this test's own process as the container."""

import dataclasses
import os
import select
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from membudget.quantities import MIB
from membudget.trials import snapshot_process
from membudget.trials.readings import MemoryReading
from membudget.trials.snapshot import Snapshot
from membudget.trials.snapshot_process import SnapshotProcess

HOUR_NS = 3600 * 10**9
NOW_NS = time.monotonic_ns()


@pytest.fixture
def cgroup(tmp_path: Path) -> Path:
    (tmp_path / "cgroup.procs").write_text(f"{os.getpid()}\n")
    return tmp_path


@pytest.fixture
def snapshots() -> Iterator[SnapshotProcess]:
    process = SnapshotProcess()
    yield process
    process.close()


def reading(rss_mib: float) -> MemoryReading:
    rss = int(rss_mib * MIB)
    return MemoryReading(rss, 0, rss, rss)


def settle(snapshots: SnapshotProcess, cgroup: Path, rss_mib: float, now_ns: int) -> bool:
    """Whether RSS that stands still there has a snapshot taken."""
    taken = snapshots.taken
    for _ in range(2):
        snapshots.consider(cgroup, reading(rss_mib), now_us=0, now_ns=now_ns)
    if select.select(snapshots.answers, [], [], 0 if not snapshots.is_busy else 10)[0]:
        snapshots.receive()
    return snapshots.taken > taken


def test_a_new_peak_that_has_settled_is_looked_at(snapshots: SnapshotProcess, cgroup: Path) -> None:
    assert settle(snapshots, cgroup, 20, NOW_NS + HOUR_NS)
    assert not settle(snapshots, cgroup, 20.2, NOW_NS + HOUR_NS)
    assert settle(snapshots, cgroup, 22, NOW_NS + 2 * HOUR_NS)
    best, _ = snapshots.best()
    assert best is not None
    assert best.rss_bytes == 22 * MIB
    assert os.getpid() in [process.pid for process in best.processes]


def test_one_that_has_not_settled_has_to_wait(snapshots: SnapshotProcess, cgroup: Path) -> None:
    snapshots.consider(cgroup, reading(20), now_us=0, now_ns=NOW_NS)
    assert not snapshots.is_busy
    snapshots.consider(cgroup, reading(40), now_us=0, now_ns=NOW_NS)
    assert not snapshots.is_busy


def test_snapshots_have_a_share_of_a_core_and_leaps_of_memory_are_above_it(
    snapshots: SnapshotProcess, cgroup: Path
) -> None:
    assert settle(snapshots, cgroup, 20, NOW_NS + HOUR_NS)
    snapshots.cpu_us = 3600 * 10**6  # an hour of CPU time
    assert not settle(snapshots, cgroup, 21.5, NOW_NS + 2 * HOUR_NS)
    assert settle(snapshots, cgroup, 24, NOW_NS + 2 * HOUR_NS)


def test_another_trial_knows_nothing_of_the_one_before(snapshots: SnapshotProcess, cgroup: Path) -> None:
    assert settle(snapshots, cgroup, 100, NOW_NS + HOUR_NS)
    snapshots.forget()
    assert snapshots.best()[0] is None
    assert settle(snapshots, cgroup, 20, NOW_NS + HOUR_NS)


def test_a_peak_that_was_over_before_it_was_looked_at_is_looked_at_when_it_returns(
    snapshots: SnapshotProcess, cgroup: Path
) -> None:
    (cgroup / "memory.usage_in_bytes").write_text(f"{10 * MIB}\n")
    assert not settle(snapshots, cgroup, 20, NOW_NS + HOUR_NS), "half of it is gone: there is nothing to see"
    (cgroup / "memory.usage_in_bytes").write_text(f"{20 * MIB}\n")
    (cgroup / "memory.limit_in_bytes").write_text(f"{1024 * MIB}\n")
    assert settle(snapshots, cgroup, 20, NOW_NS + HOUR_NS)


def test_memory_that_no_process_maps_is_not_looked_at_again_and_again(snapshots: SnapshotProcess, cgroup: Path) -> None:
    """Files of a tmpfs count to the cgroup's RSS, and to no process's."""
    assert settle(snapshots, cgroup, 100_000, NOW_NS + HOUR_NS)
    best, _ = snapshots.best()
    assert best is not None
    assert not best.is_late
    assert not settle(snapshots, cgroup, 100_000, NOW_NS + 2 * HOUR_NS)


def test_a_snapshot_is_late_when_usage_fell_while_it_was_taken(cgroup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = cgroup / "memory.usage_in_bytes"
    usage.write_text(f"{20 * MIB}\n")
    (cgroup / "memory.limit_in_bytes").write_text(f"{1024 * MIB}\n")
    order: dict[str, int | str] = {
        "cgroup": str(cgroup),
        "usage_bytes": 20 * MIB,
        "time_us": 0,
        "rss_bytes": 20 * MIB,
        "anon_bytes": 0,
    }
    in_time = snapshot_process._obey(dict(order))
    assert in_time is not None
    assert not in_time.is_late

    def slowly(*_: object, **__: object) -> Snapshot:
        usage.write_text(f"{10 * MIB}\n")
        assert in_time is not None
        return in_time

    monkeypatch.setattr(snapshot_process, "take", slowly)
    late = snapshot_process._obey(dict(order))
    assert late is not None
    assert late.is_late


def test_a_late_snapshot_is_taken_again_but_not_for_ever(
    snapshots: SnapshotProcess, cgroup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settle(snapshots, cgroup, 20, NOW_NS + HOUR_NS)
    best, _ = snapshots.best()
    assert best is not None
    late = dataclasses.replace(best, is_late=True)
    monkeypatch.setattr(snapshot_process, "_snapshot", lambda _: late)
    taken = [settle(snapshots, cgroup, 40, NOW_NS + hour * HOUR_NS) for hour in range(2, 50)]
    assert taken[:3] == [True, True, True]
    assert not any(taken[20:])


def test_near_the_limit_no_memory_map_is_read(snapshots: SnapshotProcess, cgroup: Path) -> None:
    (cgroup / "memory.usage_in_bytes").write_text(f"{60 * MIB}\n")
    (cgroup / "memory.limit_in_bytes").write_text(f"{64 * MIB}\n")
    assert settle(snapshots, cgroup, 20, NOW_NS + HOUR_NS)
    best, _ = snapshots.best()
    assert best is not None
    assert best.is_near_limit
    assert [process.pss_bytes for process in best.processes] == [None]
    assert best.processes[0].high_water_bytes is not None
