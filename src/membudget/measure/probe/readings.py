"""What the kernel's memory files say: text to numbers, for cgroup v1 and v2.

Sources: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst of the kernel. Standard library only:
the probe imports this in a process of its own that has to start fast and stay small.
"""

from typing import NamedTuple

_PAGE_BYTES = 4096
BATCH_BYTES_PER_CPU = 64 * _PAGE_BYTES
"""The kernel charges in batches, and counts in batches (mm/memcontrol.c, MEMCG_CHARGE_BATCH)."""


class MemoryReading(NamedTuple):
    """One look at a cgroup and everything below it, in bytes: a sample of the series, which takes columns by name."""

    anon_bytes: int
    """Anonymous memory: heap, stack, private mappings. What cAdvisor calls RSS."""
    shmem_bytes: int
    """Shared memory and tmpfs: no file to write it back to, so only swap or a kill gives it back."""
    inactive_file_bytes: int
    usage_bytes: int
    """All that is charged: with page cache and kernel memory."""

    @property
    def rss_bytes(self) -> int:
        """What `peak_rss` is the maximum of."""
        return self.anon_bytes + self.shmem_bytes

    @property
    def working_set_bytes(self) -> int:
        """What a kubelet evicts on; never below zero, as cAdvisor computes it."""
        return max(0, self.usage_bytes - self.inactive_file_bytes)


def keyed_value(data: bytes, key: bytes) -> int:
    """The value of `key` in a "flat keyed" file, `KEY VALUE` a line. Raises KeyError, ValueError.

    The files have fifty lines and are read a hundred times a second: only what is asked for is parsed.
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
    """From v2's memory.stat, which counts descendants too, and memory.current."""
    return MemoryReading(
        keyed_value(stat, b"anon"), keyed_value(stat, b"shmem"), keyed_value(stat, b"inactive_file"), usage_bytes
    )


def reading_v1(stat: bytes, usage_bytes: int) -> MemoryReading:
    """From v1's memory.stat, whose `total_` values count descendants, and memory.usage_in_bytes.

    v1's `rss` is anonymous memory alone ("not a true 'resident set size'", memory.rst).
    """
    return MemoryReading(
        keyed_value(stat, b"total_rss"),
        keyed_value(stat, b"total_shmem"),
        keyed_value(stat, b"total_inactive_file"),
        usage_bytes,
    )


def accounted_v2(stat: bytes) -> int:
    """What v2's memory.stat says makes up memory.current. Raises KeyError before Linux 5.18, which has no `kernel`."""
    return sum(keyed_value(stat, key) for key in (b"anon", b"file", b"kernel", b"sock"))


def accounted_v1(stat: bytes, kernel_bytes: int) -> int:
    """What makes up v1's memory.usage_in_bytes: memory.stat, and memory.kmem.usage_in_bytes."""
    return keyed_value(stat, b"total_rss") + keyed_value(stat, b"total_cache") + kernel_bytes


def oom_kills(events: bytes) -> int:
    """Processes killed: `oom_kill` of v2's memory.events, or of v1's memory.oom_control (since 4.13)."""
    return keyed_value(events, b"oom_kill")


def limit_hits(events: bytes) -> int:
    """How often usage was about to go over the limit and memory was reclaimed: `max` of v2's memory.events."""
    return keyed_value(events, b"max")


def refaulted_bytes(stat: bytes, version: int) -> int:
    """Pages that were given back and needed again, in bytes: `workingset_refault_*` of memory.stat (since 5.9)."""
    prefix = b"workingset_refault_" if version == 2 else b"total_workingset_refault_"
    return _PAGE_BYTES * (keyed_value(stat, prefix + b"anon") + keyed_value(stat, prefix + b"file"))


def stalled_us(pressure: bytes) -> int:
    """Time in which at least one process waited for memory, in microseconds: `some ... total=` of memory.pressure.

    Source: Documentation/accounting/psi.rst. Raises ValueError on others.
    """
    some, newline, _ = pressure.partition(b"\n")
    _, _, total = some.rpartition(b"total=")
    if not some.startswith(b"some ") or not newline:
        raise ValueError("memory.pressure has no whole line that begins with some")
    return int(total)


def cpu_usage_us(stat: bytes) -> int:
    """CPU time of a cgroup in microseconds: `usage_usec` of v2's cpu.stat."""
    return keyed_value(stat, b"usage_usec")
