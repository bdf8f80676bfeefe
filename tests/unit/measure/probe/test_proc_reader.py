"""Snapshots of processes: a /proc written by hand, and real processes."""

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.core.quantities import KIB, MIB
from membudget.measure.probe.messages import Depth
from membudget.measure.probe.proc_reader import MOST_PROCESSES, Reader, SnapshotStart
from membudget.measure.probe.process_use import Snapshot
from tests.unit.measure.probe.recorded_smaps import SMAPS


class Far:
    """A guard that says yes for so many times, and then no."""

    def __init__(self, times: int = 1 << 30) -> None:
        self.left = times
        self.begun = self.ended = 0

    def is_far(self) -> bool:
        self.left -= 1
        return self.left >= 0

    def begin_process(self) -> None:
        self.begun += 1

    def end_process(self) -> None:
        self.ended += 1


class Processes:
    """A cgroup and a /proc written by hand."""

    def __init__(self, root: Path) -> None:
        self.proc, self.cgroup = root / "proc", root / "cgroup"
        self.proc.mkdir()
        self.cgroup.mkdir()
        self.pids: list[int] = []
        self.reader = Reader(self.proc, budget_s=10)

    def add(self, pid: int, *, pages: int = 10, comm: bytes = b"app", smaps: bytes | None = SMAPS) -> None:
        folder = self.proc / str(pid)
        folder.mkdir()
        (folder / "statm").write_text(f"100 {pages} 1 1 0 1 0\n")
        (folder / "comm").write_bytes(comm + b"\n")
        (folder / "cmdline").write_bytes(b"/usr/bin/app\0--port\x0080\0")
        (folder / "status").write_text(
            "Name:\tapp\nVmHWM:\t  5000 kB\nVmRSS:\t  40 kB\n"
            "RssAnon:\t      20 kB\nRssFile:\t      15 kB\nRssShmem:\t       5 kB\n"
        )
        if smaps is not None:
            (folder / "smaps").write_bytes(smaps)
        self.pids.append(pid)
        self.list(*self.pids)

    def list(self, *pids: int) -> None:
        (self.cgroup / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))

    def take(self, guard: Far | None = None, depth: Depth = Depth.MAPS, *, is_brief: bool = False) -> Snapshot | None:
        return self.reader.take(self.cgroup, SnapshotStart(1, 2, 3), guard or Far(), depth, is_brief=is_brief)


@pytest.fixture
def processes(tmp_path: Path) -> Processes:
    return Processes(tmp_path)


def test_processes_with_what_they_hold(processes: Processes) -> None:
    processes.add(7)
    snapshot = processes.take()
    assert snapshot is not None
    (process,) = snapshot.processes
    assert (process.pid, process.name, process.arguments) == (7, "app", ("/usr/bin/app", "--port", "80"))
    assert process.pss_bytes == 3644 * KIB
    assert process.shared_bytes == process.rss_bytes - (3000 + 100 + 12) * KIB
    assert process.high_water_bytes == 5000 * KIB
    assert (snapshot.time_us, snapshot.rss_bytes, snapshot.anon_bytes) == (1, 2, 3)
    assert (snapshot.process_count, snapshot.unreadable, snapshot.detail) == (1, 0, None)


def test_a_cgroup_below_is_looked_into_and_strangers_are_not(processes: Processes) -> None:
    processes.add(7)
    processes.add(8)
    processes.list(7, 0)
    (processes.cgroup / "container").mkdir()
    (processes.cgroup / "container/cgroup.procs").write_text("8\n")
    snapshot = processes.take()
    assert snapshot is not None
    assert {process.pid for process in snapshot.processes} == {7, 8}


