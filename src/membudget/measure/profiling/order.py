"""What is ordered of a profiled trial, and how its spec differs from that of a judged one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path, PurePosixPath

from membudget.measure.profiling.heap_profile import ProfiledSide
from membudget.measure.profiling.profiler import Profiler, ServiceSeen
from membudget.measure.trial import Outcome, PhaseName, Trial, TrialSpec

LIMIT_FACTOR = 2
"""The limit of a profiled trial, as a multiple of the judged one: profilers take memory themselves."""
_SPARE = 0.9
"""The share of the machine's spare memory that it may take."""
_MORE_TIME = 3


class ProfiledAt(StrEnum):
    """When a profile is taken."""

    PEAK = "peak"
    """Near the largest memory of the judged trials."""
    SETTLED = "settled"
    """At the end of the settle time: what is kept, not what was needed at the peak."""


@dataclass(frozen=True, slots=True)
class Profiling:
    """How to profile one trial."""

    profiler: Profiler
    executable: str | None = None
    """The path of the service's main program in the container. None if it is unknown."""
    trigger_bytes: int | None = None
    """The judged peak of RSS, near which the profile is taken. None if it is unknown."""
    at: ProfiledAt = ProfiledAt.PEAK
    memray: Path | None = None
    """The folder on this machine with memray for the service's interpreter. None: memray is not used."""

    @property
    def tells_own_peaks(self) -> bool:
        """Whether each process tells what it held at its own peak, and not what all held at one time."""
        return self.memray is not None and self.at is ProfiledAt.PEAK

    @property
    def program(self) -> str | None:
        """The name of the main program."""
        return PurePosixPath(self.executable).name if self.executable is not None else None


@dataclass(frozen=True, slots=True)
class ProfiledTrial:
    """What came of one profiled trial."""

    side: ProfiledSide
    failed_to_start: bool = False
    """Whether what the profiler prepared may be why it failed."""


def failed_to_start(trial: Trial) -> bool:
    """Return whether a trial failed before its service was ready, other than for memory.

    Nothing says when a job is ready. It counts if it ended with an error.
    """
    if trial.workload_passed or trial.outcome is Outcome.OOM_KILLED:
        return False
    phases = {phase.name for phase in trial.phases}
    if PhaseName.START_UP in phases:
        return len(phases) == 1
    return trial.exit_code not in (None, 0)


def profiled(spec: TrialSpec, order: Profiling, image: Sequence[str], available_bytes: int | None) -> TrialSpec:
    """Return the spec of a profiled trial. It has more memory and time, and starts what the profiler needs.

    `image` has the variables that the image sets, as NAME=VALUE. `available_bytes` is what the machine can spare.
    """
    limit, inputs, profiler = spec.limit_bytes, spec.inputs, order.profiler
    if limit is not None:
        spare = round(available_bytes * _SPARE) if available_bytes is not None else LIMIT_FACTOR * limit
        limit = max(limit, min(LIMIT_FACTOR * limit, spare))
    if profiler.prepare is not None:
        variables = dict(variable.partition("=")[::2] for variable in image)
        variables |= inputs.pod.variables if inputs.pod is not None else {}
        inputs = profiler.prepare(
            inputs, ServiceSeen(order.executable, variables, order.memray, order.at is ProfiledAt.SETTLED)
        )
    timeout_ms = spec.timeout_ms * _MORE_TIME
    return replace(spec, limit_bytes=limit, timeout_ms=timeout_ms, inputs=inputs, asks_live_heap=False)
