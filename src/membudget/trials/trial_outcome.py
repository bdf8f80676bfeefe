"""How a trial ended, from what the kernel counted, the workload said, and the container's exit code."""

from dataclasses import replace

from membudget.metrics import Metric
from membudget.quantities import format_duration, format_size
from membudget.trials.trial import Outcome, TrialSpec, WorkloadResult
from membudget.trials.trial_figures import TrialFigures

_SIGKILLED = 137


def outcome_of(
    spec: TrialSpec,
    result: WorkloadResult,
    exit_code: int | None,
    figures: TrialFigures,
) -> tuple[Outcome, str | None]:
    """The outcome, and why it is not "completed". An OOM kill goes before everything else."""
    kills, own = figures.metrics[Metric.OOM_KILLS].value, figures.own_oom_kills.value
    if kills:
        words = _killed_in_words(own, spec.limit_bytes) if own else f"{_killed_in_words(kills, None)}, in a sidecar"
        return Outcome.OOM_KILLED, words
    if result.timed_out:
        return Outcome.TIMED_OUT, f"still running after {format_duration(spec.timeout_ms)}"
    if not result.passed:
        is_told_apart = exit_code == _SIGKILLED and kills == 0
        signal = ": ended by SIGKILL, but not by the OOM killer" if is_told_apart else ""
        return Outcome.WORKLOAD_FAILED, f"{result.reason}{signal}"
    return Outcome.COMPLETED, None


def with_trouble(result: WorkloadResult, trouble: str | None) -> WorkloadResult:
    """A workload whose surroundings failed has not passed; one that failed may have failed because of them."""
    if trouble is None or (result.reason or "").startswith("the service "):
        return result
    reason = f"{result.reason} ({trouble})" if result.reason else trouble
    return replace(result, passed=False, reason=reason)


def _killed_in_words(kills: int, limit_bytes: int | None) -> str:
    limit = f" at its limit of {format_size(limit_bytes)}" if limit_bytes is not None else ""
    processes = "1 process" if kills == 1 else f"{kills} processes"
    return f"the kernel killed {processes} for memory{limit}"
