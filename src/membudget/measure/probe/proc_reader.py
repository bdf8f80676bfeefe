"""Reads a snapshot of a container's processes from /proc.

Every process is first read cheaply (statm). Then the largest are read in full (smaps), as many as the time allows. Near
the limit, only `status` is read, which holds a process for microseconds (see `pace`). Sources: proc(5);
Documentation/filesystems/proc.rst. Uses the standard library only, because the probe imports this module.
"""

import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from membudget.measure.probe.messages import Depth, FileUse, ProcessUse, Snapshot

_LINE = re.compile(
    rb"^(?:([0-9a-f]+-[0-9a-f]+) \S{4} [0-9a-f]+ \S+ \d+ *(.*)"
    rb"|(Rss|Pss|Shared_Dirty|Private_Clean|Private_Dirty|Anonymous): +(\d+) kB)$",
    re.MULTILINE,
)
"""The first line of a mapping, or one of the values that the probe uses. Scanning the whole file with one expression is
four times as fast as looking at each line, and a process has thousands of lines.
"""
_ESCAPED = re.compile(rb"\\([0-7]{3})")
_KERNELS_OWN = (b"[vdso]", b"[vvar]", b"[vvar_vclock]", b"[vsyscall]", b"[uprobes]")
_SHARED_MEMORY = (b"/dev/shm/", b"/memfd:", b"/SYSV", b"/dev/zero", b"[anon_shmem")


@dataclass(slots=True)
class MemoryMap:
    """The sums over one process's mappings, in bytes."""

    rss: int = 0
    pss: int = 0
    private: int = 0
    dirty_file: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)


def parse_smaps(data: bytes) -> MemoryMap:
    """Add up the mappings of /proc/PID/smaps, which may be cut off. Raises ValueError if `data` has another format."""
    total = MemoryMap()
    for name, values in _mappings(data):
        if name in _KERNELS_OWN:
            continue
        rss, pss = values["Rss"] * _KIB, values["Pss"] * _KIB
        total.rss += rss
        total.pss += pss
        total.private += (values["Private_Clean"] + values["Private_Dirty"]) * _KIB
        kind = _kind(name)
        if kind != "file":
            total.kinds[kind] += pss
            continue
        # Memory that a process wrote in its private mapping of a file is its own. It cannot be written back to the
        # file.
        own = min(pss, values["Anonymous"] * _KIB)
        total.kinds["anonymous"] += own
        total.kinds["file"] += pss - own
        total.files[_text(name)] += pss - own
        total.dirty_file += max(0, (values["Private_Dirty"] + values["Shared_Dirty"]) * _KIB - own)
    total.kinds = +total.kinds  # drops the zeros
    total.files = +total.files
    return total


def _mappings(data: bytes) -> Iterator[tuple[bytes, Counter[str]]]:
    """Yield each mapping's name and its values in KiB."""
    name: bytes | None = None
    values: Counter[str] = Counter()
    for addresses, mapped, key, kib in _LINE.findall(data):
        if not addresses:
            values[key.decode()] = int(kib)
            continue
        if name is not None:
            yield name, values
        name, values = mapped, Counter()
    if name is not None:
        yield name, values


def _kind(name: bytes) -> str:
    if name == b"[heap]":
        return "heap"
    if name.startswith(b"[stack"):
        return "stack"
    if name.startswith(_SHARED_MEMORY):
        return "shared_memory"
    return "file" if name.startswith(b"/") else "anonymous"


def _text(name: bytes) -> str:
    """Return the path without the kernel's escapes for newlines."""
    plain = _ESCAPED.sub(lambda found: bytes([int(found[1], 8) & 0xFF]), name.removesuffix(b" (deleted)"))
    return plain.decode(errors="replace").replace("\0", "")[:300]


