"""Parses the kernel's texts on the memory maps of a process (/proc/PID/smaps).

Sources: proc(5); Documentation/filesystems/proc.rst. Uses the standard library only, because the probe imports this
module.
"""

import re
from collections import Counter
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

from membudget.measure.probe.process_use import Area
from membudget.measure.probe.readings import KIB

LARGEST_SMAPS_BYTES = 32 << 20
"""The most that is read of a process's smaps."""
_LINE = re.compile(
    rb"^(?:([0-9a-f]+)-([0-9a-f]+) (\S{4}) [0-9a-f]+ (\S+) \d+ *(.*)"
    rb"|(Rss|Pss|Shared_Dirty|Private_Clean|Private_Dirty|Anonymous|AnonHugePages): +(\d+) kB)$",
    re.MULTILINE,
)
"""The first line of a mapping, or one of the values that the probe uses. Scanning the whole file with one expression is
four times as fast as looking at each line, and a process has thousands of lines.
"""
_TMPFS = re.compile(rb"\d+ \d+ (\d+):(\d+) .* - tmpfs ")
_ESCAPED = re.compile(rb"\\([0-7]{3})")
_LEAST_AREA_BYTES = 1 << 20
_MOST_AREAS = 16
_ARENA_BYTES = 64 << 20
"""What glibc reserves for a heap of an arena, at an address that is a multiple of it (glibc, malloc/arena.c)."""
_LOWEST_ARENA = 1 << 44
"""Below, Go and JVMs have heaps that look the same."""
_KERNELS_OWN = (b"[vdso]", b"[vvar]", b"[vvar_vclock]", b"[vsyscall]", b"[uprobes]")
_SHARED_MEMORY = (b"/dev/shm/", b"/memfd:", b"/SYSV", b"/dev/zero", b"[anon_shmem")


@dataclass(slots=True)
class MemoryMap:
    """The sums over one process's mappings, in bytes."""

    rss: int = 0
    pss: int = 0
    private: int = 0
    dirty_file: int = 0
    huge: int = 0
    """Anonymous memory in transparent huge pages. A page counts in each process that shares it."""
    shmem_rss: int = 0
    """Shared memory and tmpfs, with whole pages even if other processes have them too, as in `status`."""
    kinds: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)
    paths: frozenset[str] = frozenset()
    """All mapped files, also those that hold no memory."""
    areas: list[Area] = field(default_factory=list)
    """The largest anonymous mappings."""
    arenas: int = 0
    """The arenas of glibc's malloc beside the main one."""
    arena_bytes: int = 0

    @property
    def held_shmem(self) -> int:
        """The process's part of shared memory and tmpfs."""
        return self.kinds["shared_memory"]

    @property
    def held_anon(self) -> int:
        """The process's part of anonymous memory."""
        return self.pss - self.kinds["file"] - self.kinds["shared_memory"]


def parse_smaps(data: bytes, tmpfs: AbstractSet[bytes] = frozenset()) -> MemoryMap:
    """Add up the mappings of /proc/PID/smaps, which may be cut off. Raises ValueError if `data` has another format.

    `tmpfs` are the devices of mounts whose files are shared memory, written as in smaps.
    """
    total = MemoryMap()
    before: Area | None = None
    """An anonymous mapping where an arena may begin, if it is the last mapping."""
    for where, device, name, values in mappings(data):
        if name in _KERNELS_OWN:
            continue
        rss, pss = values["Rss"] * KIB, values["Pss"] * KIB
        before = _note_area(total, where, name, rss, before)
        total.rss += rss
        total.pss += pss
        total.huge += values["AnonHugePages"] * KIB
        total.private += (values["Private_Clean"] + values["Private_Dirty"]) * KIB
        kind = "shared_memory" if device in tmpfs else kind_of(name)
        own = min(pss, values["Anonymous"] * KIB)
        if kind == "shared_memory":  # what was written to a private mapping of it is anonymous
            total.shmem_rss += max(0, rss - values["Anonymous"] * KIB)
            total.kinds["anonymous"] += own
            total.kinds["shared_memory"] += pss - own
            continue
        if kind != "file":
            total.kinds[kind] += pss
            continue
        # Memory that a process wrote in its private mapping of a file is its own. It cannot be written back to the
        # file.
        total.kinds["anonymous"] += own
        total.kinds["file"] += pss - own
        total.files[path_of(name)] += pss - own
        total.dirty_file += max(0, (values["Private_Dirty"] + values["Shared_Dirty"]) * KIB - own)
    total.paths = frozenset(total.files)
    total.areas = sorted(total.areas, key=lambda area: area.rss_bytes, reverse=True)[:_MOST_AREAS]
    total.kinds = +total.kinds  # drops the zeros
    total.files = +total.files
    return total


class Where(NamedTuple):
    """A mapping's place, as the kernel writes it."""

    start: bytes
    end: bytes
    permissions: bytes


def _note_area(total: MemoryMap, where: Where, name: bytes, rss: int, before: Area | None) -> Area | None:
    """Note a large anonymous mapping, or the rest of an arena. Return the mapping if an arena may begin there."""
    if name and not name.startswith((b"[heap", b"[anon")):
        return None
    if rss >= _LEAST_AREA_BYTES:
        total.areas.append(_area(where, rss))
    if where.permissions == b"rw-p":
        area = _area(where, rss)
        begins = area.start >= _LOWEST_ARENA and area.start % _ARENA_BYTES == 0 and area.size_bytes < _ARENA_BYTES
        return area if begins else None
    if before is not None and where.permissions == b"---p" and rss == 0:
        rest = _area(where, rss)
        if rest.start == before.start + before.size_bytes and before.size_bytes + rest.size_bytes == _ARENA_BYTES:
            total.arenas += 1
            total.arena_bytes += before.rss_bytes
    return None


def _area(where: Where, rss: int) -> Area:
    start = int(where.start, 16)
    return Area(start, int(where.end, 16) - start, rss)


def mappings(data: bytes) -> Iterator[tuple[Where, bytes, bytes, Counter[str]]]:
    """Yield each mapping's place, its device, its name, and its values in KiB."""
    begun: tuple[Where, bytes, bytes] | None = None
    values: Counter[str] = Counter()
    for start, end, permissions, device, name, key, kib in _LINE.findall(data):
        if not device:
            values[key.decode()] = int(kib)
            continue
        if begun is not None:
            yield *begun, values
        begun, values = (Where(start, end, permissions), device, name), Counter()
    if begun is not None:
        yield *begun, values


def tmpfs_devices(mountinfo: bytes) -> frozenset[bytes]:
    """Return the devices of all tmpfs mounts in /proc/PID/mountinfo (proc(5)), written as in smaps."""
    found = (numbers for line in mountinfo.splitlines() if (numbers := _TMPFS.match(line)))
    return frozenset(b"%02x:%02x" % (int(numbers[1]), int(numbers[2])) for numbers in found)


def kind_of(name: bytes) -> str:
    """Return the kind of a mapping by its name."""
    if name == b"[heap]":
        return "heap"
    if name.startswith(b"[stack"):
        return "stack"
    if name.startswith(_SHARED_MEMORY):
        return "shared_memory"
    return "file" if name.startswith(b"/") else "anonymous"


def path_of(name: bytes) -> str:
    """Return the path without the kernel's escapes for newlines."""
    plain = _ESCAPED.sub(lambda found: bytes([int(found[1], 8) & 0xFF]), name.removesuffix(b" (deleted)"))
    return plain.decode(errors="replace").replace("\0", "")[:300]
