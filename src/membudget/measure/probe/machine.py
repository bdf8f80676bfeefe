"""The machine's settings that influence memory figures, and the kernel's log of OOM kills.

Uses the standard library only, because the probe imports this module.
"""

import errno
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from membudget.measure.probe.messages import HostSettings, KernelLog, KilledProcess
from membudget.measure.probe.readings import KIB

_CHOSEN = re.compile(r"\[(\w+)\]")


def host_settings(root: Path = Path("/")) -> HostSettings:
    """Return the machine's current settings. Containers see the same files as their host."""
    huge_pages = _CHOSEN.search(_text(root / "sys/kernel/mm/transparent_hugepage/enabled") or "")
    swappiness = _text(root / "proc/sys/vm/swappiness")
    return HostSettings(
        transparent_huge_pages=huge_pages[1] if huge_pages else None,
        swap_bytes=_meminfo(root, "SwapTotal"),
        swappiness=int(swappiness) if swappiness and swappiness.isdecimal() else None,
        numa_nodes=_text(root / "sys/devices/system/node/online"),
    )


def available_bytes(root: Path = Path("/")) -> int | None:
    """Return the memory that is usable without swapping, in bytes: the kernel's estimate (proc(5), MemAvailable)."""
    return _meminfo(root, "MemAvailable")


class Granted(NamedTuple):
    """What everything in a mounted cgroup tree may use together: an engine in a container has less than its machine."""

    free_bytes: int | None
    """What is left of the memory limit, page cache included. None without a limit."""
    cpus: int | None
    """The CPUs whose time the quota allows, at least 1. None without a quota."""


def granted(memory_root: Path) -> Granted:
    """Return what the cgroup at `memory_root` may use. The machine's own root has neither a limit nor a quota."""
    if (memory_root / "cgroup.controllers").exists():
        limit, used = _number(memory_root / "memory.max"), _number(memory_root / "memory.current")
        quota, _, period = (_text(memory_root / "cpu.max") or "").partition(" ")
    else:
        limit, used = (_number(memory_root / f"memory.{name}_in_bytes") for name in ("limit", "usage"))
        cpu = memory_root.with_name("cpu")
        quota, period = (_text(cpu / f"cpu.cfs_{name}_us") or "" for name in ("quota", "period"))
    free = None
    if limit is not None and used is not None and limit < _UNLIMITED_BYTES:
        cache = re.findall(r"^(?:total_)?inactive_file (\d+)$", _text(memory_root / "memory.stat") or "", re.MULTILINE)
        free = max(0, limit - used + int(cache[-1] if cache else 0))
    cpus = max(1, int(quota) // int(period)) if quota.isdecimal() and period.isdecimal() and int(period) else None
    return Granted(free, cpus)


def has_pressure(root: Path = Path("/")) -> bool:
    """Return whether the kernel counts the time that processes wait for memory (Documentation/accounting/psi.rst).

    With `psi=0` the file is missing, or cannot be read.
    """
    return _text(root / "proc/pressure/memory") is not None


def free_bytes(folder: Path = Path("/")) -> int | None:
    """Return the space that is left on a folder's file system, for users without privileges, in bytes."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def cpu_model(root: Path = Path("/")) -> str:
    """Return the name of this machine's processor, or "unknown" (proc(5), /proc/cpuinfo)."""
    found = re.search(r"^(?:model name|CPU part)\s*:\s*(.+)$", _text(root / "proc/cpuinfo") or "", re.MULTILINE)
    return found[1] if found else "unknown"


def sees_itself(memory_root: Path, own: Path = Path("/proc/self/cgroup")) -> bool:
    """Return whether this process's own cgroup lies in the memory controller's tree at `memory_root` (cgroups(7)).

    If it does not, another tree is mounted there, and the probe cannot find any container's cgroup in it.
    """
    for line in (_text(own) or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(",") or (not controllers and (memory_root / "cgroup.controllers").exists()):
            return (memory_root / path.lstrip("/")).is_dir()
    return False


def _meminfo(root: Path, key: str) -> int | None:
    found = re.search(rf"^{key}:\s+(\d+) kB$", _text(root / "proc/meminfo") or "", re.MULTILINE)
    return int(found[1]) * KIB if found else None


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text is not None and text.isdecimal() else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None


KMSG = Path("/dev/kmsg")
_RECORD_BYTES = 8192
"""Longer than any record (Documentation/ABI/testing/dev-kmsg)."""

_INVOKED = re.compile(r".{1,64} invoked oom-killer: ")
_LIMIT = re.compile(r"memory: usage \d+kB, limit (\d+)kB, failcnt \d+")
_UNLIMITED_BYTES = 1 << 60
_CONTEXT = re.compile(r"oom-kill:constraint=.*?,oom_memcg=(.*?),task_memcg=")
_GROUP = re.compile(r"Tasks in (.*) are going to be killed due to memory\.oom\.group set")
_KILLED = re.compile(
    r"Memory cgroup out of memory: Killed process (\d+) \((.*)\) total-vm:\d+kB,"
    r" anon-rss:(\d+)kB, file-rss:(\d+)kB, shmem-rss:(\d+)kB"
)
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})")
_GAP = "the kernel's log has a gap: some kills may not be named"


