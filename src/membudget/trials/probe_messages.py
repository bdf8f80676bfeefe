"""What the sampling process and the rest of membudget say to each other: one JSON object a line.

Standard library only, for the same reason as `readings`.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Follow:
    """Sample this cgroup from now on; it may not exist yet."""

    parent: str
    """The trial's own cgroup, which outlives the container: the kernel's marks are read here."""
    leaf: str
    """The container's cgroup, which is sampled. On v1 it alone knows of OOM kills."""
    version: int
    """1 or 2."""
    interval_us: int
    """Time between two samples."""


@dataclass(frozen=True, slots=True)
class Series:
    """The samples of a trial, in columns; times are microseconds since the first look."""

    time_us: list[int] = field(default_factory=list)
    anon_bytes: list[int] = field(default_factory=list)
    rss_bytes: list[int] = field(default_factory=list)
    working_set_bytes: list[int] = field(default_factory=list)
    usage_bytes: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What a followed cgroup was seen to do. Marks that could not be read are None, with the reason beside them."""

    series: Series
    kernel_peak_bytes: int | None
    kernel_peak_reason: str | None
    oom_kills: int | None
    oom_kills_reason: str | None
    cpu_us: int
    """CPU time this sampling took."""
    wall_us: int
    """Time from the first sample to the last."""
