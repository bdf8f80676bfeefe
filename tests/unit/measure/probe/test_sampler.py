"""The sampler on a tree of files that look like a cgroup's."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from membudget.core.quantities import MIB
from membudget.measure.probe import sampler as cgroup_sampler
from membudget.measure.probe.file_pages import FilePages
from membudget.measure.probe.messages import Follow, KernelLog, ProbeReport
from membudget.measure.probe.pace import Sample
from membudget.measure.probe.readings import MemoryReading
from membudget.measure.probe.sampler import Sampler
from membudget.measure.probe.snapshots import SnapshotProcess


class Tree:
    """A trial's cgroups, written by hand."""

    def __init__(self, root: Path, version: int) -> None:
        self.version = version
        self.parent = root / "membudget_x/t1"
        self.leaf = self.parent / "container"

    @property
    def order(self) -> Follow:
        return Follow(
            parent=str(self.parent), leaves=(str(self.leaf),), cpu_parent=str(self.parent),
            kernel_path="/membudget_x/t1", version=self.version, rate_hz=100,
        )  # fmt: skip

    def start(self) -> None:
        self.leaf.mkdir(parents=True)
        self.hold(1, mark=1)
        if self.version == 2:
            self.write(self.parent, "memory.events", "low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\n")
            self.write(self.parent, "memory.swap.peak", "4096\n")
            self.write(self.parent, "memory.pressure", "some avg10=0.00 total=5000\nfull avg10=0.00 total=1\n")
            self.write(self.parent, "cpu.stat", "usage_usec 85000\n")
        else:
            self.write(self.leaf, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
            self.write(self.leaf, "memory.failcnt", "7\n")
            self.write(self.leaf, "memory.kmem.usage_in_bytes", f"{MIB}\n")
            self.write(self.parent, "cpuacct.usage", "85000000\n")

    def hold(
        self, rss_mib: int, mark: int | None = None, charged_mib: int | None = None, kernel: str = "kernel",
        file_mib: int = 0,
    ) -> None:  # fmt: skip
        prefix = "" if self.version == 2 else "total_"
        stat = {
            "anon" if self.version == 2 else "total_rss": rss_mib * MIB,
            f"{prefix}shmem": 0, f"{prefix}inactive_file": file_mib * MIB, f"{prefix}swap": 8192,
            "file" if self.version == 2 else "total_cache": 0, kernel: MIB, "sock": 0,
            **dict.fromkeys(
                ("file_mapped", "file_dirty", "file_writeback") if self.version == 2 else
                ("total_mapped_file", "total_dirty", "total_writeback"), 0,
            ),
            f"{prefix}workingset_refault_anon": 1, f"{prefix}workingset_refault_file": 2,
        }  # fmt: skip
        self.write(self.leaf, "memory.stat", "".join(f"{key} {value}\n" for key, value in stat.items()))
        usage, peak = (
            ("memory.current", "memory.peak") if self.version == 2 else
            ("memory.usage_in_bytes", "memory.max_usage_in_bytes")
        )  # fmt: skip
        self.write(self.leaf, usage, f"{(charged_mib or rss_mib + 1) * MIB}\n")
        if mark is not None:
            self.write(self.parent, peak, f"{mark * MIB}\n")

    def write(self, folder: Path, name: str, text: str) -> None:
        (folder / name).write_text(text)


@pytest.fixture(params=[1, 2])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Tree:
    return Tree(tmp_path, request.param)


@pytest.fixture(scope="module")
def snapshots() -> Iterator[SnapshotProcess]:
    process = SnapshotProcess()
    yield process
    process.close()


def test_a_cgroup_that_never_comes_is_never_seen(tree: Tree, snapshots: SnapshotProcess) -> None:
    sampler = Sampler(tree.order, snapshots)
    for _ in range(5):
        sampler.look()
    assert sampler.interval_s == 0.001
    report = sampler.report()
    assert report.series.time_us == []
    assert report.kernel_peak.reason == "the cgroup was never seen"
    assert report.effort is not None
    assert report.effort.largest_usage_bytes is None


def test_what_it_saw_and_what_the_kernel_kept(tree: Tree, snapshots: SnapshotProcess) -> None:
    report = followed(tree, snapshots)
    assert report.series.rss_bytes == [1 * MIB, 60 * MIB, 20 * MIB]
    assert report.kernel_peak.value == 64 * MIB
    assert report.oom_kills.value == (1 if tree.version == 2 else 2)
    assert report.limit_hits.value == (12 if tree.version == 2 else 7)
    assert report.refaulted_bytes.value == 3 * 4096
    assert report.cpu_usage_us.value == 85_000
    assert report.swap_peak.value == (4096 if tree.version == 2 else 8192)
    assert report.stalled_us.value == (5000 if tree.version == 2 else None)
    assert report.effort is not None
    assert report.effort.largest_usage_bytes == 61 * MIB


def test_page_cache_of_phases_that_do_not_count_is_left_out(tree: Tree, snapshots: SnapshotProcess) -> None:
    tree.start()
    sampler = Sampler(replace(tree.order, unjudged=("warm-up",)), snapshots)
    for name, file_mib in (("warm-up", 80), ("steady", 10), ("warm-up", 90)):
        tree.hold(20, charged_mib=30 + file_mib, file_mib=file_mib)
        sampler.begin_phase(name)
        sampler.look()
    assert sampler.report().file_pages == FilePages(40 * MIB, 10 * MIB, 0)


def test_a_look_at_memory_that_rests_reads_no_more_than_the_usage(
    tree: Tree, snapshots: SnapshotProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(10**9, 2 * 10**9, 1000))  # a busy machine would take longer than a rest lasts
    monkeypatch.setattr(time, "monotonic_ns", lambda: next(clock))
    tree.start()
    sampler = Sampler(tree.order, snapshots)
    for _ in range(20):
        sampler.look()
    report = sampler.report()
    assert report.effort is not None
    assert (report.effort.looks, len(report.series.time_us)) == (20, 1)


def test_clocks_that_are_set_change_nothing(
    tree: Tree, snapshots: SnapshotProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(10**9, 0, -(10**8)))
    monkeypatch.setattr(time, "time", lambda: next(clock))
    monkeypatch.setattr(time, "time_ns", lambda: next(clock) * 10**9)
    times = followed(tree, snapshots).series.time_us
    assert times == sorted(times)
    assert times[-1] < 10_000_000


def test_files_that_vanish_between_two_looks_cost_nothing_else(tree: Tree, snapshots: SnapshotProcess) -> None:
    tree.start()
    sampler = Sampler(tree.order, snapshots)
    sampler.look()
    leaf, sampler._leaf = sampler._leaf, None
    assert leaf is not None
    leaf.close()
    for file in tree.leaf.iterdir():
        file.unlink()
    tree.leaf.rmdir()
    for _ in range(3):
        sampler.look()
    report = sampler.report()
    assert len(report.series.time_us) == 1
    assert report.kernel_peak.value == 1 * MIB


def test_a_spike_that_was_over_before_its_rss_was_read_was_not_sampled(
    tree: Tree, snapshots: SnapshotProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.start()
    sampler = Sampler(tree.order, snapshots)
    sampler.look()
    leaf = sampler._leaf
    assert leaf is not None
    read = leaf.stat.read

    def read_late() -> bytes:
        tree.hold(20)
        return read()

    monkeypatch.setattr(leaf.stat, "read", read_late)
    tree.hold(36, mark=37)
    sampler.look()
    report = sampler.report()
    assert report.series.rss_bytes == [1 * MIB, 20 * MIB]
    assert report.effort is not None
    assert report.effort.largest_usage_bytes == 21 * MIB
    assert report.kernel_peak.value == 37 * MIB


class Considered:
    """Snapshots that only note what RSS they were asked to consider."""

    def __init__(self, *samples: Sample) -> None:
        self.rss_mib: list[int] = []
        self._samples = list(samples)

    def begin(self, *_: object) -> None:
        """Begin a trial."""

    def consider(self, _: Path, rss_bytes: int, now_ns: int) -> None:
        del now_ns
        self.rss_mib.append(rss_bytes // MIB)

    def best(self) -> tuple[None, str]:
        return None, "none"

    def samples(self) -> list[Sample]:
        return self._samples

    taken = cpu_us = 0
    kills_meanwhile = False


def test_memory_that_rests_at_a_peak_is_considered_at_each_look(tree: Tree) -> None:
    """A peak of 50 ms has one sample when it is reached, and no second one before it is over."""
    tree.start()
    considered = Considered()
    sampler = Sampler(tree.order, considered)  # type: ignore[arg-type]
    sampler.look()
    tree.hold(30)
    for _ in range(3):
        sampler.look()
    assert considered.rss_mib == [1, 30, 30, 30]


def test_phases_that_are_not_judged_are_not_looked_at(tree: Tree) -> None:
    tree.start()
    considered = Considered()
    sampler = Sampler(replace(tree.order, unjudged=("warm-up",)), considered)  # type: ignore[arg-type]
    for number, name in enumerate(("warm-up", "steady", "warm-up"), 10):
        tree.hold(number)
        sampler.begin_phase(name)
        sampler.look()
    assert set(considered.rss_mib) == {11}


def test_no_snapshot_has_more_memory_than_the_series(tree: Tree) -> None:
    tree.start()
    larger, smaller = (MemoryReading(rss * MIB, 0, 0, rss * MIB) for rss in (40, 20))
    sampler = Sampler(tree.order, Considered(Sample(0, larger), Sample(1, smaller)))  # type: ignore[arg-type]
    tree.hold(30)
    sampler.look()
    report = sampler.report()
    assert report.series.rss_bytes == [40 * MIB, 30 * MIB]
    assert report.series.time_us == sorted(report.series.time_us)
    assert report.series.is_whole


def test_a_spike_whose_rss_was_gone_while_it_was_still_charged_was_not_sampled(
    tree: Tree, snapshots: SnapshotProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroup_sampler, "_UNACCOUNTED_BYTES", MIB)  # as with two CPUs
    tree.start()
    sampler = Sampler(tree.order, snapshots)
    sampler.look()
    tree.hold(30, charged_mib=37, mark=37)  # in the middle of munmap
    sampler.look()
    sampler.look()
    report = sampler.report()
    assert report.series.rss_bytes == [1 * MIB, 30 * MIB, 30 * MIB]  # it looked again at once
    assert report.effort is not None
    assert report.effort.largest_usage_bytes == 31 * MIB


def test_a_kernel_that_does_not_say_what_usage_is_made_of_is_believed(tree: Tree, snapshots: SnapshotProcess) -> None:
    tree.start()
    if tree.version == 1:
        (tree.leaf / "memory.kmem.usage_in_bytes").unlink()
    sampler = Sampler(tree.order, snapshots)
    sampler.look()
    tree.hold(30, charged_mib=37, mark=37, kernel="slab")
    sampler.look()
    report = sampler.report()
    assert report.effort is not None
    assert report.effort.largest_usage_bytes == 37 * MIB


@pytest.mark.thorough
@pytest.mark.parametrize("text", ["", "ano", "anon 12", "total_rss x\n"])
def test_a_file_cut_in_half_is_no_sample(tree: Tree, snapshots: SnapshotProcess, text: str) -> None:
    tree.start()
    sampler = Sampler(tree.order, snapshots)
    sampler.look()
    tree.hold(50)
    tree.write(tree.leaf, "memory.stat", text)
    sampler.look()
    tree.hold(30)
    sampler.look()
    assert sampler.report().series.rss_bytes == [1 * MIB, 30 * MIB]


def test_a_phase_that_cannot_have_a_mark_of_its_own_has_the_trials_where_that_rose(
    tree: Tree, snapshots: SnapshotProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr("membudget.measure.probe.cgroup.OpenFile.write", refuse)
    tree.start()
    sampler = Sampler(tree.order, snapshots)
    for name, mark in (("start-up", 10), ("steady", 40), ("settle", 40)):
        sampler.begin_phase(name)
        tree.hold(5, mark=mark)
        sampler.look()
    peaks = [phase.kernel_peak for phase in sampler.report().phases]
    assert [peak.value for peak in peaks] == [10 * MIB, 40 * MIB, None]
    assert "could not be started anew" in str(peaks[2].reason)


def test_where_it_can_each_phase_has_a_mark_of_its_own(tmp_path: Path, snapshots: SnapshotProcess) -> None:
    tree = Tree(tmp_path, 1)  # a plain file takes the write as v1's does: it says what was written
    tree.start()
    sampler = Sampler(tree.order, snapshots)
    for name, mark in (("start-up", 10), ("steady", 40), ("settle", 7)):
        sampler.begin_phase(name)
        assert (tree.parent / "memory.max_usage_in_bytes").read_text().startswith("0" if name != "start-up" else "1")
        tree.hold(5, mark=mark)
        sampler.look()
    report = sampler.report()
    assert [phase.kernel_peak.value for phase in report.phases] == [10 * MIB, 40 * MIB, 7 * MIB]
    assert report.kernel_peak.value == 40 * MIB


def test_without_memory_peak_there_is_no_mark_and_it_says_why(tmp_path: Path, snapshots: SnapshotProcess) -> None:
    tree = Tree(tmp_path, 2)
    tree.start()
    (tree.parent / "memory.peak").unlink()
    (tree.parent / "memory.pressure").unlink()
    sampler = Sampler(tree.order, snapshots)
    sampler.begin_phase("steady")
    sampler.look()
    report = sampler.report()
    assert "Linux 5.19" in str(report.kernel_peak.reason)
    assert "psi=1" in str(report.stalled_us.reason)


def test_where_the_engine_is_in_there_too_the_containers_own_mark_counts(
    tree: Tree, snapshots: SnapshotProcess
) -> None:
    tree.start()
    tree.write(tree.leaf, "memory.peak" if tree.version == 2 else "memory.max_usage_in_bytes", f"{9 * MIB}\n")
    sampler = Sampler(replace(tree.order, is_shared=True), snapshots)
    sampler.look()
    report = sampler.report()
    assert report.kernel_peak.value == 9 * MIB
    assert "as last read" in str(report.kernel_peak.note)


class Log:
    """A kernel's log that a kill is told in after the count was last read."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def read(self) -> None:
        self.steps.append("log")

    def counted(self) -> None:
        self.steps.append("counted")

    def kills(self, cgroup: str, pids: set[int]) -> KernelLog:
        self.steps.append(f"told {sorted(pids)}")
        return KernelLog()

    def close(self) -> None:
        pass


def test_on_v1_the_log_is_read_before_the_count_and_processes_are_remembered(
    tmp_path: Path, snapshots: SnapshotProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log()
    monkeypatch.setattr(cgroup_sampler, "LogReader", lambda: log)
    tree = Tree(tmp_path, 1)
    tree.start()
    tree.write(tree.leaf, "cgroup.procs", "7\n9\n")
    sampler = Sampler(tree.order, snapshots)
    sampler.look()
    assert log.steps == ["log", "counted"]
    sampler.report()
    assert log.steps[2:] == ["told [7, 9]"]


def test_processes_are_listed_anew_while_memory_moves(
    tree: Tree, snapshots: SnapshotProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """v1 gives whoever holds the list open an old one."""
    log = Log()
    monkeypatch.setattr(cgroup_sampler, "LogReader", lambda: log)
    monkeypatch.setattr(cgroup_sampler, "_PIDS_NS", 0)
    tree.start()
    sampler = Sampler(tree.order, snapshots)
    for pid in (7, 8, 9):
        (tree.leaf / "cgroup.procs").unlink(missing_ok=True)  # another file: whoever holds the old one sees it alone
        tree.write(tree.leaf, "cgroup.procs", f"{pid}\n")
        tree.hold(pid)
        sampler.look()
    sampler.report()
    assert log.steps[-1] == "told [7, 8, 9]"


def test_a_count_is_final_when_it_was_read_after_the_last_phase(tmp_path: Path, snapshots: SnapshotProcess) -> None:
    tree = Tree(tmp_path, 1)
    tree.start()
    sampler = Sampler(tree.order, snapshots)
    sampler.look()
    sampler.begin_phase("steady")
    tree.write(tree.leaf, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    sampler.end_phase()
    report = sampler.report()
    assert (report.oom_kills.value, report.count_is_final) == (3, True)


def test_a_count_that_could_not_be_read_any_more_is_not_final_and_stays(
    tmp_path: Path, snapshots: SnapshotProcess
) -> None:
    tree = Tree(tmp_path, 1)
    tree.start()
    sampler = Sampler(tree.order, snapshots)
    sampler.begin_phase("steady")
    tree.write(tree.leaf, "memory.oom_control", "")  # as a cgroup that is gone: nothing to read
    sampler.end_phase()
    report = sampler.report()
    assert (report.oom_kills.value, report.count_is_final) == (2, False)


def followed(tree: Tree, snapshots: SnapshotProcess) -> ProbeReport:
    sampler = Sampler(tree.order, snapshots)
    sampler.look()
    tree.start()
    for rss_mib, mark in ((1, 1), (60, 64), (20, 64)):
        tree.hold(rss_mib, mark)
        sampler.look()
    return sampler.report()