def test_one_that_ended_or_may_not_be_read_costs_its_own_figures_alone(processes: Processes) -> None:
    processes.add(7)
    processes.add(8, smaps=None)
    processes.list(7, 8, 9)
    snapshot = processes.take()
    assert snapshot is not None
    assert {process.pid: process.pss_bytes is None for process in snapshot.processes} == {7: False, 8: True}
    assert (snapshot.process_count, snapshot.unreadable) == (3, 2)
    assert snapshot.detail == "1 of 2 processes, the smaller ones first, were not read whole"


def test_nobody_there_is_no_snapshot(processes: Processes) -> None:
    assert processes.take() is None
    processes.list(1, 2, 3)
    assert processes.take() is None


@pytest.mark.thorough
def test_five_thousand_processes_are_counted_and_the_largest_are_read(processes: Processes) -> None:
    for pid in range(1, 5001):
        folder = processes.proc / str(pid)
        folder.mkdir()
        (folder / "statm").write_text(f"100 {pid} 1 1 0 1 0\n")
        (folder / "comm").write_bytes(b"many\n")
        (folder / "cmdline").touch()
        (folder / "status").touch()
        (folder / "smaps").write_bytes(SMAPS)
    processes.list(*range(1, 5001))
    snapshot = processes.take()
    assert snapshot is not None
    assert (snapshot.process_count, len(snapshot.processes)) == (5000, MOST_PROCESSES)
    assert {process.pid for process in snapshot.processes} == set(range(5001 - MOST_PROCESSES, 5001))
    assert snapshot.summed_rss_bytes == sum(range(5001)) * os.sysconf("SC_PAGE_SIZE")


def test_without_time_there_are_sizes_and_no_maps(processes: Processes) -> None:
    processes.add(7, pages=25)
    processes.reader.budget_s = 0
    snapshot = processes.take()
    assert snapshot is not None
    assert snapshot.summed_pss_bytes is None
    assert snapshot.processes[0].rss_bytes == 25 * os.sysconf("SC_PAGE_SIZE")
    assert snapshot.detail is not None


def test_status_tells_anonymous_shared_and_file_backed_memory_apart(processes: Processes) -> None:
    processes.add(7)
    snapshot = processes.take(Far(0))
    assert snapshot is not None
    (process,) = snapshot.processes
    assert (process.anon_bytes, process.shmem_bytes, process.file_bytes) == (20 * KIB, 5 * KIB, 15 * KIB)
    assert (process.unreclaimable_bytes, process.file_backed_bytes) == (25 * KIB, 15 * KIB)
    assert snapshot.counts_pages_once
    processes.add(8)
    snapshot = processes.take(Far(0))
    assert snapshot is not None
    assert not snapshot.counts_pages_once


def test_a_memory_map_tells_the_part_of_pages_that_several_processes_share(processes: Processes) -> None:
    processes.add(7)
    snapshot = processes.take()
    assert snapshot is not None
    (process,) = snapshot.processes
    assert process.anonymous_bytes == (3000 + 60 + 12) * KIB
    assert process.shared_memory_bytes == 32 * KIB
    assert process.file_backed_bytes == (500 + 40) * KIB
    assert process.unreclaimable_bytes + process.file_backed_bytes == process.pss_bytes
    assert snapshot.counts_pages_once


MOUNTINFO = b"22 1 0:21 / /proc rw - proc proc rw\n30 1 8:1 /cache /cache rw shared:2 - tmpfs tmpfs rw,size=64k\n"


@pytest.mark.parametrize(
    ("mounts", "is_shared"), [(MOUNTINFO, True), (MOUNTINFO.replace(b"- tmpfs", b"- ext4"), False)]
)
def test_files_of_a_tmpfs_are_shared_memory(processes: Processes, mounts: bytes, *, is_shared: bool) -> None:
    """In the recording 2,100 KiB are mapped from files of device 8:1. Only `status` tells what kind of memory it is."""
    processes.add(7)
    status = processes.proc / "7/status"
    status.write_text(status.read_text().replace("RssShmem:\t       5 kB", "RssShmem:\t    2104 kB"))
    (processes.proc / "7/mountinfo").write_bytes(mounts)
    snapshot = processes.take()
    assert snapshot is not None
    (process,) = snapshot.processes
    assert process.shared_memory_bytes == (32 + (540 if is_shared else 0)) * KIB
    assert process.file_backed_bytes == (0 if is_shared else 540) * KIB
    assert sum(snapshot.kinds.values()) == process.pss_bytes
    assert bool(snapshot.files) == (not is_shared)