MOST_PROCESSES = 40
_MOST_FILES = 10
_MOST_ARGUMENTS, _LONGEST_ARGUMENT = 8, 100
_LARGEST_SMAPS_BYTES = 32 << 20
_CHUNK_BYTES = 1 << 10
"""About the text of one mapping. The kernel holds the process while it produces the text, at most a page of it."""
_KIB = 1024
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_RUNTIME = "runc:["
"""The container runtime's name for itself before it becomes the container's program."""
_STATUS_LINE = re.compile(rb"^(VmHWM|RssAnon|RssFile|RssShmem):\s+(\d+) kB$", re.MULTILINE)


class Guard(Protocol):
    """Decides whether processes may be read."""

    def is_far(self) -> bool:
        """Return whether the cgroup is currently far from its limit."""

    def begin_process(self) -> None:
        """Note that reading a process begins."""

    def end_process(self) -> None:
        """Note that reading a process has ended, so that nothing holds its memory any more."""


class Moment(NamedTuple):
    """The start of a snapshot, and the cgroup's memory at that time."""

    time_us: int
    rss_bytes: int
    anon_bytes: int


@dataclass(slots=True)
class Reader:
    """Reads processes as far as a guard allows. It remembers command lines, because it reads none near the limit."""

    proc: Path = Path("/proc")
    budget_s: float = 0.15
    cpu_ns: int = 0
    """The CPU time of reading for the last snapshot, without parsing the texts afterwards."""
    _arguments: dict[tuple[int, str], tuple[str, ...]] = field(default_factory=dict)

    def forget(self) -> None:
        """Forget all command lines, because another trial begins."""
        self._arguments.clear()

    def take(self, cgroup: Path, moment: Moment, guard: Guard, depth: Depth = Depth.MAPS) -> Snapshot | None:
        """Read the processes of `cgroup` and its descendants, for about `budget_s` seconds.

        Once the guard says that the limit is near, no more maps and command lines are read. Returns None if there are
        no processes yet, or none any more.
        """
        begun, cpu_before_ns = time.monotonic(), time.process_time_ns()
        pids = set(_pids(cgroup))
        alive = sorted(_sizes(self.proc, pids), key=lambda process: process.rss_bytes, reverse=True)
        seen: list[_Seen] = []
        denied, is_far = 0, True
        for process in alive[:MOST_PROCESSES]:
            is_far = is_far and guard.is_far()
            has_time = depth is Depth.MAPS and time.monotonic() - begun < self.budget_s
            guard.begin_process()
            try:
                smaps = _read_smaps(self.proc / str(process.pid), guard) if is_far and has_time else None
                denied += smaps is None and is_far and has_time
            except _NearLimit:
                smaps, is_far = None, False
            one = self._see(process, smaps, with_arguments=is_far)
            guard.end_process()
            if one is not None:
                seen.append(one)
        took_us = round((time.monotonic() - begun) * 1e6)
        self.cpu_ns = time.process_time_ns() - cpu_before_ns
        if not seen:
            return None
        maps = [parse_smaps(one.smaps) if one.smaps is not None else None for one in seen]
        whole = [memory for memory in maps if memory is not None]
        kinds = sum((memory.kinds for memory in whole), Counter[str]())
        files = sum((memory.files for memory in whole), Counter[str]())
        return Snapshot(
            time_us=moment.time_us,
            rss_bytes=moment.rss_bytes,
            anon_bytes=moment.anon_bytes,
            took_us=took_us,
            process_count=len(pids),
            summed_rss_bytes=sum(process.rss_bytes for process in alive),
            summed_pss_bytes=sum(memory.pss for memory in whole) if whole else None,
            unreadable=len(pids) - len(alive) + denied,
            processes=tuple(_use(one, memory) for one, memory in zip(seen, maps, strict=True)),
            kinds=dict(kinds),
            dirty_bytes=sum(memory.dirty_file for memory in whole),
            files=tuple(FileUse(path, pss) for path, pss in files.most_common(_MOST_FILES)),
            detail=_detail(len(alive) - len(whole), len(alive), depth, is_far=is_far),
            is_near_limit=not is_far,
            is_after_kill=depth is Depth.STATUS,
        )

    def _see(self, process: "_Process", smaps: bytes | None, *, with_arguments: bool) -> "_Seen | None":
        """Read the rest about a process. Returns None if it has ended or is not yet the container's program."""
        folder = self.proc / str(process.pid)
        try:
            name = (folder / "comm").read_bytes().removesuffix(b"\n").decode(errors="replace")
            if with_arguments:  # the command line is read from the process's own memory
                self._arguments[process.pid, name] = _arguments(folder)
            status = (folder / "status").read_bytes()
        except OSError:
            return None
        if name.startswith(_RUNTIME):
            return None
        return _Seen(process, name, self._arguments.get((process.pid, name), ()), status, smaps)


