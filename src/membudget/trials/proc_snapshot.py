"""Reads a snapshot of a container's processes from /proc.

Every process is looked at once cheaply (statm); the largest are read whole (smaps), as many as the time allows, and
none near the limit (limit_guard): there `status` has to do, which holds a process for microseconds. Sources: proc(5);
Documentation/filesystems/proc.rst. Standard library only: the probe imports it.
"""

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from membudget.trials.snapshot import FileUse, ProcessUse, Snapshot

MOST_PROCESSES = 40
_MOST_FILES = 10
_MOST_ARGUMENTS, _LONGEST_ARGUMENT = 8, 100
_LARGEST_SMAPS_BYTES = 32 << 20
_CHUNK_BYTES = 64 << 10
"""The kernel gives a page or so of smaps at a time, whatever is asked for."""
_KIB = 1024
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

_LINE = re.compile(
    rb"^(?:([0-9a-f]+-[0-9a-f]+) \S{4} [0-9a-f]+ \S+ \d+ *(.*)"
    rb"|(Rss|Pss|Shared_Dirty|Private_Clean|Private_Dirty|Anonymous): +(\d+) kB)$",
    re.MULTILINE,
)
"""A mapping's first line, or one of its values that we use: a scan of the whole file by one expression is four times
as fast as looking at its lines, of which a process has thousands."""
_ESCAPED = re.compile(rb"\\([0-7]{3})")
_RUNTIME = "runc:["
"""What the container runtime calls itself before it becomes the container's program."""
_KERNELS_OWN = (b"[vdso]", b"[vvar]", b"[vvar_vclock]", b"[vsyscall]", b"[uprobes]")
_SHARED_MEMORY = (b"/dev/shm/", b"/memfd:", b"/SYSV", b"/dev/zero", b"[anon_shmem")


@dataclass(slots=True)
class MemoryMap:
    """One process's mappings, added up, in bytes."""

    rss: int = 0
    pss: int = 0
    private: int = 0
    dirty_file: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)


class _Process(NamedTuple):
    pid: int
    rss_bytes: int


def take(  # noqa: PLR0913 - of what, and when: all by name
    cgroup: Path,
    *,
    time_us: int,
    rss_bytes: int,
    anon_bytes: int,
    proc: Path = Path("/proc"),
    budget_s: float = 0.15,
    is_far: Callable[[], bool] = lambda: True,
) -> Snapshot | None:
    """Look at the processes of `cgroup` and all below it, for about `budget_s`.

    `is_far`: whether the cgroup is far from its limit now. It is asked before each read of a memory map; from the
    first no on, no more maps and command lines are read. None when there are no processes yet, or none any more.
    """
    begun = time.monotonic()
    pids = set(_pids(cgroup))
    alive = sorted(_sizes(proc, pids), key=lambda process: process.rss_bytes, reverse=True)
    if not alive:
        return None
    maps: list[MemoryMap] = []
    processes: list[ProcessUse] = []
    denied = 0
    may_read = True
    for process in alive[:MOST_PROCESSES]:
        memory = None
        may_read = may_read and is_far()
        if may_read and time.monotonic() - begun < budget_s:
            try:
                memory = _memory_map(proc / str(process.pid), is_far)
                denied += memory is None
            except _NearLimit:
                may_read = False
        use = _use(proc / str(process.pid), process, memory, with_arguments=may_read)
        if use is not None and not use.name.startswith(_RUNTIME):
            processes.append(use)
            maps += [memory] if memory is not None else []
    if not processes:
        return None
    kinds = sum((memory.kinds for memory in maps), Counter[str]())
    files = sum((memory.files for memory in maps), Counter[str]())
    unread = len(alive) - len(maps)
    return Snapshot(
        time_us=time_us,
        rss_bytes=rss_bytes,
        anon_bytes=anon_bytes,
        took_us=round((time.monotonic() - begun) * 1e6),
        process_count=len(pids),
        summed_rss_bytes=sum(process.rss_bytes for process in alive),
        summed_pss_bytes=sum(memory.pss for memory in maps) if maps else None,
        unreadable=len(pids) - len(alive) + denied,
        processes=tuple(processes),
        kinds=dict(kinds),
        dirty_bytes=sum(memory.dirty_file for memory in maps),
        files=tuple(FileUse(path, pss) for path, pss in files.most_common(_MOST_FILES)),
        detail=_detail(unread, len(alive), may_read=may_read),
        is_near_limit=not may_read,
    )


