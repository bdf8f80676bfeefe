"""What the kernel's log tells of OOM kills, and what may be missing from it."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.core.quantities import KIB
from membudget.measure.probe.machine import KillLog, LogReader, free_bytes, granted, has_pressure
from membudget.measure.probe.messages import KernelLog

OURS = "/membudget_x/t1"


def context(cgroup: str) -> str:
    return (
        "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=7d03,mems_allowed=0,"
        f"oom_memcg={cgroup},task_memcg={cgroup},task=truth,pid=21575,uid=0"
    )


def kill(pid: int, name: str = "app", anon_kib: int = 32_384) -> str:
    return (
        f"Memory cgroup out of memory: Killed process {pid} ({name}) total-vm:52204kB, anon-rss:{anon_kib}kB,"
        " file-rss:560kB, shmem-rss:4kB, UID:0 pgtables:100kB oom_score_adj:0"
    )


def group(cgroup: str) -> str:
    return f"Tasks in {cgroup} are going to be killed due to memory.oom.group set"


def record(number: int, text: str) -> str:
    return f"6,{number},5566778899,-;{text}\n SUBSYSTEM=memory\n"


def told(*messages: str, pids: set[int] | None = None, cgroup: str = OURS) -> KernelLog:
    """What a log of these messages tells."""
    log = KillLog()
    for number, message in enumerate(messages):
        log.feed(record(number, message))
    return log.told(cgroup, pids or set())


def names(log: KernelLog) -> list[str]:
    return [process.name for process in log.killed]


def test_who_was_killed_and_how_large_it_was() -> None:
    (killed,) = told("something else", context(f"{OURS}/7d03"), kill(21575, "truth")).killed
    assert (killed.pid, killed.name) == (21575, "truth")
    assert (killed.anon_bytes, killed.file_bytes, killed.shmem_bytes) == (32_384 * KIB, 560 * KIB, 4 * KIB)
    assert killed.rss_bytes == 32_388 * KIB


INVOKED = "truth invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0"
LIMIT_V1 = (
    "memory: usage 65536kB, limit 65536kB, failcnt 76",
    "memory+swap: usage 65536kB, limit 65536kB, failcnt 0",
    "kmem: usage 84kB, limit 9007199254740988kB, failcnt 0",
)
LIMIT_V2 = (
    "memory: usage 65536kB, limit 65536kB, failcnt 76",
    "swap: usage 0kB, limit 0kB, failcnt 0",
)
UNLIMITED = ("memory: usage 512kB, limit 9007199254740988kB, failcnt 0",)


@pytest.mark.parametrize(("said", "limit_kib"), [(LIMIT_V1, 65_536), (LIMIT_V2, 65_536), (UNLIMITED, None), ((), None)])
def test_the_limit_at_which_a_process_was_killed_is_the_kernels(said: tuple[str, ...], limit_kib: int | None) -> None:
    (killed,) = told(INVOKED, *said, context(OURS), kill(1)).killed
    assert killed.limit_bytes == (limit_kib * KIB if limit_kib is not None else None)


def test_a_limit_belongs_to_one_kill_or_to_a_whole_group() -> None:
    first, second = told(INVOKED, *LIMIT_V2, context(OURS), kill(1), kill(2), pids={2}).killed
    assert (first.limit_bytes, second.limit_bytes) == (65_536 * KIB, None), "the second is of another record"
    group_of = told(INVOKED, *LIMIT_V2, context(OURS), kill(1), group(OURS), kill(1), kill(2)).killed
    assert [process.limit_bytes for process in group_of] == [65_536 * KIB, 65_536 * KIB]
    other = told(INVOKED, *LIMIT_V2, context("/docker/7d03"), kill(4), INVOKED, context(OURS), kill(1)).killed
    assert [process.limit_bytes for process in other] == [None]


def test_kills_in_other_cgroups_are_not_ours() -> None:
    log = told(
        context("/membudget_x/t10/7d03"), kill(1, "ten"),
        context(f"{OURS}/7d03"), kill(2, "ours"), group(f"{OURS}/7d03"), kill(2, "ours"), kill(3, "its group"),
        context("/docker/7d03"), kill(4, "other"),
    )  # fmt: skip
    assert names(log) == ["ours", "its group"]
    assert (log.messages, log.doubtful, log.is_whole, log.reason) == (3, 0, True, None)


def test_slices_of_systemd_are_found() -> None:
    slice_ = "/membudget_x.slice/membudget_x-t1.slice"
    assert len(told(context(f"{slice_}/docker-7d03.scope"), kill(1), cgroup=slice_).killed) == 1


def test_names_may_be_anything() -> None:
    raw = ["a) total-vm:1kB, (b", r"line\x0abreak", "()"]
    messages = [message for number, name in enumerate(raw) for message in (context(OURS), kill(number, name))]
    assert names(told(*messages)) == ["a) total-vm:1kB, (b", "line\nbreak", "()"]


def test_a_kill_without_its_cgroup_is_told_by_its_pid() -> None:
    """The kernel names the cgroup of ten kills in five seconds on the whole machine."""
    log = told(context("/docker/7d03"), kill(4, "other"), kill(2, "ours"), kill(9, "nobody's"), pids={2, 3})
    assert names(log) == ["ours"]
    assert log.doubtful == 1, "a process that was never seen may have been ours"


def test_a_kill_without_its_cgroup_after_one_of_ours_is_not_taken_for_ours() -> None:
    log = told(context(OURS), kill(2, "ours"), kill(9, "somebody's"))
    assert (names(log), log.doubtful) == (["ours"], 1)


def test_a_process_that_is_killed_twice_is_named_once() -> None:
    """memory.oom.group: the kernel kills its victim, and then its whole group, the victim included."""
    log = told(context(OURS), kill(1, "a", 100), group(OURS), kill(2, "b"), kill(1, "a", 0))
    assert names(log) == ["a", "b"]
    assert log.killed[0].anon_bytes == 100 * KIB
    assert (log.messages, log.late) == (3, 2)


def test_what_was_told_before_the_count_was_read_is_in_the_count() -> None:
    log = KillLog()
    log.feed(record(1, kill(9)))
    log.feed(record(5, kill(8)))
    log.counted()
    assert log.told(OURS, ()).doubtful == 0
    assert log.told(OURS, ()).is_whole, "the gap was before"
    assert log.told(OURS, ()).reason is not None, "names may be missing all the same"
    log.feed(record(6, context(OURS)))
    log.feed(record(7, kill(2)))
    log.feed(record(8, kill(7)))
    after = log.told(OURS, ())
    assert (after.late, after.doubtful, after.is_whole) == (1, 1, True)


@pytest.mark.parametrize("numbers", [(1, 3), (7, 8, 10), (5, 5)])
def test_numbers_that_do_not_follow_one_another_are_a_gap(numbers: tuple[int, ...]) -> None:
    log = KillLog()
    for number in numbers:
        log.feed(record(number, "something else"))
    assert not log.told(OURS, ()).is_whole


def test_after_a_gap_no_kill_belongs_to_the_cgroup_that_was_named_before_it() -> None:
    log = KillLog()
    log.feed(record(1, context(OURS)))
    log.feed(record(9, kill(4)))
    assert (log.told(OURS, ()).killed, log.told(OURS, ()).doubtful) == ((), 1)


@pytest.mark.thorough
@given(
    st.lists(st.sampled_from(["ours", "other", "bare"]), max_size=12), st.sets(st.integers(0, 11)), st.integers(0, 12)
)
def test_every_kill_is_ours_or_another_cgroups_or_doubtful(kinds: list[str], pids: set[int], counted: int) -> None:
    log = KillLog()
    number = 0
    for pid, kind in enumerate(kinds):
        if pid == counted:
            log.counted()
        messages = [kill(pid)] if kind == "bare" else [context(OURS if kind == "ours" else "/other"), kill(pid)]
        for message in messages:
            log.feed(record(number, message))
            number += 1
    found = log.told(OURS, pids)
    ours = {pid for pid, kind in enumerate(kinds) if kind == "ours" or (kind == "bare" and pid in pids)}
    begin = counted if counted < len(kinds) else 0
    assert {process.pid for process in found.killed} == ours
    assert found.late == len({pid for pid in ours if pid >= begin})
    assert found.doubtful == sum(kind == "bare" and pid not in pids and pid >= begin for pid, kind in enumerate(kinds))
    assert found.is_whole


@pytest.mark.thorough
@given(st.text(max_size=300))
def test_no_record_is_a_crash(text: str) -> None:
    log = KillLog()
    log.feed(text)
    assert log.told(OURS, ()).killed == ()


def test_a_log_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    log = LogReader(tmp_path / "kmsg").kills(OURS)
    assert log.killed == ()
    assert not log.is_whole
    assert "cannot be read: No such file or directory" in str(log.reason)


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes | OSError]]:
    """What a device that gives a record a read has still to give."""
    waiting: list[bytes | OSError] = []

    def read(descriptor: int, size: int) -> bytes:
        assert size >= 8192
        given = waiting.pop(0) if waiting else BlockingIOError()
        if isinstance(given, OSError):
            raise given
        return given

    (tmp_path / "kmsg").touch()
    monkeypatch.setattr("membudget.measure.probe.machine.os.read", read)
    yield waiting
    monkeypatch.undo()


def test_records_are_read_as_they_come(tmp_path: Path, device: list[bytes | OSError]) -> None:
    reader = LogReader(tmp_path / "kmsg")
    device += [record(1, context(OURS)).encode(), record(2, kill(1)).encode()]
    reader.read()
    reader.counted()
    device.append(record(3, kill(2)).encode())
    log = reader.kills(OURS, {2})
    reader.close()
    assert [process.pid for process in log.killed] == [1, 2]
    assert (log.late, log.is_whole, log.reason) == (1, True, None)


def test_a_log_that_overran_has_a_gap_and_is_read_on(tmp_path: Path, device: list[bytes | OSError]) -> None:
    reader = LogReader(tmp_path / "kmsg")
    overrun = OSError(errno.EPIPE, os.strerror(errno.EPIPE))
    device += [record(1, "x").encode(), overrun, record(900, context(OURS)).encode(), record(901, kill(2)).encode()]
    log = reader.kills(OURS)
    reader.close()
    assert (len(log.killed), log.is_whole) == (1, False)
    assert log.reason == "the kernel's log has a gap: some kills may not be named"


def test_pressure_is_counted_where_the_kernel_has_its_file(tmp_path: Path) -> None:
    assert not has_pressure(tmp_path)
    (tmp_path / "proc/pressure").mkdir(parents=True)
    assert not has_pressure(tmp_path)
    (tmp_path / "proc/pressure/memory").write_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")
    assert has_pressure(tmp_path)


def test_the_space_that_is_left_is_that_of_the_file_system(tmp_path: Path) -> None:
    free = free_bytes(tmp_path)
    assert free is not None
    assert free > 0
    assert free_bytes(tmp_path / "nothing") is None


def cgroup_files(folder: Path, **files: str) -> Path:
    """A folder with files whose names have dots for double underscores."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(f"{text}\n")
    return folder