class _NearLimit(Exception):
    """Raised when the cgroup comes near its limit while a memory map is read."""


class _Process(NamedTuple):
    pid: int
    rss_bytes: int


class _Seen(NamedTuple):
    """The kernel's texts about a process. They are parsed once no process is held any more."""

    process: _Process
    name: str
    arguments: tuple[str, ...]
    status: bytes
    smaps: bytes | None


def _detail(unread: int, alive: int, depth: Depth, *, is_far: bool) -> str | None:
    if not is_far:
        return "near the limit no memory map is read: it would keep the memory of a process that is being killed"
    if depth is not Depth.MAPS:
        return "no memory map is read since the kernel killed processes for memory in an earlier trial"
    return f"{unread} of {alive} processes, the smaller ones first, were not read whole" if unread else None


def _pids(cgroup: Path) -> Iterator[int]:
    """Yield the processes of a cgroup and its descendants, without those outside our PID namespace (listed as 0)."""
    for folder, _, files in os.walk(cgroup):
        if "cgroup.procs" in files:
            try:
                listed = Path(folder, "cgroup.procs").read_bytes().split()
            except OSError:
                continue
            yield from (pid for pid in map(int, listed) if pid)


def _sizes(proc: Path, pids: Iterable[int]) -> Iterator[_Process]:
    """Yield the processes that are still alive, with their RSS."""
    for pid in pids:
        try:
            words = (proc / str(pid) / "statm").read_bytes().split()
            yield _Process(pid, int(words[1]) * _PAGE_BYTES)
        except (OSError, ValueError, IndexError):
            continue


def _read_smaps(folder: Path, guard: Guard) -> bytes | None:
    """Return the memory map, or None if the process ended or may not be read. Raises _NearLimit near the limit."""
    data = bytearray()
    try:
        descriptor = os.open(folder / "smaps", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        while len(data) < _LARGEST_SMAPS_BYTES:
            if not guard.is_far():
                raise _NearLimit
            chunk = os.read(descriptor, _CHUNK_BYTES)
            if not chunk:
                break
            data += chunk
        return bytes(data) or None
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _arguments(folder: Path) -> tuple[str, ...]:
    with (folder / "cmdline").open("rb") as file:
        words = file.read(_MOST_ARGUMENTS * 4096).split(b"\0")[:_MOST_ARGUMENTS]
    return tuple(word.decode(errors="replace")[:_LONGEST_ARGUMENT] for word in words if word)


def _use(one: _Seen, memory: MemoryMap | None) -> ProcessUse:
    status = {name.decode(): int(kib) * _KIB for name, kib in _STATUS_LINE.findall(one.status)}
    return ProcessUse(
        pid=one.process.pid,
        name=one.name,
        arguments=one.arguments,
        rss_bytes=memory.rss if memory is not None else one.process.rss_bytes,
        pss_bytes=memory.pss if memory is not None else None,
        shared_bytes=memory.rss - memory.private if memory is not None else None,
        high_water_bytes=status.get("VmHWM"),
        anon_bytes=status.get("RssAnon"),
        shmem_bytes=status.get("RssShmem"),
        file_bytes=status.get("RssFile"),
    )
