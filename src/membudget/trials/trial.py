"""A trial: one execution of one image under its limit, and what came of it."""

from dataclasses import dataclass
from enum import StrEnum

from membudget.budgets.workload import Workload
from membudget.metrics import Metric, MetricValue
from membudget.trials.probe_messages import Series


@dataclass(frozen=True, slots=True)
class TrialSpec:
    """What to run, and how."""

    label: str
    """What people call it: "api base 2/3"."""
    image_id: str
    limit_bytes: int | None
    """None: no limit of ours."""
    timeout_ms: int
    workload: Workload


class Outcome(StrEnum):
    """How a trial ended. Only what completed or was OOM-killed says anything about memory budgets."""

    COMPLETED = "completed"
    OOM_KILLED = "oom_killed"
    """The kernel killed at least one of its processes for memory, whether or not the workload then passed."""
    WORKLOAD_FAILED = "workload_failed"
    TIMED_OUT = "timed_out"


@dataclass(frozen=True, slots=True)
class Trial:
    """What was measured in one trial."""

    __pydantic_config__ = {"extra": "forbid"}

    outcome: Outcome
    reason: str | None
    """Why the outcome is not "completed", in words."""
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

    @property
    def judgeable(self) -> bool:
        """Whether its memory figures may be compared with budgets."""
        return self.outcome in (Outcome.COMPLETED, Outcome.OOM_KILLED)


@dataclass(frozen=True, slots=True)
class WorkloadResult:
    """How the workload itself ended."""

    passed: bool
    reason: str | None = None
    timed_out: bool = False
    output_tail: tuple[str, ...] = ()
    """The last lines of what the workload said, where that is not the container's own output."""


WORKLOAD_PASSED = WorkloadResult(passed=True)
