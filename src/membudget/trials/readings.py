"""What the kernel's memory files say: text to numbers, for cgroup v1 and v2.

Sources: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst of the kernel. Standard library only:
the probe imports this in a process of its own that has to start fast and stay small.
"""

from typing import NamedTuple


class MemoryReading(NamedTuple):
    """One look at a cgroup and everything below it, in bytes."""

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


def parse_flat_keyed(data: bytes) -> dict[bytes, int]:
    """A "flat keyed" file, `KEY VALUE` a line, as memory.stat and memory.events are. Raises ValueError on others."""
    words = data.split()
    return dict(zip(words[::2], map(int, words[1::2]), strict=True))


def reading_v2(stat: bytes, current: bytes) -> MemoryReading:
    """From v2's memory.stat and memory.current, which count descendants too."""
    values = parse_flat_keyed(stat)
    return MemoryReading(values[b"anon"], values[b"shmem"], values[b"inactive_file"], int(current))


def reading_v1(stat: bytes, usage: bytes) -> MemoryReading:
    """From v1's memory.stat, whose `total_` values count descendants, and memory.usage_in_bytes.

    v1's `rss` is anonymous memory alone ("not a true 'resident set size'", memory.rst).
    """
    values = parse_flat_keyed(stat)
    return MemoryReading(values[b"total_rss"], values[b"total_shmem"], values[b"total_inactive_file"], int(usage))


def oom_kills(events: bytes) -> int:
    """Processes killed: `oom_kill` of v2's memory.events, or of v1's memory.oom_control (since 4.13)."""
    return parse_flat_keyed(events)[b"oom_kill"]
