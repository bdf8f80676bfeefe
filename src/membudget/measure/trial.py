"""A trial: one execution of one image under its limit, its result, and how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Self

from membudget.budgets.container import DEFAULT_CPUS
from membudget.budgets.fields import AnyPhaseLabel
from membudget.budgets.workload_parts import WorkloadKind
from membudget.core.files import Stored
from membudget.core.metrics import Metric, MetricValue
from membudget.engine.cgroups import CgroupVersion
from membudget.measure.assumed import Assumed, AutoEnd, UnsetVariables
from membudget.measure.certificate import Certificate, OomDoubt, count_oom_kills
from membudget.measure.load import LoadResult
from membudget.measure.pod_plan import PodPlan
from membudget.measure.probe.file_pages import FilePages
from membudget.measure.probe.messages import Depth, HostSettings, KilledProcess, ProbeReport, Series
from membudget.measure.probe.process_use import Snapshot


@dataclass(frozen=True, slots=True)
class TrialInputs:
    """The inputs of a trial besides image, limit and workload."""

    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    """Values that must never be shown."""
    tmpfs: Mapping[str, int] = field(default_factory=dict)
    """Sizes in bytes, by path."""
    volumes: Mapping[str, Path] = field(default_factory=dict)
    """The folders whose content is copied in, by path."""
    read_only: bool = False
    user: str | None = None
    cpus: int = DEFAULT_CPUS
    is_network_open: bool = False
    pod: PodPlan | None = None
    """The services around the container. None if there are none."""
    checkout: Path | None = None
    """The folder with the files that a workload names. None if there are none."""
    files: tuple[str, ...] | None = None
    """Identifiers of the content of all files that are used from the repository. None if unknown."""
    variables_of_compose: UnsetVariables | None = None
    """None if the image's compose file is used."""


@dataclass(frozen=True, slots=True)
class TrialSpec:
    """What to run, and how."""

    name: str
    """The name of the image, the same on both sides."""
    image_id: str
    """The engine's ID of the image."""
    limit_bytes: int | None
    """The memory limit. None means that membudget sets none."""
    timeout_ms: int
    workload: WorkloadKind
    settle_ms: int = 1000
    """How long to observe a service after its workload."""
    inputs: TrialInputs = TrialInputs()
    unjudged_phases: frozenset[str] = frozenset()
    """The phases whose peaks do not count towards the trial's."""
    identity: str | None = None
    """An identity of the image that does not depend on where it is built. None if its trials are not cached."""
    pod_images: Mapping[str, str] = field(default_factory=dict)
    """The images that were built for services around the image, by service."""
    exposed: tuple[int, ...] = ()
    """The TCP ports that the image declares (EXPOSE)."""
    is_alone: bool = False
    """Whether no other trial may run beside it, because a budget depends on how fast the machine is."""
    asks_live_heap: bool = False
    """Whether runtimes are asked what they keep, after all other figures were taken."""
    only_outcome: bool = False
    """Whether only the outcome matters. Then the trial ends at its first OOM kill. It is not repeated to see a spike
    better, and none of its processes is read.
    """


class Outcome(StrEnum):
    """How a trial ended. Only a completed or OOM-killed trial says anything about memory budgets."""

    COMPLETED = "completed"
    OOM_KILLED = "oom_killed"
    """The kernel killed at least one process for memory, whether or not the workload then passed."""
    WORKLOAD_FAILED = "workload_failed"
    TIMED_OUT = "timed_out"


class RanInside(StrEnum):
    """What of the load, of checks or of membudget runs inside the measured cgroup, where its memory counts."""

    COMMANDS = "the workload's own commands"
    HEALTHCHECK = "the image's HEALTHCHECK"
    PYTHON_MODULE = "membudget's module that lets Python say what it keeps"
    RUBY_MODULE = "membudget's module that lets Ruby say what it keeps"


class PhaseName(StrEnum):
    """The predefined phases of a trial, in order. A workload may name others."""

    START_UP = "start-up"
    """From the container's start until it is ready."""
    STEADY = "steady"
    """While the workload runs."""
    BURST = "burst"
    """While a part of the workload runs that the budgets file calls a burst."""
    SOAK = "soak"
    """While the same load continues. Memory that grows without end during this phase is a leak."""
    SETTLE = "settle"
    """From the end of the workload to the end of the settle time."""


@dataclass(frozen=True, slots=True)
class Phase(Stored):
    """One part of a trial, with its own peaks."""

    name: AnyPhaseLabel
    begin_ms: int
    """The beginning, counted from the container's start."""
    duration_ms: int
    begin_us: int
    """The beginning, on the same clock as the series."""
    peak_rss: MetricValue
    peak_memory: MetricValue
    """The kernel's mark of this phase if there is one, otherwise the largest sampled usage. Its precision says which.
    """

    @property
    def by_metric(self) -> dict[Metric, MetricValue]:
        """The values that a phase has of its own, by metric."""
        return {Metric.PEAK_RSS: self.peak_rss, Metric.PEAK_MEMORY: self.peak_memory}


