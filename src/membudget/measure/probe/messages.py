"""The messages between the sampling process and the rest of membudget: one JSON object per line.

Uses the standard library only, for the same reason as `readings`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from membudget.core.files import Stored


class Depth(StrEnum):
    """How closely the probe may look at the processes of a trial."""

    MAPS = "maps"
    """Read memory maps (smaps) far from the limit, and only `status` near it."""
    STATUS = "status"
    """Read only `status`, because holding a memory map can cause an OOM kill (see `pace`)."""
    NONE = "none"


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

    @property
    def unreclaimable_bytes(self) -> int | None:
        """Anonymous and shared memory, as `peak_rss` counts it."""
        if self.anon_bytes is None or self.shmem_bytes is None:
            return None
        return self.anon_bytes + self.shmem_bytes


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
    """The largest drop in usage before the last process was read."""

    @property
    def seen_bytes(self) -> int:
        """The part of the cgroup's RSS that was still there when the processes were read."""
        return max(0, self.rss_bytes - self.fell_bytes)


@dataclass(frozen=True, slots=True)
class Follow:
    """An order to start sampling a cgroup, which need not exist yet."""

    parent: str
    """The trial's own cgroup, which outlives the container. The kernel's marks are read here."""
    leaves: tuple[str, ...]
    """Where the container's own cgroup may be. It is sampled. On v1, only this cgroup counts OOM kills and limit hits.
    """
    cpu_parent: str
    """The trial's own cgroup in the tree that accounts for CPU time. On v2, it is the same cgroup."""
    kernel_path: str
    """The trial's own cgroup as the kernel's log names it."""
    version: int
    """The cgroup version: 1 or 2."""
    rate_hz: int
    """Looks per second while memory rests. While it moves, there are more."""
    is_shared: bool = False
    """Whether the engine has processes of its own in the trial's cgroup (Podman). Then the marks of the container's own
    cgroup are read.
    """
    depth: str = Depth.MAPS
    """How closely the probe may look at processes."""


@dataclass(frozen=True, slots=True)
class Reading(Stored):
    """A value, or the reason why there is none. `note` says how the value differs from the intended one."""

    value: int | None
    reason: str | None = None
    note: str | None = None


_MAY_BE_EMPTY = {"may_be_empty": True}
"""Marks a column that not every kernel or probe fills, and that older reports lack."""


@dataclass(frozen=True, slots=True)
class Series(Stored):
    """The samples of a trial, as columns. Times are microseconds since the first look.

    A sample has an attribute of the same name for each column except the time.
    """

    time_us: list[int] = field(default_factory=list)
    anon_bytes: list[int] = field(default_factory=list)
    rss_bytes: list[int] = field(default_factory=list)
    working_set_bytes: list[int] = field(default_factory=list)
    usage_bytes: list[int] = field(default_factory=list)

    def append(self, time_us: int, sample: object) -> None:
        """Add a sample. A value that the sample does not know is None in every sample of the series."""
        self.time_us.append(time_us)
        for name in _SAMPLED:
            value: int | None = getattr(sample, name)
            if value is not None:
                self.column(name).append(value)

    def column(self, name: str) -> list[int]:
        """Return the values of one column."""
        column: list[int] = getattr(self, name)
        return column

    def only(self, indices: Sequence[int]) -> "Series":
        """Return a series of the samples at `indices`."""
        columns = map(self.column, _COLUMNS)
        return Series(*([column[index] for index in indices] if column else [] for column in columns))

    @property
    def is_whole(self) -> bool:
        """Whether each column has a value for each time. Some columns may also be empty."""
        count = len(self.time_us)
        return all(len(column := self.column(name)) == count or (not column and name in _OPTIONAL) for name in _COLUMNS)


_COLUMNS = tuple(Series.__dataclass_fields__)
_SAMPLED = tuple(name for name in _COLUMNS if name != "time_us")
_OPTIONAL = frozenset(name for name, one in Series.__dataclass_fields__.items() if one.metadata == _MAY_BE_EMPTY)


