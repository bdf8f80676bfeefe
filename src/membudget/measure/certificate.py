"""How reliable the kernel's evidence is: the sampled peak beside the kernel's mark, OOM kills by count and log.

A count of 0 is exact only if no kill can be missing from it. On v2, the trial's own cgroup outlives the container and
has the final count. On v1, the count disappears with the container. It was last read some milliseconds before, and the
kernel's log has to cover the rest.
"""

from dataclasses import dataclass
from enum import StrEnum

from membudget.core.errors import DoctorCheck, EnvironmentFault
from membudget.core.files import Stored
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB, format_size
from membudget.engine.cgroups import CgroupVersion
from membudget.measure.probe.messages import ProbeReport, SamplingEffort
from membudget.measure.probe.readings import BATCH_BYTES_PER_CPU

_RELATIVE = 100
"""One percent of the mark, if that is more than the batches."""
RUNTIME_START_BYTES = 8 * MIB
"""A smaller mark may be the container runtime's own start (runc #4021), which is not the image's memory."""


class Conclusion(StrEnum):
    """The result of the comparison."""

    CONFIRMED = "confirmed"
    """Sampling saw what the kernel saw, within the resolution."""
    SPIKE_MISSED = "spike_missed"
    """The kernel saw more. The sampled peaks are lower bounds."""
    UNCONFIRMED = "unconfirmed"
    """There is no mark or no sample to compare, or the mark is as old as the engine's last statistics."""


@dataclass(frozen=True, slots=True)
class Certificate(Stored):
    """The evidence for one trial's sampled peaks."""

    conclusion: Conclusion
    rate_hz: int
    """Looks per second at rest. While memory moved, up to four times as many, 1000 at most."""
    resolution_bytes: int
    """Smaller differences mean nothing: they come from charging in batches, or are below one percent."""
    largest_sampled_bytes: int | None
    """The largest sampled usage. Like the mark, it includes page cache and kernel memory."""
    kernel_peak_bytes: int | None
    missed_bytes: int
    """How far the mark exceeds the largest sampled usage. 0 if that is within the resolution."""
    effort: SamplingEffort | None
    """None if the engine's statistics were used."""
    repeated: bool = False
    """Whether this trial repeats one that missed a spike, at a higher rate."""


def certify(
    rate_hz: int, cpus: int, largest_sampled_bytes: int | None, kernel_peak_bytes: int | None,
    effort: SamplingEffort | None,
) -> Certificate:  # fmt: skip
    """Compare the samples with the kernel's mark, on a machine with `cpus` CPUs."""
    resolution = resolution_bytes(cpus, kernel_peak_bytes or 0)
    missed = 0
    if largest_sampled_bytes is None or kernel_peak_bytes is None or effort is None:
        conclusion = Conclusion.UNCONFIRMED
    else:
        gap = kernel_peak_bytes - largest_sampled_bytes
        missed = gap if gap > resolution and kernel_peak_bytes > RUNTIME_START_BYTES else 0
        conclusion = Conclusion.SPIKE_MISSED if missed else Conclusion.CONFIRMED
    return Certificate(
        conclusion, rate_hz, resolution, largest_sampled_bytes, kernel_peak_bytes, missed, effort
    )  # fmt: skip


