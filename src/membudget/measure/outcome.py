"""How a trial ended, from what the kernel counted, the workload said, and the container's exit code."""

from dataclasses import replace

from membudget.core.figures import format_reading
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import format_duration, format_size
from membudget.measure.trial import Outcome, TrialSpec, WorkloadResult
from membudget.measure.trial_figures import TrialFigures

_SIGKILLED = 137


def outcome_of(
    spec: TrialSpec,
    result: WorkloadResult,
    exit_code: int | None,
    figures: TrialFigures,
) -> tuple[Outcome, str | None]:
    """The outcome, and why it is not "completed". An OOM kill goes before everything else."""
    kills, own = figures.metrics[Metric.OOM_KILLS], figures.own_oom_kills
    if kills.value:
        in_sidecar = f"{_killed_in_words(kills, None)}, in a sidecar"
        return Outcome.OOM_KILLED, _killed_in_words(own, spec.limit_bytes) if own.value else in_sidecar
    if result.timed_out:
        return Outcome.TIMED_OUT, f"still running after {format_duration(spec.timeout_ms)}"
    if not result.passed:
        signal = _of_sigkill(kills.value) if exit_code == _SIGKILLED else ""
        return Outcome.WORKLOAD_FAILED, f"{result.reason}{signal}"
    return Outcome.COMPLETED, None


def _of_sigkill(kills: int | None) -> str:
    if kills is None:
        return ": ended by SIGKILL, and nothing says whether by the OOM killer"
    return ": ended by SIGKILL, but not by the OOM killer"


def with_trouble(result: WorkloadResult, trouble: str | None) -> WorkloadResult:
    """A workload whose surroundings failed has not passed; one that failed may have failed because of them."""
    if trouble is None or (result.reason or "").startswith("the service "):
        return result
    reason = f"{result.reason} ({trouble})" if result.reason else trouble
    return replace(result, passed=False, reason=reason)


def _killed_in_words(kills: MetricValue, limit_bytes: int | None) -> str:
    limit = f" at its limit of {format_size(limit_bytes)}" if limit_bytes is not None else ""
    processes = f"{format_reading(Metric.OOM_KILLS, kills)} process{'' if kills.value == 1 else 'es'}"
    return f"the kernel killed {processes} for memory{limit}"
