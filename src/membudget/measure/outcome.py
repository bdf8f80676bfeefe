"""How a trial ended, judged by the kernel's counts, the workload's result and the container's exit code."""

from collections.abc import Callable
from dataclasses import replace

from membudget.core.errors import brief
from membudget.core.masking import Mask
from membudget.core.metrics import Metric, MetricValue, format_reading
from membudget.core.quantities import format_duration, format_size
from membudget.measure.figures import TrialFigures
from membudget.measure.probe.messages import Snapshot
from membudget.measure.trial import Outcome, Trial, TrialSpec, WorkloadResult

_SIGKILLED = 137


def outcome_of(
    spec: TrialSpec,
    result: WorkloadResult,
    exit_code: int | None,
    figures: TrialFigures,
) -> tuple[Outcome, str | None]:
    """Return the outcome, and the reason if it is not "completed".

    An OOM kill takes precedence over everything else.
    """
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
    """Return `result`, or a failure if a service around the workload failed.

    That may also be why the workload failed.
    """
    if trouble is None or result.is_of_surroundings:
        return result
    reason = f"{result.reason} ({trouble})" if result.reason else trouble
    return replace(result, passed=False, reason=reason)


def _killed_in_words(kills: MetricValue, limit_bytes: int | None) -> str:
    limit = f" at its limit of {format_size(limit_bytes)}" if limit_bytes is not None else ""
    processes = f"{format_reading(Metric.OOM_KILLS, kills)} process{'' if kills.value == 1 else 'es'}"
    return f"the kernel killed {processes} for memory{limit}"


def without_secrets(trial: Trial, secrets: tuple[str, ...]) -> Trial:
    """Return `trial` with every secret's value masked in its texts, and with its reason shortened.

    The reason is shortened last. Otherwise, half of a secret could remain.
    """
    hide = Mask(secrets, shortest=1)
    return replace(
        trial,
        reason=brief(hide(trial.reason)) if trial.reason is not None else None,
        log_tail=tuple(map(hide, trial.log_tail)),
        snapshot=_hidden(trial.snapshot, hide) if trial.snapshot is not None else None,
    )


def _hidden(snapshot: Snapshot, hide: Callable[[str], str]) -> Snapshot:
    """Return the snapshot with secrets masked, because command lines may contain them."""
    processes = (
        replace(process, name=hide(process.name), arguments=tuple(map(hide, process.arguments)))
        for process in snapshot.processes
    )
    return replace(snapshot, processes=tuple(processes))