def test_an_engine_in_a_container_has_the_memory_and_the_cpus_of_its_limits(tmp_path: Path) -> None:
    root = cgroup_files(
        tmp_path, cgroup__controllers="cpu memory", memory__max="1000000", memory__current="400000",
        memory__stat="anon 300000\ninactive_file 50000\nactive_file 7", cpu__max="250000 100000",
    )  # fmt: skip
    assert granted(root) == (650_000, 2)


def test_on_cgroup_v1_limits_are_in_two_trees(tmp_path: Path) -> None:
    root = cgroup_files(
        tmp_path / "memory", memory__limit_in_bytes="1000000", memory__usage_in_bytes="400000",
        memory__stat="inactive_file 1\ntotal_inactive_file 50000",
    )  # fmt: skip
    cgroup_files(tmp_path / "cpu", cpu__cfs_quota_us="50000", cpu__cfs_period_us="100000")
    assert granted(root) == (650_000, 1)


def test_a_machine_grants_everything(tmp_path: Path) -> None:
    v2 = cgroup_files(tmp_path / "v2", cgroup__controllers="cpu", memory__max="max", cpu__max="max 100000")
    v1 = cgroup_files(
        tmp_path / "v1/memory", memory__limit_in_bytes="9223372036854771712", memory__usage_in_bytes="400000"
    )
    cgroup_files(tmp_path / "v1/cpu", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    for root in (v2, v1, tmp_path / "nothing"):
        assert granted(root) == (None, None)


def test_a_full_container_has_no_memory_left(tmp_path: Path) -> None:
    root = cgroup_files(tmp_path, cgroup__controllers="memory", memory__max="1000", memory__current="1200")
    assert granted(root) == (0, None)
