"""What the sampling process and the rest of membudget say to each other: one JSON object a line.

Standard library only, for the same reason as `readings`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from membudget.core.stored import Stored


class Depth(StrEnum):
    """How closely the processes of a trial may be looked at."""

    MAPS = "maps"
    """Far from the limit by their memory maps (smaps), near it by status alone."""
    STATUS = "status"
    """By status alone: holding a memory map can cause an OOM kill (pace)."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ProcessUse(Stored):
    """What one process held."""

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
class FileUse(Stored):
    """What a mapped file had in memory, in all processes."""

    path: str
    """As the container sees it."""
    pss_bytes: int


@dataclass(frozen=True, slots=True)
class Snapshot(Stored):
    """All processes of a container."""

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


@dataclass(frozen=True, slots=True)
class Follow:
    """Sample this cgroup from now on; it may not exist yet."""

    parent: str
    """The trial's own cgroup, which outlives the container: the kernel's marks are read here."""
    leaves: tuple[str, ...]
    """Where the container's own cgroup may be: it is sampled. On v1 it alone knows of OOM kills and limit hits."""
    cpu_parent: str
    """The trial's own cgroup in the tree that accounts CPU time: the same one on v2."""
    kernel_path: str
    """The trial's own cgroup as the kernel's log names it."""
    version: int
    """1 or 2."""
    rate_hz: int
    """Looks a second while memory rests; while it moves there are more."""
    is_shared: bool = False
    """The engine has processes of its own in the trial's cgroup (Podman): marks are read at the container's own."""
    depth: str = Depth.MAPS
    """How closely processes may be looked at."""


@dataclass(frozen=True, slots=True)
class Reading(Stored):
    """A value, or why there is none; `note` says what a value is less than, or other than, it should be."""

    value: int | None
    reason: str | None = None
    note: str | None = None


_MAY_BE_EMPTY = {"may_be_empty": True}
"""Marks a column that not every kernel or probe fills, and that older reports lack."""


@dataclass(frozen=True, slots=True)
class Series(Stored):
    """The samples of a trial, in columns; times are microseconds since the first look.

    A sample has an attribute for each column but the time, named like it.
    """

    time_us: list[int] = field(default_factory=list)
    anon_bytes: list[int] = field(default_factory=list)
    rss_bytes: list[int] = field(default_factory=list)
    working_set_bytes: list[int] = field(default_factory=list)
    usage_bytes: list[int] = field(default_factory=list)

    def append(self, time_us: int, sample: object) -> None:
        """Add a sample. What it does not know is None, in every sample of the series."""
        self.time_us.append(time_us)
        for name in _SAMPLED:
            value: int | None = getattr(sample, name)
            if value is not None:
                self.column(name).append(value)

    def column(self, name: str) -> list[int]:
        """The samples of one kind."""
        column: list[int] = getattr(self, name)
        return column

    def only(self, indices: Sequence[int]) -> "Series":
        """The samples at `indices`."""
        columns = map(self.column, _COLUMNS)
        return Series(*([column[index] for index in indices] if column else [] for column in columns))

    @property
    def is_whole(self) -> bool:
        """Whether each column has a value for each time; some may have none at all."""
        count = len(self.time_us)
        return all(len(column := self.column(name)) == count or (not column and name in _OPTIONAL) for name in _COLUMNS)


_COLUMNS = tuple(Series.__dataclass_fields__)
_SAMPLED = tuple(name for name in _COLUMNS if name != "time_us")
_OPTIONAL = frozenset(name for name, one in Series.__dataclass_fields__.items() if one.metadata == _MAY_BE_EMPTY)


@dataclass(frozen=True, slots=True)
class PhaseReading:
    """A phase as the probe saw it; times as in the series."""

    name: str
    begin_us: int
    end_us: int
    kernel_peak: Reading
    """The kernel's mark of this phase alone, where it could be told apart from earlier ones."""
    largest_usage_bytes: int | None = None
    """The largest usage that RSS was read for; None: not known for this phase."""


@dataclass(frozen=True, slots=True)
class SamplingEffort(Stored):
    """How closely it was looked, and what that cost."""

    looks: int
    """Readings of the usage, which is cheap; RSS was read as well whenever it had moved."""
    samples: int
    """Readings of RSS."""
    longest_gap_us: int
    """The longest time between two looks."""
    largest_usage_bytes: int | None
    """The largest usage that RSS was read for; None when it never was."""
    wall_us: int
    """From the first look to the last."""
    cpu_us: int
    """CPU time of sampling."""
    snapshots: int
    snapshots_cpu_us: int
    """CPU time of the snapshots of processes, in a process of their own."""


@dataclass(frozen=True, slots=True)
class KilledProcess(Stored):
    """A process that the kernel's OOM killer ended, as the kernel's log tells it."""

    pid: int
    """In the engine's own PID namespace."""
    name: str
    anon_bytes: int
    file_bytes: int
    shmem_bytes: int

    @property
    def rss_bytes(self) -> int:
        """Anonymous and shared memory, which a kill gives back."""
        return self.anon_bytes + self.shmem_bytes


@dataclass(frozen=True, slots=True)
class KernelLog:
    """What the kernel's log says of OOM kills in the trial's cgroup; a `reason` when that is not all."""

    killed: tuple[KilledProcess, ...] = ()
    """Each process once."""
    messages: int = 0
    """How many kills it tells of: the kernel kills, and counts, the first of a group twice (memory.oom.group)."""
    reason: str | None = None
    late: int = 0
    """Of the killed, those that it told of after the cgroup's own count was last read."""
    doubtful: int = 0
    """Kills that it told of after that, and neither names their cgroup nor were their processes seen in this one."""
    is_whole: bool = True
    """Whether nothing of the log is missing since then."""


@dataclass(frozen=True, slots=True)
class HostSettings(Stored):
    """Settings of the machine that move memory figures; None: this machine does not say."""

    transparent_huge_pages: str | None = None
    """always, madvise or never."""
    swap_bytes: int | None = None
    swappiness: int | None = None
    numa_nodes: str | None = None
    """As the kernel lists them: "0", "0-1"."""


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What a followed cgroup was seen to do."""

    series: Series
    phases: tuple[PhaseReading, ...]
    effort: SamplingEffort | None
    """None: the engine sampled."""
    kernel_peak: Reading
    oom_kills: Reading
    """On v1 as last read before the container was gone."""
    limit_hits: Reading
    """How often memory was reclaimed because usage had reached the limit."""
    refaulted_bytes: Reading
    """Memory that was given back and needed again. Sampled."""
    swap_peak: Reading
    stalled_us: Reading
    """Time in which some process waited for memory (PSI)."""
    cpu_usage_us: Reading
    snapshot: Snapshot | None = None
    """The processes near the peak."""
    snapshot_reason: str | None = None
    kills_meanwhile: bool | None = False
    """Whether the kernel killed a process while a process was read, which can cause another kill; None: not known."""
    kernel_log: KernelLog = KernelLog()
    settings: HostSettings = HostSettings()
    count_is_final: bool = False
    """Whether OOM kills were counted after the last phase had ended."""
    origin_ns: int | None = None
    """When the series begins, on CLOCK_MONOTONIC; None: on no clock that others share."""
