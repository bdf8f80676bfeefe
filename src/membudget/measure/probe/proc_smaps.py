"""Adds up a process's memory map, /proc/PID/smaps: RSS and PSS by kind and by file.

Sources: proc(5); Documentation/filesystems/proc.rst. Standard library only: the probe imports it.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

_KIB = 1024

_LINE = re.compile(
    rb"^(?:([0-9a-f]+-[0-9a-f]+) \S{4} [0-9a-f]+ \S+ \d+ *(.*)"
    rb"|(Rss|Pss|Shared_Dirty|Private_Clean|Private_Dirty|Anonymous): +(\d+) kB)$",
    re.MULTILINE,
)
"""A mapping's first line, or one of its values that we use: a scan of the whole file by one expression is four times
as fast as looking at its lines, of which a process has thousands."""
_ESCAPED = re.compile(rb"\\([0-7]{3})")
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
