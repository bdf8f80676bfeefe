"""The processes of a container at one moment: who holds the memory, and of which kind it is.

Standard library only: the probe imports it.
"""

from dataclasses import dataclass
from enum import StrEnum


class Depth(StrEnum):
    """How closely the processes of a trial may be looked at."""

    MAPS = "maps"
    """Far from the limit by their memory maps (smaps), near it by status alone."""
    STATUS = "status"
    """By status alone: holding a memory map can cause an OOM kill (limit_guard)."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ProcessUse:
    """What one process held."""

    __pydantic_config__ = {"extra": "forbid"}

    pid: int
    """In the engine's own PID namespace."""
    name: str
    """What the process calls itself (proc(5), comm): up to 15 characters of anything."""
    arguments: tuple[str, ...]
    """The first words of its command line."""
    rss_bytes: int
    """Resident: its own pages, and all of those that it shares."""
    pss_bytes: int | None
    """Resident, of shared pages only its part; None where that could not be read."""
    shared_bytes: int | None
    """Of its RSS, what it shares with others."""
    high_water_bytes: int | None
    """The largest RSS it ever had (VmHWM)."""
    anon_bytes: int | None = None
    """Anonymous memory by its status. This, shared and file-backed memory make up RSS; None before Linux 4.5."""
    shmem_bytes: int | None = None
    """Shared memory and tmpfs."""
    file_bytes: int | None = None
    """File-backed memory."""

    @property
    def unreclaimable_bytes(self) -> int | None:
        """Anonymous and shared memory, as `peak_rss` counts it."""
        if self.anon_bytes is None or self.shmem_bytes is None:
            return None
        return self.anon_bytes + self.shmem_bytes


@dataclass(frozen=True, slots=True)
class FileUse:
    """What a mapped file had in memory, in all processes."""

    __pydantic_config__ = {"extra": "forbid"}

    path: str
    """As the container sees it."""
    pss_bytes: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All processes of a container."""

    __pydantic_config__ = {"extra": "forbid"}

    time_us: int
    """As in the series."""
    rss_bytes: int
    """Of the cgroup, when the snapshot was begun. Shared pages count once; `summed_rss_bytes` counts them often."""
    anon_bytes: int
    took_us: int
    process_count: int
    summed_rss_bytes: int
    """What adding up the processes' RSS gives."""
    summed_pss_bytes: int | None
    """The same of PSS, over the processes that were read; None when none was."""
    unreadable: int
    """Processes that ended meanwhile, or that we may not look at."""
    processes: tuple[ProcessUse, ...]
    """The largest."""
    kinds: dict[str, int]
    """PSS by kind: heap, stack, anonymous, file, shared_memory."""
    dirty_bytes: int
    """Of file-backed memory, what was changed and not yet written."""
    files: tuple[FileUse, ...]
    """The largest."""
    detail: str | None
    """Why not everything is known."""
    is_near_limit: bool = False
    """Whether usage was so near the limit that `status` alone was read: no PSS, no kinds."""
    is_late: bool = False
    """Whether memory had been given back before the processes were read: it shows less than there was."""
    is_after_kill: bool = False
    """Whether `status` alone was read because the kernel had killed processes of this image in a trial before."""
    fell_bytes: int = 0
    """By how much usage fell at most, until the last process was read."""

    @property
    def seen_bytes(self) -> int:
        """RSS of the cgroup that was there to be seen."""
        return max(0, self.rss_bytes - self.fell_bytes)
