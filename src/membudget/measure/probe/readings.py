"""Parsers that turn the text of the kernel's memory files into numbers, for cgroup v1 and v2.

Sources: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst of the kernel. Uses the standard library only:
the probe imports this module in a process of its own that has to start fast and stay small.
"""

from typing import NamedTuple

KIB = 1024
"""What the kernel calls kB in the files of /proc."""
_PAGE_BYTES = 4096
BATCH_BYTES_PER_CPU = 64 * _PAGE_BYTES
"""The kernel charges and counts memory in batches of this size (mm/memcontrol.c, MEMCG_CHARGE_BATCH)."""


class MemoryReading(NamedTuple):
    """One reading of a cgroup and its descendants, in bytes.

    A sample of the series, whose columns have the same names.
    """

    anon_bytes: int
    """Anonymous memory: heap, stack and private mappings. cAdvisor calls this RSS."""
    shmem_bytes: int
    """Shared memory and tmpfs. It has no file to be written back to, so only swap or a kill releases it."""
    inactive_file_bytes: int
    usage_bytes: int
    """Everything that is charged, including page cache and kernel memory."""

    @property
    def rss_bytes(self) -> int:
        """Anonymous and shared memory. `peak_rss` is its maximum."""
        return self.anon_bytes + self.shmem_bytes

    @property
    def working_set_bytes(self) -> int:
        """The figure that a kubelet evicts on. Never below zero, as cAdvisor computes it."""
        return max(0, self.usage_bytes - self.inactive_file_bytes)


def keyed_value(data: bytes, key: bytes) -> int:
    """Return the value of `key` in a "flat keyed" file, which has one `KEY VALUE` pair per line.

    The files have fifty lines and are read a hundred times a second, so only the requested key is parsed. Raises
    KeyError if the key is missing, and ValueError if its value is cut off or is no number.
    """
    name = key + b" "
    found = 0 if data.startswith(name) else data.find(b"\n" + name) + 1
    if found == 0 and not data.startswith(name):
        raise KeyError(key.decode())
    end = data.find(b"\n", found)
    if end < 0:
        raise ValueError(f"the value of {key.decode()} is cut off")
    return int(data[found + len(name) : end])


def reading_v2(stat: bytes, usage_bytes: int) -> MemoryReading:
    """Parse v2's memory.stat, which includes descendants, together with the value of memory.current."""
    return MemoryReading(
        keyed_value(stat, b"anon"), keyed_value(stat, b"shmem"), keyed_value(stat, b"inactive_file"), usage_bytes
    )


def reading_v1(stat: bytes, usage_bytes: int) -> MemoryReading:
    """Parse v1's memory.stat, whose `total_` values include descendants, with the value of memory.usage_in_bytes.

    v1's `rss` is anonymous memory only ("not a true 'resident set size'", memory.rst).
    """
    return MemoryReading(
        keyed_value(stat, b"total_rss"),
        keyed_value(stat, b"total_shmem"),
        keyed_value(stat, b"total_inactive_file"),
        usage_bytes,
    )


def accounted_v2(stat: bytes) -> int:
    """Return the part of memory.current that v2's memory.stat explains, in bytes.

    Raises KeyError before Linux 5.18, which has no `kernel` value.
    """
    return sum(keyed_value(stat, key) for key in (b"anon", b"file", b"kernel", b"sock"))


def accounted_v1(stat: bytes, kernel_bytes: int) -> int:
    """Return the part of v1's memory.usage_in_bytes that is explained, in bytes.

    memory.stat and memory.kmem.usage_in_bytes explain it.
    """
    return keyed_value(stat, b"total_rss") + keyed_value(stat, b"total_cache") + kernel_bytes


def oom_kills(events: bytes) -> int:
    """Count the killed processes: `oom_kill` of memory.events (v2) or memory.oom_control (v1, since Linux 4.13)."""
    return keyed_value(events, b"oom_kill")


def limit_hits(events: bytes) -> int:
    """Return how often usage was about to exceed the limit and memory was reclaimed: `max` of v2's memory.events."""
    return keyed_value(events, b"max")


def refaulted_bytes(stat: bytes, version: int) -> int:
    """Return the size of refaulted pages, in bytes: `workingset_refault_*` of memory.stat (since 5.9).

    These are pages that the kernel had reclaimed and that were needed again.
    """
    prefix = b"workingset_refault_" if version == 2 else b"total_workingset_refault_"
    return _PAGE_BYTES * (keyed_value(stat, prefix + b"anon") + keyed_value(stat, prefix + b"file"))


def stalled_us(pressure: bytes) -> int:
    """Return the time in which at least one process waited for memory, in microseconds.

    This is `some ... total=` of memory.pressure (Documentation/accounting/psi.rst). Raises ValueError if the text has
    another format.
    """
    some, newline, _ = pressure.partition(b"\n")
    _, _, total = some.rpartition(b"total=")
    if not some.startswith(b"some ") or not newline:
        raise ValueError("memory.pressure has no whole line that begins with some")
    return int(total)


def cpu_usage_us(stat: bytes) -> int:
    """Return the CPU time of a cgroup in microseconds: `usage_usec` of v2's cpu.stat."""
    return keyed_value(stat, b"usage_usec")