def _detail(unread: int, alive: int, *, may_read: bool) -> str | None:
    if not may_read:
        return "near the limit no memory map is read: it would keep the memory of a process that is being killed"
    return f"{unread} of {alive} processes, the smaller ones first, were not read whole" if unread else None


def parse_smaps(data: bytes) -> MemoryMap:
    """Add up /proc/PID/smaps, or what there is of it. Raises ValueError on what is no such file."""
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
        # What a process wrote to its private mapping of a file is memory of its own: it has no file to go back to.
        own = min(pss, values["Anonymous"] * _KIB)
        total.kinds["anonymous"] += own
        total.kinds["file"] += pss - own
        total.files[_text(name)] += pss - own
        total.dirty_file += max(0, (values["Private_Dirty"] + values["Shared_Dirty"]) * _KIB - own)
    total.kinds = +total.kinds  # without the zeros
    total.files = +total.files
    return total


def _mappings(data: bytes) -> Iterator[tuple[bytes, Counter[str]]]:
    """Each mapping's name and its values in KiB."""
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
    """A path as it was before the kernel escaped its newlines."""
    plain = _ESCAPED.sub(lambda found: bytes([int(found[1], 8) & 0xFF]), name.removesuffix(b" (deleted)"))
    return plain.decode(errors="replace").replace("\0", "")[:300]


def _pids(cgroup: Path) -> Iterator[int]:
    """The processes of a cgroup and of those below it; 0 stands for one that our PID namespace does not show."""
    for folder, _, files in os.walk(cgroup):
        if "cgroup.procs" in files:
            try:
                listed = Path(folder, "cgroup.procs").read_bytes().split()
            except OSError:
                continue
            yield from (pid for pid in map(int, listed) if pid)


def _sizes(proc: Path, pids: Iterable[int]) -> Iterator[_Process]:
    """Those that still live, with their RSS."""
    for pid in pids:
        try:
            words = (proc / str(pid) / "statm").read_bytes().split()
            yield _Process(pid, int(words[1]) * _PAGE_BYTES)
        except (OSError, ValueError, IndexError):
            continue


class _NearLimit(Exception):
    """The cgroup came near its limit while a memory map was read."""


def _memory_map(folder: Path, is_far: Callable[[], bool]) -> MemoryMap | None:
    """None where it ended, or may not be looked at. Raises _NearLimit."""
    data = bytearray()
    try:
        descriptor = os.open(folder / "smaps", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        while len(data) < _LARGEST_SMAPS_BYTES:
            if not is_far():
                raise _NearLimit
            chunk = os.read(descriptor, _CHUNK_BYTES)
            if not chunk:
                break
            data += chunk
        return parse_smaps(bytes(data)) if data else None
    except (OSError, ValueError):
        return None
    finally:
        os.close(descriptor)


def _use(folder: Path, process: _Process, memory: MemoryMap | None, *, with_arguments: bool) -> ProcessUse | None:
    try:
        name = (folder / "comm").read_bytes().removesuffix(b"\n").decode(errors="replace")
        words: list[bytes] = []
        if with_arguments:  # they are read out of the process's own memory
            with (folder / "cmdline").open("rb") as file:
                words = file.read(_MOST_ARGUMENTS * 4096).split(b"\0")[:_MOST_ARGUMENTS]
        status = (folder / "status").read_bytes()
    except OSError:
        return None
    high_water = re.search(rb"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return ProcessUse(
        pid=process.pid,
        name=name,
        arguments=tuple(word.decode(errors="replace")[:_LONGEST_ARGUMENT] for word in words if word),
        rss_bytes=memory.rss if memory is not None else process.rss_bytes,
        pss_bytes=memory.pss if memory is not None else None,
        shared_bytes=memory.rss - memory.private if memory is not None else None,
        high_water_bytes=int(high_water[1]) * _KIB if high_water else None,
    )