class _Kill(NamedTuple):
    process: KilledProcess
    cgroup: str | None
    """The cgroup that was out of memory. None if the log does not say."""


class KillLog:
    """The OOM kills in a kernel log, and whether some may be missing. Does no I/O."""

    def __init__(self) -> None:
        self._kills: list[_Kill] = []
        self._cgroup: str | None = None
        """The cgroup of the next kill."""
        self._is_group = False
        """Whether the cgroup applies to all kills that follow."""
        self._limit_bytes: int | None = None
        """The limit of the next kill."""
        self._number: int | None = None
        self._counted = 0
        """The number of kills that the log had reported when the cgroup's own count was read. That count includes them.
        """
        self._has_gap = self._has_late_gap = False

    def feed(self, record: str) -> None:
        """Add a record: "PRIORITY,NUMBER,TIME,FLAGS;TEXT", then lines that are not part of the text."""
        head, _, text = record.partition("\n")[0].partition(";")
        number = head.split(",")[1:2]
        if number and number[0].isdecimal():
            if self._number is not None and int(number[0]) != self._number + 1:
                self.skipped()
            self._number = int(number[0])
        if _INVOKED.match(text):
            self._limit_bytes = None
        elif found := _LIMIT.match(text):
            limit = int(found[1]) * KIB
            self._limit_bytes = limit if limit < _UNLIMITED_BYTES else None
        elif found := _CONTEXT.match(text):
            self._cgroup, self._is_group = found[1], False
        elif found := _GROUP.match(text):
            self._cgroup, self._is_group = found[1], True
        elif found := _KILLED.match(text):
            anon, file, shmem = (int(size) * KIB for size in found.groups()[2:])
            name, limit_bytes = _ESCAPED.sub(_character, found[2]), self._limit_bytes if self._cgroup else None
            self._kills.append(_Kill(KilledProcess(int(found[1]), name, anon, file, shmem, limit_bytes), self._cgroup))
            if not self._is_group:
                self._cgroup = None

    def skipped(self) -> None:
        """Note that some records are lost."""
        self._has_gap = self._has_late_gap = True
        self._number = self._cgroup = self._limit_bytes = None
        self._is_group = False

    def counted(self) -> None:
        """Note that the cgroup's own count of kills was read after the last record.

        The count therefore includes all kills so far (mm/oom_kill.c).
        """
        self._counted = len(self._kills)
        self._has_late_gap = False

    def told(self, cgroup: str, pids: Collection[int], reason: str | None = None) -> KernelLog:
        """Return the kills in `cgroup` and its descendants. `pids` are all processes that were ever seen there.

        `reason` says why the log could not be read, or not to its end.
        """
        once: dict[int, KilledProcess] = {}
        messages, late, doubtful = 0, set[int](), 0
        for number, (process, where) in enumerate(self._kills):
            is_late = number >= self._counted
            is_ours = process.pid in pids if where is None else f"{cgroup}/" in f"{where}/"
            if is_ours:
                once.setdefault(process.pid, process)
                messages += 1
                late |= {process.pid} if is_late else set()
            elif where is None:
                doubtful += is_late
        return KernelLog(
            killed=tuple(once.values()),
            messages=messages,
            reason=reason or (_GAP if self._has_gap else None),
            late=len(late),
            doubtful=doubtful,
            is_whole=reason is None and not self._has_late_gap,
        )


class LogReader:
    """Reads the kernel's log from the moment of its creation."""

    def __init__(self, path: Path = KMSG) -> None:
        self._log = KillLog()
        self._reason: str | None = None
        self._descriptor: int | None = None
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.lseek(self._descriptor, 0, os.SEEK_END)
        except OSError as error:
            self._reason = f"the kernel's log {path} cannot be read: {error.strerror}"
            self.close()

    def read(self) -> None:
        """Read the records that are new since the last call."""
        while self._descriptor is not None:
            try:
                record = os.read(self._descriptor, _RECORD_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.EPIPE:
                    self._reason = f"the kernel's log could not be read to its end: {error.strerror}"
                    return
                self._log.skipped()  # overrun: reading continues with the oldest record that is left
                continue
            if not record:
                return
            self._log.feed(record.decode(errors="replace"))

    def counted(self) -> None:
        """Note that the cgroup's own count of kills was read after the last `read`."""
        self._log.counted()

    def kills(self, cgroup: str, pids: Collection[int] = ()) -> KernelLog:
        """Return the OOM kills in `cgroup` since this reader was created. `pids` are processes that were seen there."""
        self.read()
        return self._log.told(cgroup, pids, self._reason)

    def close(self) -> None:
        """Close the log."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _character(escaped: re.Match[str]) -> str:
    return chr(int(escaped[1], 16))
