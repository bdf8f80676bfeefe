"""Orders and answers between two processes: with this test's own process as the container."""

import os
import select
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from membudget.quantities import MIB
from membudget.trials.proc_snapshot import Reader
from membudget.trials.readings import MemoryReading
from membudget.trials.snapshot import Depth
from membudget.trials.snapshot_process import SnapshotProcess
from membudget.trials.snapshot_server import Order, obey

HOUR_NS = 3600 * 10**9
NOW_NS = time.monotonic_ns()


@pytest.fixture
def cgroup(tmp_path: Path) -> Path:
    (tmp_path / "cgroup.procs").write_text(f"{os.getpid()}\n")
    hold(tmp_path, 20)
    (tmp_path / "memory.limit_in_bytes").write_text(f"{1024 * MIB}\n")
    kill(tmp_path, 0)
    return tmp_path


def hold(cgroup: Path, usage_mib: int) -> None:
    (cgroup / "memory.usage_in_bytes").write_text(f"{usage_mib * MIB}\n")


def kill(cgroup: Path, count: int) -> None:
    (cgroup / "memory.oom_control").write_text(f"oom_kill_disable 0\nunder_oom 0\noom_kill {count}\n")


@pytest.fixture
def snapshots(cgroup: Path) -> Iterator[SnapshotProcess]:
    process = SnapshotProcess()
    process.begin(cgroup, Depth.MAPS)
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


def is_looked_at(snapshots: SnapshotProcess, cgroup: Path, rss_mib: float, now_ns: int) -> bool:
    """The same, where an order that waited for long on a busy machine is ordered anew."""
    return any(settle(snapshots, cgroup, rss_mib, now_ns) for _ in range(50))


def test_a_new_peak_that_has_settled_is_looked_at(snapshots: SnapshotProcess, cgroup: Path) -> None:
    assert is_looked_at(snapshots, cgroup, 20, NOW_NS + HOUR_NS)
    assert not settle(snapshots, cgroup, 20.2, NOW_NS + HOUR_NS)
    hold(cgroup, 22)
    assert is_looked_at(snapshots, cgroup, 22, NOW_NS + 2 * HOUR_NS)
    best, _ = snapshots.best()
    assert best is not None
    assert (best.rss_bytes, best.is_late, best.is_near_limit) == (22 * MIB, False, False)
    (process,) = best.processes
    assert process.pid == os.getpid()
    assert process.pss_bytes is not None
    assert process.anon_bytes is not None
    assert snapshots.kills_meanwhile is False


def test_another_trial_knows_nothing_of_the_one_before(snapshots: SnapshotProcess, cgroup: Path) -> None:
    assert is_looked_at(snapshots, cgroup, 20, NOW_NS + HOUR_NS)
    snapshots.begin(cgroup, Depth.MAPS)
    assert (snapshots.best()[0], snapshots.taken, snapshots.cpu_us) == (None, 0, 0)
    assert is_looked_at(snapshots, cgroup, 20, NOW_NS + HOUR_NS)


def test_a_peak_that_was_over_before_it_was_looked_at_is_looked_at_when_it_returns(
    snapshots: SnapshotProcess, cgroup: Path
) -> None:
    hold(cgroup, 10)
    assert not settle(snapshots, cgroup, 20, NOW_NS + HOUR_NS), "half of it is gone: there is nothing to see"
    hold(cgroup, 20)
    assert is_looked_at(snapshots, cgroup, 20, NOW_NS + HOUR_NS)


def test_near_the_limit_no_memory_map_is_read(snapshots: SnapshotProcess, cgroup: Path) -> None:
    hold(cgroup, 60)
    (cgroup / "memory.limit_in_bytes").write_text(f"{64 * MIB}\n")
    assert is_looked_at(snapshots, cgroup, 60, NOW_NS + HOUR_NS)
    best, _ = snapshots.best()
    assert best is not None
    assert best.is_near_limit
    assert [process.pss_bytes for process in best.processes] == [None]
    assert best.processes[0].high_water_bytes is not None


def test_after_a_kill_status_alone_is_read(snapshots: SnapshotProcess, cgroup: Path) -> None:
    snapshots.begin(cgroup, Depth.STATUS)
    assert is_looked_at(snapshots, cgroup, 20, NOW_NS + HOUR_NS)
    best, _ = snapshots.best()
    assert best is not None
    assert best.is_after_kill
    assert best.summed_pss_bytes is None


def test_where_looking_is_not_allowed_there_is_no_look_and_a_reason(snapshots: SnapshotProcess, cgroup: Path) -> None:
    snapshots.begin(cgroup, Depth.NONE)
    assert not settle(snapshots, cgroup, 20, NOW_NS + HOUR_NS)
    assert not snapshots.is_busy
    best, reason = snapshots.best()
    assert best is None
    assert reason is not None
    assert "not looked at" in reason


def order(cgroup: Path, rss_mib: int, waited_ns: int = 0) -> Order:
    rss = rss_mib * MIB
    return Order(str(cgroup), str(cgroup), Depth.MAPS, time.monotonic_ns() - waited_ns, 0, rss, rss, rss)


def test_an_order_that_waited_too_long_is_stale(cgroup: Path) -> None:
    answer = obey(order(cgroup, 20, waited_ns=10**9), Reader())
    assert answer.is_stale
    assert answer.snapshot is None


def test_memory_that_falls_while_it_is_read_makes_a_late_snapshot(
    cgroup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader()
    take = reader.take

    def take_slowly(*arguments: object) -> object:
        taken = take(*arguments)  # type: ignore[arg-type]
        hold(cgroup, 5)
        return taken

    monkeypatch.setattr(Reader, "take", lambda _, *arguments: take_slowly(*arguments))
    answer = obey(order(cgroup, 20), reader)
    assert answer.snapshot is not None
    assert answer.snapshot.fell_bytes == 15 * MIB
    assert answer.snapshot.seen_bytes == 5 * MIB


def test_a_kill_while_a_process_is_read_is_told(cgroup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    see = Reader._see

    def see_a_kill(*arguments: object, **named: object) -> object:
        kill(cgroup, 1)
        return see(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Reader, "_see", see_a_kill)
    assert obey(order(cgroup, 20), Reader()).kills_meanwhile is True


def test_a_process_that_died_at_work_leaves_it_open_whether_there_was_a_kill(cgroup: Path) -> None:
    snapshots = SnapshotProcess()
    snapshots.begin(cgroup, Depth.MAPS)
    os.kill(snapshots._pid, 19)  # SIGSTOP: it takes up no order
    for _ in range(2):
        snapshots.consider(cgroup, reading(20), now_us=0, now_ns=NOW_NS)
    assert (snapshots.is_busy, snapshots.kills_meanwhile) == (True, None)
    os.kill(snapshots._pid, 9)
    assert select.select(snapshots.answers, [], [], 10)[0]
    snapshots.receive()
    assert (snapshots.is_busy, snapshots.kills_meanwhile) == (False, None)
    snapshots.close()
