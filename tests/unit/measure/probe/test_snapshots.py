"""Orders and answers between two processes: with this test's own process as the container."""

import os
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from membudget.core.quantities import MIB
from membudget.measure.probe.messages import Depth
from membudget.measure.probe.proc_reader import Reader
from membudget.measure.probe.snapshots import Order, Orders, SnapshotProcess, obey

HOUR_NS = 3600 * 10**9
NOW_NS = time.monotonic_ns()


@pytest.fixture
def cgroup(tmp_path: Path) -> Path:
    (tmp_path / "cgroup.procs").write_text(f"{os.getpid()}\n")
    hold(tmp_path, 20)
    (tmp_path / "memory.limit_in_bytes").write_text(f"{1024 * MIB}\n")
    kill(tmp_path, 0)
    return tmp_path


def hold(cgroup: Path, rss_mib: int, usage_mib: int | None = None) -> None:
    (cgroup / "memory.usage_in_bytes").write_text(f"{(usage_mib or rss_mib) * MIB}\n")
    (cgroup / "memory.stat").write_text(f"total_rss {(rss_mib - 1) * MIB}\ntotal_shmem {MIB}\ntotal_inactive_file 0\n")


def kill(cgroup: Path, count: int) -> None:
    (cgroup / "memory.oom_control").write_text(f"oom_kill_disable 0\nunder_oom 0\noom_kill {count}\n")


@pytest.fixture
def snapshots(cgroup: Path) -> Iterator[SnapshotProcess]:
    process = SnapshotProcess()
    process.begin(cgroup, Depth.MAPS, NOW_NS)
    yield process
    process.close()


def settle(snapshots: SnapshotProcess, cgroup: Path, rss_mib: float, now_ns: int) -> bool:
    """Whether RSS that stands still there has snapshots taken, brief and whole."""
    taken = snapshots.taken
    for _ in range(3):
        snapshots.consider(cgroup, round(rss_mib * MIB), now_ns)
        if select.select(snapshots.answers, [], [], 0 if not snapshots.is_busy else 10)[0]:
            snapshots.receive()
        now_ns += HOUR_NS
    return snapshots.taken > taken


@pytest.mark.thorough
def test_a_new_peak_that_has_settled_settle(snapshots: SnapshotProcess, cgroup: Path) -> None:
    assert settle(snapshots, cgroup, 20, NOW_NS + HOUR_NS)
    assert not settle(snapshots, cgroup, 20.2, NOW_NS + HOUR_NS)
    hold(cgroup, 22)
    assert settle(snapshots, cgroup, 22, NOW_NS + 2 * HOUR_NS)
    best, _ = snapshots.best()
    assert best is not None
    assert (best.rss_bytes, best.anon_bytes) == (22 * MIB, 21 * MIB)
    assert (best.is_late, best.is_near_limit) == (False, False)
    (process,) = best.processes
    assert process.pid == os.getpid()
    assert process.pss_bytes is not None
    assert process.anon_bytes is not None
    assert snapshots.kills_meanwhile is False


@pytest.mark.thorough
def test_another_trial_knows_nothing_of_the_one_before(snapshots: SnapshotProcess, cgroup: Path) -> None:
    assert settle(snapshots, cgroup, 20, NOW_NS + HOUR_NS)
    snapshots.begin(cgroup, Depth.MAPS, NOW_NS)
    assert (snapshots.best()[0], snapshots.taken, snapshots.cpu_us) == (None, 0, 0)
    assert settle(snapshots, cgroup, 20, NOW_NS + HOUR_NS)


@pytest.mark.thorough
def test_a_peak_that_was_over_before_it_was_looked_at_is_looked_at_when_it_returns(
    snapshots: SnapshotProcess, cgroup: Path
) -> None:
    hold(cgroup, 10)
    assert not settle(snapshots, cgroup, 20, NOW_NS + HOUR_NS), "half of it is gone: there is nothing to see"
    hold(cgroup, 20)
    assert settle(snapshots, cgroup, 20, NOW_NS + HOUR_NS)


@pytest.mark.thorough
def test_near_the_limit_no_memory_map_is_read(snapshots: SnapshotProcess, cgroup: Path) -> None:
    hold(cgroup, 60)
    (cgroup / "memory.limit_in_bytes").write_text(f"{64 * MIB}\n")
    assert settle(snapshots, cgroup, 60, NOW_NS + HOUR_NS)
    best, _ = snapshots.best()
    assert best is not None
    assert best.is_near_limit
    assert [process.pss_bytes for process in best.processes] == [None]
    assert best.processes[0].high_water_bytes is not None


@pytest.mark.thorough
def test_after_a_kill_status_alone_is_read(snapshots: SnapshotProcess, cgroup: Path) -> None:
    snapshots.begin(cgroup, Depth.STATUS, NOW_NS)
    assert settle(snapshots, cgroup, 20, NOW_NS + HOUR_NS)
    best, _ = snapshots.best()
    assert best is not None
    assert best.is_after_kill
    assert best.summed_pss_bytes is None


