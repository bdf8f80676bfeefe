"""A trial: one execution of one image under its limit, and what came of it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from membudget.budgets.container import DEFAULT_CPUS
from membudget.budgets.fields import AnyPhaseLabel
from membudget.budgets.workload_parts import WorkloadKind
from membudget.core.metrics import Metric, MetricValue
from membudget.core.stored import Stored
from membudget.measure.certificate import Certificate, OomDoubt
from membudget.measure.load import LoadResult
from membudget.measure.pod_figures import SidecarUse
from membudget.measure.pod_plan import PodPlan
from membudget.measure.probe.messages import Depth, HostSettings, KilledProcess, ProbeReport, Series, Snapshot


@dataclass(frozen=True, slots=True)
class TrialInputs:
    """Beside image, limit and workload."""

    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    """Values that nobody is to see."""
    tmpfs: Mapping[str, int] = field(default_factory=dict)
    """Sizes in bytes, by path."""
    volumes: Mapping[str, Path] = field(default_factory=dict)
    """The folder whose content is copied in, by path."""
    read_only: bool = False
    user: str | None = None
    cpus: int = DEFAULT_CPUS
    is_network_open: bool = False
    pod: PodPlan | None = None
    """What runs around it; None: nothing."""
    checkout: Path | None = None
    """Where the files are that a workload names; None: there are none."""
    files: tuple[str, ...] | None = None
    """What names the content of all that it is given of the repository; None: that is not known."""


@dataclass(frozen=True, slots=True)
class TrialSpec:
    """What to run, and how."""

    name: str
    """Of the image, whichever side it is."""
    image_id: str
    """What the engine runs it by."""
    limit_bytes: int | None
    """None: no limit of ours."""
    timeout_ms: int
    workload: WorkloadKind
    settle_ms: int = 1000
    """How long to watch a service after its workload."""
    inputs: TrialInputs = TrialInputs()
    unjudged_phases: frozenset[str] = frozenset()
    """Phases whose peaks do not count to the trial's."""
    identity: str | None = None
    """What the image is, wherever it is built; None: its trials are not remembered."""
    pod_images: Mapping[str, str] = field(default_factory=dict)
    """What was built for services around the image, by service."""


class Outcome(StrEnum):
    """How a trial ended. Only what completed or was OOM-killed says anything about memory budgets."""

    COMPLETED = "completed"
    OOM_KILLED = "oom_killed"
    """The kernel killed at least one of its processes for memory, whether or not the workload then passed."""
    WORKLOAD_FAILED = "workload_failed"
    TIMED_OUT = "timed_out"


class RanInside(StrEnum):
    """What of the load or the checks can run inside the measured cgroup, where what it uses counts."""

    COMMANDS = "the workload's own commands"
    HEALTHCHECK = "the image's HEALTHCHECK"


class PhaseName(StrEnum):
    """The parts of a trial that mean something, in their order; a workload may name others."""

    START_UP = "start-up"
    """From the container's start until it is ready."""
    STEADY = "steady"
    """While the workload runs."""
    BURST = "burst"
    """While a part of the workload runs that the budgets file calls a burst."""
    SOAK = "soak"
    """While the same load goes on and on: what grows then without end is a leak."""
    SETTLE = "settle"
    """After the workload, until the end of the settle time."""


@dataclass(frozen=True, slots=True)
class Phase(Stored):
    """One part of a trial, with its own peaks."""

    name: AnyPhaseLabel
    begin_ms: int
    """From the container's start."""
    duration_ms: int
    begin_us: int
    """As in the series."""
    peak_rss: MetricValue
    peak_memory: MetricValue
    """The kernel's mark of this phase where it gives one; else the largest sampled usage, and its precision says so."""

    @property
    def by_metric(self) -> dict[Metric, MetricValue]:
        """What a phase has a value of its own of."""
        return {Metric.PEAK_RSS: self.peak_rss, Metric.PEAK_MEMORY: self.peak_memory}


