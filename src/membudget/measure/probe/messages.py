"""The messages between the sampling process and the rest of membudget: one JSON object per line.

Uses the standard library only, for the same reason as `readings`.
"""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from membudget.core.files import Stored
from membudget.measure.probe.file_pages import FilePages
from membudget.measure.probe.process_use import Snapshot


class Depth(StrEnum):
    """How closely the probe may look at the processes of a trial."""

    MAPS = "maps"
    """Read memory maps (smaps) far from the limit, and only `status` near it."""
    STATUS = "status"
    """Read only `status`, because holding a memory map can cause an OOM kill (see `pace`)."""
    NONE = "none"


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
    unjudged: tuple[str, ...] = ()
    """The phases in which no processes are looked at, because their peaks do not count."""


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
        self._insert(len(self.time_us), time_us, sample)

    def insert(self, time_us: int, sample: object) -> None:
        """Add a sample of an earlier time."""
        self._insert(bisect.bisect_right(self.time_us, time_us), time_us, sample)

    def _insert(self, index: int, time_us: int, sample: object) -> None:
        self.time_us.insert(index, time_us)
        for name in _SAMPLED:
            value: int | None = getattr(sample, name)
            if value is not None:
                self.column(name).insert(index, value)

    def column(self, name: str) -> list[int]:
        """Return the values of one column."""
        column: list[int] = getattr(self, name)
        return column

    def within(self, begin_us: int, end_us: int, name: str) -> list[int]:
        """Return the values of one column within a span of time, or the last one before it if there are none."""
        first = bisect.bisect_left(self.time_us, begin_us)
        last = bisect.bisect_right(self.time_us, end_us)
        return self.column(name)[min(first, max(0, last - 1)) : last]

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
    limit_bytes: int | None = None
    """The limit of the cgroup that was out of memory. None if the log does not say, and in older reports."""

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
    file_pages: FilePages | None = None
    """What the page cache was made of. None if the kernel does not tell."""