@pytest.mark.thorough
def test_where_looking_is_not_allowed_there_is_no_look_and_a_reason(snapshots: SnapshotProcess, cgroup: Path) -> None:
    snapshots.begin(cgroup, Depth.NONE, NOW_NS)
    assert not settle(snapshots, cgroup, 20, NOW_NS + HOUR_NS)
    assert not snapshots.is_busy
    best, reason = snapshots.best()
    assert best is None
    assert reason is not None
    assert "not looked at" in reason


def order(cgroup: Path, rss_mib: int) -> Order:
    return Order(str(cgroup), str(cgroup), Depth.MAPS, NOW_NS, rss_mib * MIB)


@pytest.mark.thorough
def test_a_snapshot_has_the_memory_of_its_own_moment_not_of_the_order(cgroup: Path) -> None:
    """A process that waits for a busy CPU finds another RSS than was ordered."""
    hold(cgroup, 78)
    before_us = (time.monotonic_ns() - NOW_NS) // 1000
    snapshot = obey(order(cgroup, 66), Reader()).snapshot
    assert snapshot is not None
    assert (snapshot.rss_bytes, snapshot.anon_bytes, snapshot.fell_bytes) == (78 * MIB, 77 * MIB, 0)
    assert before_us <= snapshot.time_us <= (time.monotonic_ns() - NOW_NS) // 1000


@pytest.mark.thorough
def test_an_order_is_stale_when_its_peak_is_over_or_its_cgroup_gone(cgroup: Path) -> None:
    hold(cgroup, 17, usage_mib=20)
    assert obey(order(cgroup, 20), Reader()).is_stale
    assert obey(order(cgroup, 20), Reader()).snapshot is None
    assert not obey(order(cgroup, 18), Reader()).is_stale
    (cgroup / "memory.stat").unlink()
    assert obey(order(cgroup, 18), Reader()).is_stale


@pytest.mark.thorough
def test_memory_that_no_process_maps_does_not_make_a_snapshot_late(snapshots: SnapshotProcess, cgroup: Path) -> None:
    """Files of a tmpfs count to the cgroup's RSS, and to no process's."""
    hold(cgroup, 100_000)
    assert settle(snapshots, cgroup, 100_000, NOW_NS + HOUR_NS)
    best, _ = snapshots.best()
    assert best is not None
    assert not best.is_late
    assert not settle(snapshots, cgroup, 100_000, NOW_NS + 2 * HOUR_NS)


@pytest.mark.thorough
def test_the_memory_before_and_after_the_processes_were_read_is_told(
    cgroup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader()
    take = reader.take

    def take_and_grow(*arguments: object, **named: object) -> object:
        taken = take(*arguments, **named)  # type: ignore[arg-type]
        hold(cgroup, 30)
        return taken

    monkeypatch.setattr(Reader, "take", lambda _, *arguments, **named: take_and_grow(*arguments, **named))
    samples = obey(order(cgroup, 20), reader).samples
    assert [sample.reading.rss_bytes for sample in samples] == [20 * MIB, 30 * MIB]
    assert [sample.reading.usage_bytes for sample in samples] == [20 * MIB, 30 * MIB]


def test_another_order_is_seen_to_wait() -> None:
    reading, writing = os.pipe()
    orders = Orders(reading)
    assert not orders.is_waiting()
    first, second = (Order("/a", "/a", Depth.MAPS, 0, rss) for rss in (1, 2))
    os.write(writing, first.line() + second.line()[:5])
    assert orders.next() == first
    assert orders.is_waiting()
    os.write(writing, second.line()[5:])
    assert orders.next() == second
    assert not orders.is_waiting()
    os.close(writing)
    assert orders.next() is None
    os.close(reading)


@pytest.mark.thorough
def test_a_leap_while_processes_are_read_is_ordered_at_once(snapshots: SnapshotProcess, cgroup: Path) -> None:
    os.kill(snapshots._pid, signal.SIGSTOP)
    for rss_mib in (20, 20, 21, 21, 30, 30, 50, 50):
        hold(cgroup, rss_mib)
        snapshots.consider(cgroup, rss_mib * MIB, NOW_NS)
    os.kill(snapshots._pid, signal.SIGCONT)
    best, _ = snapshots.best()
    assert best is not None
    assert best.rss_bytes == 50 * MIB
    assert snapshots.taken == 2, "no more are ordered at a time"


@pytest.mark.thorough
def test_a_kill_while_a_process_is_read_is_told(cgroup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    see = Reader._see

    def see_a_kill(*arguments: object, **named: object) -> object:
        kill(cgroup, 1)
        return see(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Reader, "_see", see_a_kill)
    assert obey(order(cgroup, 20), Reader()).kills_meanwhile is True


@pytest.mark.thorough
def test_a_process_that_died_at_work_leaves_it_open_whether_there_was_a_kill(cgroup: Path) -> None:
    snapshots = SnapshotProcess()
    snapshots.begin(cgroup, Depth.MAPS, NOW_NS)
    os.kill(snapshots._pid, 19)  # SIGSTOP: it takes up no order
    for _ in range(2):
        snapshots.consider(cgroup, 20 * MIB, NOW_NS)
    assert (snapshots.is_busy, snapshots.kills_meanwhile) == (True, None)
    os.kill(snapshots._pid, 9)
    assert select.select(snapshots.answers, [], [], 10)[0]
    snapshots.receive()
    assert (snapshots.is_busy, snapshots.kills_meanwhile) == (False, None)
    snapshots.close()