@dataclass(frozen=True, slots=True)
class LimitContact(Stored):
    """A container that reached its limit, and lived on because the kernel took memory back."""

    hits: int | None
    """How often usage was about to go over the limit (`max` of memory.events, v1 memory.failcnt).

    None: v1 does not count where swap is limited as well. That it was reached is then known by the kernel's mark.
    """
    refaulted_bytes: int | None
    """Memory that was taken back and needed again."""
    stalled_ms: int | None
    """Time in which some process waited for memory; None where the kernel does not say."""
    is_thrashing: bool
    """Whether it kept the container from its work: docs/measurements.md says from when on."""


@dataclass(frozen=True, slots=True)
class OomKills(Stored):
    """Who was killed, as far as the kernel's log says."""

    killed: tuple[KilledProcess, ...]
    reason: str | None
    """Why some or all are not named."""


@dataclass(frozen=True, slots=True)
class Trial(Stored):
    """What was measured in one trial."""

    outcome: Outcome
    reason: str | None
    """Why the outcome is not "completed": a sentence for people, stored as such. Nothing is decided by it."""
    duration_ms: int
    """From the start of the container to the end of the workload."""
    exit_code: int | None
    """Of the container; None when we ended it."""
    metrics: dict[Metric, MetricValue]
    series: Series
    log_tail: tuple[str, ...] = ()
    """The last lines of output, when the workload did not pass."""
    workload_passed: bool = True
    """Whether it did. A process may be OOM-killed and the workload pass, or fail with it."""
    certificate: Certificate | None = None
    phases: tuple[Phase, ...] = ()
    snapshot: Snapshot | None = None
    """The processes near the peak."""
    snapshot_reason: str | None = None
    """Why there is none."""
    depth: Depth = Depth.MAPS
    """How closely its processes could be looked at."""
    read_during_kill: bool = False
    """Whether a process was being read when the kernel killed one: the reader may have caused kills of this trial."""
    oom: OomKills | None = None
    """None: there was no OOM kill."""
    oom_doubt: OomDoubt | None = None
    """Which witnesses of OOM kills contradict each other; None: none."""
    at_limit: LimitContact | None = None
    """None: it never reached its limit, or has none, or that is not known."""
    settings: HostSettings = HostSettings()
    load: tuple[LoadResult, ...] = ()
    """What became of the HTTP requests, group by group."""
    ran_inside: tuple[RanInside, ...] = ()
    """What of the load or the checks ran inside the measured cgroup, and counts."""
    sidecars: tuple[SidecarUse, ...] = ()
    """What ran beside it and is measured as well."""

    @property
    def judgeable(self) -> bool:
        """Whether its memory figures may be compared with budgets."""
        return self.outcome in (Outcome.COMPLETED, Outcome.OOM_KILLED)


@dataclass(frozen=True, slots=True)
class WorkloadResult:
    """How the workload itself ended."""

    passed: bool
    reason: str | None = None
    """A sentence for people, which becomes the trial's."""
    timed_out: bool = False
    is_of_surroundings: bool = False
    """Whether a service around the measured one is what failed."""
    output_tail: tuple[str, ...] = ()
    """The last lines of what the workload said, where that is not the container's own output."""


WORKLOAD_PASSED = WorkloadResult(passed=True)


def read_during_kill(reports: Iterable[ProbeReport], kills: MetricValue) -> bool:
    """Whether a process was being read when the kernel killed one.

    Where the cgroup was gone before that could be told, any kill counts, and so does not knowing of any.
    """
    found = {report.kills_meanwhile for report in reports}
    return True in found or (None in found and kills.value != 0)


def undisturbed(run: Callable[[Depth], Trial], depth: Depth) -> Trial:
    """Run a trial, again and less closely looked at while looking may have caused a kill in it."""
    trial = run(depth)
    while trial.read_during_kill and depth_after(trial) is not trial.depth:
        trial = run(depth_after(trial))
    return trial


def depth_after(trial: Trial) -> Depth:
    """How closely later trials of the image may be looked at."""
    if trial.read_during_kill:
        return Depth.STATUS if trial.depth is Depth.MAPS else Depth.NONE
    if trial.metrics[Metric.OOM_KILLS].value and trial.depth is Depth.MAPS:
        return Depth.STATUS
    return trial.depth
