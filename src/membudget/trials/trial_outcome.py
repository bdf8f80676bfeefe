"""How a trial ended, from what the kernel counted, the workload said, and the container's exit code."""

from membudget.metrics import Metric, MetricValue
from membudget.quantities import format_duration, format_size
from membudget.trials.trial import Outcome, TrialSpec, WorkloadResult

_SIGKILLED = 137


def outcome_of(
    spec: TrialSpec,
    result: WorkloadResult,
    exit_code: int | None,
    metrics: dict[Metric, MetricValue],
) -> tuple[Outcome, str | None]:
    """The outcome, and why it is not "completed". An OOM kill goes before everything else."""
    kills = metrics[Metric.OOM_KILLS].value
    if kills:
        return Outcome.OOM_KILLED, _killed_in_words(kills, spec.limit_bytes)
    if result.timed_out:
        return Outcome.TIMED_OUT, f"still running after {format_duration(spec.timeout_ms)}"
    if not result.passed:
        is_told_apart = exit_code == _SIGKILLED and kills == 0
        signal = ": ended by SIGKILL, but not by the OOM killer" if is_told_apart else ""
        return Outcome.WORKLOAD_FAILED, f"{result.reason}{signal}"
    return Outcome.COMPLETED, None


def _killed_in_words(kills: int, limit_bytes: int | None) -> str:
    limit = f" at its limit of {format_size(limit_bytes)}" if limit_bytes is not None else ""
    processes = "1 process" if kills == 1 else f"{kills} processes"
    return f"the kernel killed {processes} for memory{limit}"