@pytest.mark.thorough
def test_processes_that_are_not_listed_count_by_their_anonymous_memory(processes: Processes) -> None:
    for pid in range(1, MOST_PROCESSES + 3):
        processes.add(pid, pages=pid)
    snapshot = processes.take(is_brief=True)
    assert snapshot is not None
    assert len(snapshot.processes) == MOST_PROCESSES
    assert snapshot.others_anon_bytes == (0 + 1) * os.sysconf("SC_PAGE_SIZE"), "less one page that is not anonymous"
    assert snapshot.anonymous_bytes == MOST_PROCESSES * 20 * KIB + snapshot.others_anon_bytes


def test_a_brief_look_reads_no_maps_and_command_lines_once(processes: Processes) -> None:
    processes.add(7)
    first = processes.take(is_brief=True)
    (processes.proc / "7/cmdline").unlink()
    second = processes.take(is_brief=True)
    assert first is not None
    assert second is not None
    assert first.processes == second.processes
    assert first.processes[0].arguments == ("/usr/bin/app", "--port", "80")
    assert (first.summed_pss_bytes, first.is_near_limit, first.is_after_kill) == (None, False, False)
    assert first.detail is not None


@pytest.mark.parametrize("times", [0, 1, 2])
def test_a_look_that_is_hurried_reads_no_more_maps(processes: Processes, times: int) -> None:
    for pid, pages in ((7, 30), (8, 20)):
        processes.add(pid, pages=pages)
    asked = itertools.count()
    processes.reader.is_hurried = lambda: next(asked) >= times
    snapshot = processes.take()
    assert snapshot is not None
    assert [process.pss_bytes is None for process in snapshot.processes] == [times < 2, True]
    assert [process.anon_bytes for process in snapshot.processes] == [20 * KIB, 20 * KIB]
    assert snapshot.detail is not None
    assert "were not read whole" in snapshot.detail


def test_near_the_limit_neither_maps_nor_command_lines_are_opened(processes: Processes) -> None:
    processes.add(7, pages=25)
    for name in ("smaps", "cmdline"):
        (processes.proc / "7" / name).unlink()  # opening it would cost the process its row
    snapshot = processes.take(Far(0))
    assert snapshot is not None
    assert snapshot.is_near_limit
    assert not snapshot.is_after_kill
    assert (snapshot.summed_pss_bytes, snapshot.kinds, snapshot.files) == (None, {}, ())
    (process,) = snapshot.processes
    assert (process.arguments, process.rss_bytes) == ((), 25 * os.sysconf("SC_PAGE_SIZE"))


def test_near_the_limit_command_lines_of_an_earlier_look_are_told(processes: Processes) -> None:
    processes.add(7)
    processes.take()
    (processes.proc / "7/cmdline").unlink()
    snapshot = processes.take(Far(0))
    assert snapshot is not None
    assert snapshot.processes[0].arguments == ("/usr/bin/app", "--port", "80")
    (processes.proc / "7/comm").write_bytes(b"other\n")
    snapshot = processes.take(Far(0))
    assert snapshot is not None
    assert snapshot.processes[0].arguments == (), "it may run another program now"
    (processes.proc / "7/comm").write_bytes(b"app\n")
    processes.reader.forget()
    snapshot = processes.take(Far(0))
    assert snapshot is not None
    assert snapshot.processes[0].arguments == (), "another trial's process 7 is another process"