@dataclass(frozen=True, slots=True)
class SidecarUse(Stored):
    """The memory of a sidecar in a trial."""

    name: str
    peak_rss: MetricValue
    peak_memory: MetricValue
    oom_kills: MetricValue
    runs_to_end: bool = False
    """Whether it ends before the container starts, as an init container does."""

    @classmethod
    def of(cls, name: str, report: ProbeReport, version: CgroupVersion, *, runs_to_end: bool = False) -> Self:
        """Return a sidecar's own figures."""
        rss, peak = report.series.rss_bytes, report.kernel_peak
        return cls(
            name,
            MetricValue.of(Metric.PEAK_RSS, max(rss)) if rss else MetricValue.absent(Metric.PEAK_RSS, "no sample"),
            MetricValue.of(Metric.PEAK_MEMORY, peak.value, peak.note)
            if peak.value is not None
            else MetricValue.absent(Metric.PEAK_MEMORY, peak.reason or "unknown"),
            count_oom_kills(report, version).value,
            runs_to_end,
        )


@dataclass(frozen=True, slots=True)
class LimitContact(Stored):
    """A container that reached its limit and survived, because the kernel reclaimed memory."""

    hits: int | None
    """How often usage was about to exceed the limit (`max` of memory.events, memory.failcnt on v1).

    None if v1 limits swap too, because it then does not count. In that case, the kernel's mark shows that the limit was
    reached.
    """
    refaulted_bytes: int | None
    """Memory that was reclaimed and needed again."""
    stalled_ms: int | None
    """Time in which at least one process waited for memory. None if the kernel does not say."""
    is_thrashing: bool
    """Whether reclaiming kept the container from its work. docs/measurements.md gives the threshold."""


@dataclass(frozen=True, slots=True)
class OomKills(Stored):
    """The killed processes, as far as the kernel's log names them."""

    killed: tuple[KilledProcess, ...]
    reason: str | None
    """Why some or all are not named."""


@dataclass(frozen=True, slots=True)
class Trial(Stored):
    """The result of one trial."""

    outcome: Outcome
    reason: str | None
    """Why the outcome is not "completed": a sentence that is stored as it is. No decision depends on it."""
    duration_ms: int
    """The time from the start of the container to the end of the workload."""
    exit_code: int | None
    """The container's exit code. None if membudget stopped the container."""
    metrics: dict[Metric, MetricValue]
    series: Series
    log_tail: tuple[str, ...] = ()
    """The last lines of output, if the workload did not pass."""
    workload_passed: bool = True
    """Whether the workload passed. After an OOM kill, it may pass or fail."""
    certificate: Certificate | None = None
    phases: tuple[Phase, ...] = ()
    snapshot: Snapshot | None = None
    """The processes near the peak."""
    snapshot_reason: str | None = None
    """Why there is no snapshot."""
    depth: Depth = Depth.MAPS
    """How closely the container's processes could be read."""
    read_during_kill: bool = False
    """Whether a process was being read when the kernel killed one. Then reading may have caused kills in this trial."""
    oom: OomKills | None = None
    """None if there was no OOM kill."""
    oom_doubt: OomDoubt | None = None
    """Which sources of OOM kills contradict each other. None if they agree."""
    at_limit: LimitContact | None = None
    """None if the container never reached its limit or has none, or if that is unknown."""
    settings: HostSettings = HostSettings()
    load: tuple[LoadResult, ...] = ()
    """The results of the HTTP requests, group by group."""
    ran_inside: tuple[RanInside, ...] = ()
    """Which processes of the load or of checks ran inside the measured cgroup and count."""
    sidecars: tuple[SidecarUse, ...] = ()
    """The sidecars, which ran beside the container and are also measured."""
    assumed: Assumed | None = None
    """None if the budgets file says everything."""
    file_pages: FilePages | None = None
    """What the page cache was made of. None if unknown, and in older reports."""

    @property
    def judgeable(self) -> bool:
        """Whether the memory figures may be compared with budgets."""
        return self.outcome in (Outcome.COMPLETED, Outcome.OOM_KILLED)


@dataclass(frozen=True, slots=True)
class WorkloadResult:
    """How the workload itself ended."""

    passed: bool
    reason: str | None = None
    """A sentence that becomes the trial's reason."""
    fix: str | None = None
    """What to do about it. None if there is nothing to say."""
    timed_out: bool = False
    is_of_surroundings: bool = False
    """Whether a service around the measured one failed."""
    output_tail: tuple[str, ...] = ()
    """The last lines of the workload's output, if that is not the container's own."""
    auto_end: AutoEnd | None = None
    """How the run ended, if the image has no workload."""


WORKLOAD_PASSED = WorkloadResult(passed=True)
