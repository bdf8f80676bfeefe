from pathlib import Path

from membudget.quantities import KIB
from membudget.trials.kernel_log import LogReader, killed_in

OURS = "/membudget_x/t1"


def context(cgroup: str) -> str:
    return (
        "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=7d03,mems_allowed=0,"
        f"oom_memcg={cgroup},task_memcg={cgroup},task=truth,pid=21575,uid=0"
    )


def kill(pid: int, name: str, anon_kib: int = 32_384) -> str:
    return (
        f"Memory cgroup out of memory: Killed process {pid} ({name}) total-vm:52204kB, anon-rss:{anon_kib}kB,"
        " file-rss:560kB, shmem-rss:4kB, UID:0 pgtables:100kB oom_score_adj:0"
    )


def test_who_was_killed_and_how_large_it_was() -> None:
    (killed,) = killed_in(OURS, ["something else", context(f"{OURS}/7d03"), kill(21575, "truth")])
    assert (killed.pid, killed.name) == (21575, "truth")
    assert (killed.anon_bytes, killed.file_bytes, killed.shmem_bytes) == (32_384 * KIB, 560 * KIB, 4 * KIB)
    assert killed.rss_bytes == 32_388 * KIB


def test_kills_in_other_cgroups_are_not_ours() -> None:
    messages = [
        context("/membudget_x/t10/7d03"), kill(1, "ten"),
        context(f"{OURS}/7d03"), kill(2, "ours"), kill(3, "its group"),
        context("/docker/7d03"), kill(4, "other"),
    ]  # fmt: skip
    assert [process.name for process in killed_in(OURS, messages)] == ["ours", "its group"]


def test_slices_of_systemd_are_found() -> None:
    slice_ = "/membudget_x.slice/membudget_x-t1.slice"
    assert len(killed_in(slice_, [context(f"{slice_}/docker-7d03.scope"), kill(1, "a")])) == 1


def test_names_may_be_anything() -> None:
    names = ["a) total-vm:1kB, (b", r"line\x0abreak", "()"]
    killed = killed_in(OURS, [context(OURS), *(kill(number, name) for number, name in enumerate(names))])
    assert [process.name for process in killed] == ["a) total-vm:1kB, (b", "line\nbreak", "()"]


def test_a_log_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    log = LogReader(tmp_path / "kmsg").kills(OURS)
    assert log.killed == ()
    assert "cannot be read: No such file or directory" in str(log.reason)


def test_a_process_that_is_killed_twice_is_named_once(tmp_path: Path) -> None:
    """memory.oom.group: the kernel kills its victim, and then its whole group, the victim included."""
    path = tmp_path / "kmsg"
    path.write_bytes(b"")
    reader = LogReader(path)
    records = [context(OURS), kill(1, "a", 100), kill(2, "b"), kill(1, "a", 0)]
    # A file hands out more than a record at a time, the device does not: so one record a read.
    reader._messages = lambda: iter(records)  # type: ignore[method-assign]
    log = reader.kills(OURS)
    reader.close()
    assert [process.name for process in log.killed] == ["a", "b"]
    assert log.killed[0].anon_bytes == 100 * KIB
    assert log.messages == 3