@pytest.mark.thorough
@given(times=st.integers(0, 60))
def test_from_the_moment_usage_is_near_the_limit_no_more_of_a_map_is_read(
    tmp_path_factory: pytest.TempPathFactory, times: int
) -> None:
    processes = Processes(tmp_path_factory.mktemp("near"))
    for pid, pages in ((7, 30), (8, 20), (9, 10)):
        processes.add(pid, pages=pages, smaps=SMAPS * 5)
    guard = Far(times)
    snapshot = processes.take(guard)
    assert snapshot is not None
    read = [process.pss_bytes is not None for process in snapshot.processes]
    assert read == sorted(read, reverse=True), "the largest first"
    assert snapshot.is_near_limit == (guard.left < 0)
    assert snapshot.is_near_limit or all(read)
    assert len(snapshot.processes) == guard.begun == guard.ended == 3


def test_by_status_alone_command_lines_are_read_and_maps_are_not(processes: Processes) -> None:
    processes.add(7)
    snapshot = processes.take(depth=Depth.STATUS)
    assert snapshot is not None
    assert snapshot.is_after_kill
    assert not snapshot.is_near_limit
    assert snapshot.summed_pss_bytes is None
    assert snapshot.processes[0].arguments == ("/usr/bin/app", "--port", "80")


@pytest.mark.parametrize("name", [b"a\nb", b"(x) y", b"\x1b[31mred", b"\xff\xfe", b""])
def test_a_process_may_call_itself_anything(processes: Processes, name: bytes) -> None:
    processes.add(7, comm=name)
    snapshot = processes.take()
    assert snapshot is not None
    assert snapshot.processes[0].name == name.decode(errors="replace")


FORKING = """
import mmap, os, sys, time
shared = mmap.mmap(-1, 24 << 20)  # anonymous, shared by all
shared.write(b"x" * (24 << 20))
for _ in range(2):
    if os.fork() == 0:
        shared.find(b"q", 0)  # a shared page belongs to whoever touched it
        own = b"y" * (10 << 20)
        os.write(1, b"r")
        time.sleep(60)
os.write(1, b"r")
time.sleep(60)
"""


