"""How a trial ended: its outcome and reason, and what of it may be shown."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from membudget.core.errors import brief, with_fix
from membudget.core.masking import HIDDEN, Mask
from membudget.core.metric_words import format_reading
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import format_duration, format_size
from membudget.measure.probe.process_use import Clues, Snapshot
from membudget.measure.trial import Outcome, Trial, TrialSpec, WorkloadResult

_SIGKILLED = 137
_SHORTEST_PART = 4
"""The shortest part of a secret that is hidden on its own, in characters. Otherwise, each bracket would be hidden."""


def outcome_of(
    spec: TrialSpec,
    result: WorkloadResult,
    exit_code: int | None,
    kills: MetricValue,
    own_kills: MetricValue,
) -> tuple[Outcome, str | None]:
    """Return the outcome, and the reason if it is not "completed".

    `kills` counts sidecars, `own_kills` does not. An OOM kill takes precedence over everything else.
    """
    if kills.value:
        in_sidecar = f"{_killed_in_words(kills, None)}, in a sidecar"
        return Outcome.OOM_KILLED, _killed_in_words(own_kills, spec.limit_bytes) if own_kills.value else in_sidecar
    if result.timed_out:
        why = f": {result.reason}" if result.reason else ""
        return Outcome.TIMED_OUT, with_fix(f"still running after {format_duration(spec.timeout_ms)}{why}", result.fix)
    if not result.passed:
        signal = _of_sigkill(kills.value) if exit_code == _SIGKILLED else ""
        return Outcome.WORKLOAD_FAILED, with_fix(f"{result.reason}{signal}", result.fix)
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
    hide = mask_of(secrets)
    return replace(
        trial,
        reason=brief(hide(trial.reason)) if trial.reason is not None else None,
        log_tail=tuple(map(hide, trial.log_tail)),
        snapshot=_hidden(trial.snapshot, hide) if trial.snapshot is not None else None,
    )


def _hidden(snapshot: Snapshot, hide: Callable[[str], str]) -> Snapshot:
    """Return the snapshot with secrets masked, because command lines may contain them."""
    processes = (
        replace(
            process,
            name=hide(process.name),
            arguments=tuple(map(hide, process.arguments)),
            clues=_hidden_clues(process.clues, hide) if process.clues is not None else None,
        )
        for process in snapshot.processes
    )
    return replace(snapshot, processes=tuple(processes))


def _hidden_clues(clues: Clues, hide: Callable[[str], str]) -> Clues:
    return replace(
        clues,
        executable=hide(clues.executable) if clues.executable is not None else None,
        settings=tuple(map(hide, clues.settings)),
        variables={name: hide(value) for name, value in clues.variables.items()},
        map=replace(clues.map, libraries=tuple(map(hide, clues.map.libraries))) if clues.map is not None else None,
    )


def one_line(output: str, secrets: tuple[str, ...]) -> str:
    """Return output of a container on one line, with every secret's value masked.

    The engine may have cut the output. So the beginning of a secret at its end is masked, too.
    """
    hidden = mask_of(secrets)(output).rstrip("\ufffd")  # half of a character
    begun = max((_begun(hidden, part) for part in (*secrets, *_lines(secrets))), default=0)
    return " ".join(f"{hidden[:-begun]}{HIDDEN}".split() if begun else hidden.split())


def _begun(text: str, secret: str) -> int:
    """Return how many of the secret's first characters the text ends with. 0 if that may be chance."""
    lengths = range(min(len(secret), len(text)), _SHORTEST_PART - 1, -1)
    return next((length for length in lengths if text.endswith(secret[:length])), 0)


def mask_of(secrets: tuple[str, ...]) -> Mask:
    """Return what hides secrets, and each line of those that have several."""
    return Mask([*secrets, *_lines(secrets)], shortest=1)


def _lines(secrets: tuple[str, ...]) -> Iterator[str]:
    """Yield the lines of secrets that have several, as far as they say more than a bracket does."""
    lines = (line.strip() for secret in secrets for line in secret.splitlines())
    yield from (line for line in lines if len(line) >= _SHORTEST_PART)
