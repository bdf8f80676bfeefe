"""The memory of a container's processes at one moment, as the probe tells and the report stores it.

Uses the standard library only, because the probe imports this module.
"""

from dataclasses import dataclass, field

from membudget.core.files import Stored


@dataclass(frozen=True, slots=True)
class Area(Stored):
    """A large anonymous mapping of a process."""

    start: int
    """Its address."""
    size_bytes: int
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class MapClues(Stored):
    """What a memory map tells of a process's runtime. It may be older than the snapshot, and is whole in itself."""

    held_bytes: int
    """The process's anonymous and shared memory when the map was read."""
    libraries: tuple[str, ...] = ()
    """The mapped files that tell of a runtime or of its malloc."""
    areas: tuple[Area, ...] = ()
    """The largest anonymous mappings."""
    arenas: int = 0
    """The arenas of glibc's malloc beside the main one."""
    arena_bytes: int = 0
    """The resident memory of these arenas."""


@dataclass(frozen=True, slots=True)
class Clues(Stored):
    """What tells which runtime a process is, and how its memory is set."""

    executable: str | None
    """The path of its program as the container sees it."""
    is_go: bool = False
    """Whether its program was made by Go."""
    settings: tuple[str, ...] = ()
    """The words of its command line that set memory."""
    variables: dict[str, str] = field(default_factory=dict)
    """Its variables that set memory, and of their values only what does."""
    threads: int | None = None
    parent: int | None = None
    """The process ID of its parent."""
    map: MapClues | None = None
    """None if no memory map was read."""


@dataclass(frozen=True, slots=True)
class ProcessUse(Stored):
    """The memory of one process."""

    pid: int
    """The process ID in the engine's own PID namespace."""
    name: str
    """The process's name for itself (proc(5), comm): up to 15 arbitrary characters."""
    arguments: tuple[str, ...]
    """The first words of the command line."""
    rss_bytes: int
    """Resident memory: the process's own pages, and all pages that it shares."""
    pss_bytes: int | None
    """Proportional set size: resident memory, with only the process's part of shared pages. None if it could not be
    read.
    """
    shared_bytes: int | None
    """The part of RSS that is shared with other processes."""
    high_water_bytes: int | None
    """The largest RSS that the process ever had (VmHWM)."""
    anon_bytes: int | None = None
    """Anonymous memory from `status`. RSS is the sum of this, shared and file-backed memory. None before Linux 4.5."""
    shmem_bytes: int | None = None
    """Shared memory and tmpfs."""
    file_bytes: int | None = None
    """File-backed memory."""
    held_anon_bytes: int | None = None
    """The process's part of anonymous memory: a page counts in proportion if several processes share it. None without a
    memory map, and in older reports.
    """
    held_shmem_bytes: int | None = None
    """The process's part of shared memory and tmpfs, likewise."""
    clues: Clues | None = None
    """What tells which runtime it is. None in reports: `SideMeasurement.runtimes` has what came of it."""

    @property
    def anonymous_bytes(self) -> int:
        """Anonymous memory, as well as it is known. Without a memory map, shared pages count in each process."""
        for known in (self.held_anon_bytes, self.anon_bytes, self.pss_bytes):
            if known is not None:
                return known
        return self.rss_bytes

    @property
    def shared_memory_bytes(self) -> int:
        """Shared memory and tmpfs, as exactly as it is known."""
        return self.held_shmem_bytes if self.held_shmem_bytes is not None else self.shmem_bytes or 0

    @property
    def unreclaimable_bytes(self) -> int:
        """Anonymous and shared memory, as `peak_rss` counts it."""
        return self.anonymous_bytes + self.shared_memory_bytes

    @property
    def file_backed_bytes(self) -> int | None:
        """File-backed memory, which the kernel can take back. With a memory map, it is the process's part."""
        if self.pss_bytes is not None and self.held_anon_bytes is not None:
            return max(0, self.pss_bytes - self.unreclaimable_bytes)
        return self.file_bytes


@dataclass(frozen=True, slots=True)
class FileUse(Stored):
    """The memory of a mapped file, in all processes."""

    path: str
    """The path as the container sees it."""
    pss_bytes: int


@dataclass(frozen=True, slots=True)
class Snapshot(Stored):
    """The memory of all processes of a container at one time."""

    time_us: int
    """The time of the snapshot, on the same clock as the series."""
    rss_bytes: int
    """RSS of the cgroup at the start of the snapshot. It counts shared pages once; `summed_rss_bytes` counts them once
    per process.
    """
    anon_bytes: int
    took_us: int
    process_count: int
    summed_rss_bytes: int
    """The sum of the processes' RSS."""
    summed_pss_bytes: int | None
    """The sum of the PSS of the processes that were read. None if none was."""
    unreadable: int
    """The number of processes that ended meanwhile or that the probe may not read."""
    processes: tuple[ProcessUse, ...]
    """The largest processes."""
    kinds: dict[str, int]
    """PSS by kind: heap, stack, anonymous, file, shared_memory."""
    dirty_bytes: int
    """File-backed memory that was changed and not yet written to its file."""
    files: tuple[FileUse, ...]
    """The files with the most memory."""
    detail: str | None
    """Why the snapshot is incomplete. None if it is complete."""
    is_near_limit: bool = False
    """Whether only `status` was read because usage was near the limit. Then there is no PSS and there are no kinds."""
    is_late: bool = False
    """Whether memory was released before the processes were read, so that the snapshot shows less than the peak."""
    is_after_kill: bool = False
    """Whether only `status` was read because the kernel had killed processes of this image in an earlier trial."""
    fell_bytes: int = 0
    """How much memory was released before the last process was read."""
    others_anon_bytes: int = 0
    """Anonymous memory of the processes that are not listed. 0 in older reports."""
    huge_bytes: int | None = None
    """Anonymous memory in transparent huge pages. Pages that processes share count in each. None if no memory map was
    read, and in older reports.
    """

    @property
    def anonymous_bytes(self) -> int:
        """The anonymous memory of all processes."""
        return sum(process.anonymous_bytes for process in self.processes) + self.others_anon_bytes

    @property
    def counts_pages_once(self) -> bool:
        """Whether pages that several processes share count once, as in the cgroup's RSS."""
        return self.process_count == 1 or all(process.held_anon_bytes is not None for process in self.processes)

    @property
    def seen_bytes(self) -> int:
        """The part of the cgroup's RSS that was still there when the processes were read."""
        return max(0, self.rss_bytes - self.fell_bytes)

    @property
    def seen_shmem_bytes(self) -> int:
        """The part of it that was shared memory or tmpfs."""
        return min(self.seen_bytes, max(0, self.rss_bytes - self.anon_bytes))