def resolution_bytes(cpus: int, kernel_peak_bytes: int) -> int:
    """Return how far two exact observers may differ, in bytes."""
    return max(cpus * BATCH_BYTES_PER_CPU, kernel_peak_bytes // _RELATIVE)


_SIGKILLED = 137


class OomDoubt(StrEnum):
    """A contradiction between two sources of OOM kills."""

    ENGINE_SAYS_KILL = "engine_says_kill"
    """The engine reports an OOM kill, but the kernel counted none."""
    SIGKILLED_AT_LIMIT = "sigkilled_at_limit"
    """The container reached its limit and was ended by SIGKILL, not by membudget, but the kernel counted no kill."""


@dataclass(frozen=True, slots=True)
class EngineWord:
    """The engine's report on the ended container, and the container's settings."""

    oom_killed: bool
    """On v1, this may also concern a process other than the container's first."""
    cgroup_version: CgroupVersion
    cpus: int = 1
    limit_bytes: int | None = None
    exit_code: int | None = None
    """None if membudget ended the container."""


@dataclass(frozen=True, slots=True)
class OomCount:
    """A count of OOM kills, or the reason why there is none."""

    value: MetricValue
    doubt: OomDoubt | None = None


def count_oom_kills(report: ProbeReport, version: CgroupVersion, word: EngineWord | None = None) -> OomCount:
    """Count the OOM kills of a container. `word` is None if the engine was not asked, as for sidecars."""
    value = _by_kernel(report, version)
    if word is None or value.value:
        return OomCount(value)
    if word.oom_killed:
        told = MetricValue.of(
            Metric.OOM_KILLS, 1, "lower bound: the engine was told of an OOM kill", is_lower_bound=True
        )
        return OomCount(told, OomDoubt.ENGINE_SAYS_KILL if value.value == 0 else None)
    if value.value == 0 and word.exit_code == _SIGKILLED and _reached_limit(report, word):
        why = "the container was ended by SIGKILL at its limit, but the kernel counted no OOM kill"
        return OomCount(MetricValue.absent(Metric.OOM_KILLS, why), OomDoubt.SIGKILLED_AT_LIMIT)
    return OomCount(value)


def _by_kernel(report: ProbeReport, version: CgroupVersion) -> MetricValue:
    counted, log = report.oom_kills.value, report.kernel_log
    named = len(log.killed)
    if named and log.messages == counted:
        kills = named  # count processes, not kills: the kernel may kill one twice
    elif counted is not None and version == 2:
        kills = counted
    else:
        kills = max(counted or 0, named)
    missing = _what_is_missing(report, version)
    if missing is None:
        is_by_log = counted is None and not kills
        return MetricValue.of(Metric.OOM_KILLS, kills, "the kernel's log names none" if is_by_log else None)
    if kills:
        return MetricValue.of(Metric.OOM_KILLS, kills, f"lower bound: {missing}", is_lower_bound=True)
    return MetricValue.absent(Metric.OOM_KILLS, missing)


def _what_is_missing(report: ProbeReport, version: CgroupVersion) -> str | None:
    """Return why there may have been more kills, or None if there were not."""
    reading, log = report.oom_kills, report.kernel_log
    if version == 2:
        return None if reading.value is not None else reading.reason or "unknown"
    if reading.value is not None and report.count_is_final:
        return None
    if log.doubtful:
        return f"the kernel's log tells of {log.doubtful} OOM kills without their cgroup, which may be this container's"
    if not log.is_whole or (log.late and log.reason is not None):
        why = log.reason or "the kernel's log has a gap"
        return (
            why if reading.value is None else f"the kernel's count was last read before the container ended, and {why}"
        )
    return None


def _reached_limit(report: ProbeReport, word: EngineWord) -> bool:
    """Return whether the container reached its limit. If v1 limits swap too, it counts no hits, but the mark tells."""
    mark, limit = report.kernel_peak.value, word.limit_bytes
    at_limit = mark is not None and limit is not None and mark >= limit - resolution_bytes(word.cpus, limit)
    return bool(report.limit_hits.value) or at_limit


_FIX = (
    "turn swap off on the engine's machine (swapoff -a), or boot it with swapaccount=1 (cgroup v1; `docker info` then"
    " says nothing of missing swap limit support)"
)


def require_swap_limit(*, limits_swap: bool, swap_bytes: int | None) -> None:
    """Raise EnvironmentFault if a container could swap without bounds instead of reaching its limit.

    `limits_swap` says whether the engine can limit memory and swap together. `swap_bytes` is the machine's swap space;
    None if unknown.
    """
    if limits_swap or swap_bytes == 0:
        return
    swap = f"has {format_size(swap_bytes)} of swap" if swap_bytes is not None else "may have swap"
    raise EnvironmentFault(
        f"the engine's machine {swap}, and its kernel does not limit swap by container: a container would swap"
        " instead of reaching its memory limit, so no memory figure or OOM kill would mean anything",
        fix=_FIX,
        check=DoctorCheck.SWAP,
    )