@pytest.fixture
def family() -> Iterator[list[int]]:
    """A process and two children that share 24 MiB; each child holds 10 MiB of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", FORKING], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as parent:
        assert parent.stdout is not None
        try:
            assert parent.stdout.read(3) == "rrr"
            children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
            yield [parent.pid, *map(int, children)]
        finally:
            os.killpg(parent.pid, 9)


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_real_processes_share_counts_once_in_pss(family: list[int], tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").write_text("\n".join(map(str, family)))
    begun = time.monotonic()
    snapshot = Reader(budget_s=30).take(tmp_path, SnapshotStart(0, 0, 0), Far())
    assert time.monotonic() - begun < 30
    assert snapshot is not None
    assert snapshot.summed_pss_bytes is not None
    assert snapshot.kinds["shared_memory"] == pytest.approx(24 * MIB, rel=0.05)
    assert sum(process.shared_memory_bytes for process in snapshot.processes) == snapshot.kinds["shared_memory"]
    parts = sum(process.unreclaimable_bytes + (process.file_backed_bytes or 0) for process in snapshot.processes)
    assert parts == snapshot.summed_pss_bytes
    assert snapshot.summed_rss_bytes - snapshot.summed_pss_bytes > 1.9 * 24 * MIB
    assert all(process.high_water_bytes for process in snapshot.processes)


def told_of(processes: Processes, pid: int) -> None:
    """Make a process tell what it runs on."""
    folder = processes.proc / str(pid)
    (folder / "exe").symlink_to("/usr/bin/node")
    (folder / "cmdline").write_bytes(b"node\0--max-old-space-size=64\0server.js\0")
    (folder / "environ").write_bytes(b"PASSWORD=hunter2\0NODE_OPTIONS=--max-old-space-size=96 --require ./x.js\0")
    with (folder / "status").open("a") as status:
        status.write("Threads:\t7\nPPid:\t1\n")


def test_what_tells_the_runtime_of_a_process(processes: Processes) -> None:
    processes.add(7)
    told_of(processes, 7)
    snapshot = processes.take()
    assert snapshot is not None
    clues = snapshot.processes[0].clues
    assert clues is not None
    assert (clues.executable, clues.settings) == ("/usr/bin/node", ("--max-old-space-size=64",))
    assert clues.variables == {"NODE_OPTIONS": "--max-old-space-size=96"}
    assert (clues.threads, clues.parent) == (7, 1)
    assert clues.map is not None
    assert clues.map.held_bytes == (3000 + 60 + 12 + 32) * KIB


def test_near_the_limit_only_the_link_to_the_program_is_read(processes: Processes) -> None:
    processes.add(7)
    told_of(processes, 7)
    snapshot = processes.take(Far(0))
    assert snapshot is not None
    clues = snapshot.processes[0].clues
    assert clues is not None
    assert clues.executable == "/usr/bin/node"
    assert (clues.settings, clues.variables, clues.map) == ((), {}, None)


def test_near_the_limit_clues_are_those_of_an_earlier_look(processes: Processes) -> None:
    processes.add(7)
    told_of(processes, 7)
    assert processes.take() is not None
    (processes.proc / "7/cmdline").unlink()
    (processes.proc / "7/environ").unlink()
    (processes.proc / "7/smaps").unlink()
    snapshot = processes.take(Far(0))
    assert snapshot is not None
    clues = snapshot.processes[0].clues
    assert clues is not None
    assert clues.settings == ("--max-old-space-size=64",)
    assert clues.map is not None
    processes.reader.forget()
    forgotten = processes.take(Far(0))
    assert forgotten is not None
    assert forgotten.processes[0].clues is not None
    assert forgotten.processes[0].clues.map is None, "another trial"


def a_server(processes: Processes, workers: int) -> Snapshot:
    """A snapshot of so many workers, and of the smaller process that forked them."""
    for pid in range(1, workers + 2):
        processes.add(pid, pages=5 if pid == 1 else 100 + pid)
        folder = processes.proc / str(pid)
        (folder / "exe").symlink_to("/usr/sbin/php-fpm8.2")
        with (folder / "status").open("a") as status:
            status.write(f"Threads:\t1\nPPid:\t{0 if pid == 1 else 1}\n")
    (processes.proc / "1/cmdline").write_bytes(b"php-fpm\0-d\0memory_limit=32M\0")
    snapshot = processes.take()
    assert snapshot is not None
    return snapshot


@pytest.mark.parametrize("workers", [19, MOST_PROCESSES + 10])
def test_each_listed_process_shows_its_program_parent_and_settings(processes: Processes, workers: int) -> None:
    """The process that forked the others is the smallest."""
    snapshot = a_server(processes, workers)
    clues = {process.pid: process.clues for process in snapshot.processes}
    listed = min(workers, MOST_PROCESSES)
    assert set(clues) == {1, *range(workers + 2 - listed, workers + 2)}
    assert {one.executable for one in clues.values() if one is not None} == {"/usr/sbin/php-fpm8.2"}
    assert [one.parent for one in clues.values() if one is not None] == [1] * listed + [0]
    assert clues[1] is not None
    assert clues[1].settings == ("memory_limit=32M",)


def test_what_memory_maps_tell_is_kept_of_the_largest_processes_alone(processes: Processes) -> None:
    snapshot = a_server(processes, 19)
    assert [one.clues is not None and one.clues.map is not None for one in snapshot.processes] == [True] * 12 + [
        False
    ] * 8


def test_a_parent_that_is_listed_does_not_count_among_the_others(processes: Processes) -> None:
    snapshot = a_server(processes, MOST_PROCESSES)
    assert snapshot.others_anon_bytes == 0