@dataclass(frozen=True, slots=True)
class PhaseReading:
    """A phase as the probe saw it. Its times are on the same clock as the series."""

    name: str
    begin_us: int
    end_us: int
    kernel_peak: Reading
    """The kernel's mark of this phase only, if it can be told apart from that of earlier phases."""
    largest_usage_bytes: int | None = None
    """The largest usage for which RSS was read. None if unknown for this phase."""


@dataclass(frozen=True, slots=True)
class SamplingEffort(Stored):
    """How closely the probe sampled, and what that cost."""

    looks: int
    """How often usage was read, which is cheap. RSS was also read whenever usage had moved."""
    samples: int
    """How often RSS was read."""
    longest_gap_us: int
    """The longest time between two looks."""
    largest_usage_bytes: int | None
    """The largest usage for which RSS was read. None if RSS was never read."""
    wall_us: int
    """The time from the first look to the last."""
    cpu_us: int
    """The CPU time of sampling."""
    snapshots: int
    snapshots_cpu_us: int
    """The CPU time of the process that takes snapshots of processes."""


@dataclass(frozen=True, slots=True)
class KilledProcess(Stored):
    """A process that the OOM killer ended, as reported in the kernel's log."""

    pid: int
    """The process ID in the engine's own PID namespace."""
    name: str
    anon_bytes: int
    file_bytes: int
    shmem_bytes: int

    @property
    def rss_bytes(self) -> int:
        """Anonymous and shared memory, which a kill releases."""
        return self.anon_bytes + self.shmem_bytes


@dataclass(frozen=True, slots=True)
class KernelLog:
    """The OOM kills in the trial's cgroup that the kernel's log reports. `reason` says why some may be missing."""

    killed: tuple[KilledProcess, ...] = ()
    """The killed processes, each once."""
    messages: int = 0
    """The number of reported kills. The kernel kills and counts the first process of a group twice (memory.oom.group).
    """
    reason: str | None = None
    late: int = 0
    """How many of the killed processes were reported after the cgroup's own count was last read."""
    doubtful: int = 0
    """Kills reported after the cgroup's own count was last read that name no cgroup, and whose processes were not seen
    in this one.
    """
    is_whole: bool = True
    """Whether the log is complete since the cgroup's own count was last read."""


@dataclass(frozen=True, slots=True)
class HostSettings(Stored):
    """Settings of the machine that influence memory figures. None means that the machine does not say."""

    transparent_huge_pages: str | None = None
    """One of always, madvise and never."""
    swap_bytes: int | None = None
    swappiness: int | None = None
    numa_nodes: str | None = None
    """The NUMA nodes as the kernel lists them, such as "0" or "0-1"."""


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """Everything that the probe found out about a cgroup."""

    series: Series
    phases: tuple[PhaseReading, ...]
    effort: SamplingEffort | None
    """None if the engine's statistics were used."""
    kernel_peak: Reading
    oom_kills: Reading
    """On v1, the value last read before the container was gone."""
    limit_hits: Reading
    """How often memory was reclaimed because usage had reached the limit."""
    refaulted_bytes: Reading
    """Memory that was reclaimed and needed again. Sampled."""
    swap_peak: Reading
    stalled_us: Reading
    """Time in which at least one process waited for memory (PSI), in microseconds."""
    cpu_usage_us: Reading
    snapshot: Snapshot | None = None
    """The processes near the peak."""
    snapshot_reason: str | None = None
    kills_meanwhile: bool | None = False
    """Whether the kernel killed a process while one was being read, which can cause another kill. None if unknown."""
    kernel_log: KernelLog = KernelLog()
    settings: HostSettings = HostSettings()
    count_is_final: bool = False
    """Whether OOM kills were counted after the last phase had ended."""
    origin_ns: int | None = None
    """The start of the series on CLOCK_MONOTONIC. None if the series uses a clock that is not shared."""
