"""The self-test: a program of known memory, measured in the way in which `check` measures.

The program is put into an image of its own, so the self-test needs no registry, no builder and no compiler.
"""

from dataclasses import dataclass
from typing import Protocol

from membudget.budgets.workload import CommandWorkload
from membudget.core.errors import DoctorCheck, EnvironmentFault
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB, format_size
from membudget.core.untrusted_text import Parts, Quoted
from membudget.engine.connection import Engine
from membudget.engine.own_image import image_of
from membudget.engine.run_id import RunId
from membudget.measure.static_program import Architecture, ProgramStep, architecture_of, static_program
from membudget.measure.trial import Trial, TrialSpec
from membudget.setup.doctor import CannotLook, CheckFinding, CheckState, Figure, KnownTruth

HELD_BYTES = 64 * MIB
SPIKE_BYTES = 96 * MIB
SPIKE_MS = 50
LIMIT_BYTES = 32 * MIB
_EXACT_BYTES = MIB // 2
"""How far the figure of memory that is held may be from the truth."""
_MOST_OF_SPIKE = 0.9
_STATISTICS_MS = 3000
"""The engine's statistics come once a second, and the first of them may be empty."""
_HELD_MS = 400
_CALM_MS = 100
_TIMEOUT_MS = 60_000


class Pool(Protocol):
    """Runs trials."""

    @property
    def sees_cgroups(self) -> bool:
        """Whether the kernel's own files are read."""

    def run(self, spec: TrialSpec) -> Trial:
        """Run a trial. Raises EnvironmentFault."""


def programs(architecture: Architecture, *, sees_cgroups: bool) -> dict[str, bytes]:
    """Return the self-test's programs, by file name."""
    held_ms = _HELD_MS if sees_cgroups else _STATISTICS_MS
    steps = {
        KnownTruth.HELD: [ProgramStep(HELD_BYTES, held_ms, keeps=True)],
        KnownTruth.SPIKE: [ProgramStep(0, held_ms), ProgramStep(SPIKE_BYTES, SPIKE_MS), ProgramStep(0, _CALM_MS)],
        KnownTruth.KILLS: [ProgramStep(0, _CALM_MS), ProgramStep(2 * LIMIT_BYTES, held_ms)],
    }
    return {what.value: static_program(architecture, given) for what, given in steps.items()}


@dataclass(frozen=True, slots=True)
class SelfTestRun:
    """A trial of the self-test, or why there was none."""

    what: KnownTruth
    trial: Trial | EnvironmentFault


def self_test(engine: Engine, run: RunId, pool: Pool) -> CheckFinding:
    """Measure what is known. Raises EnvironmentFault, and CannotLook on machines without a program."""
    architecture = architecture_of(engine.info.platform)
    if architecture is None:
        there_is = "there are programs for linux/amd64 and linux/arm64, and this engine is "
        raise CannotLook(there_is, Quoted(engine.info.platform))
    sees_cgroups = pool.sees_cgroups
    with image_of(engine, run, "self-test", programs(architecture, sees_cgroups=sees_cgroups)) as image_id:
        runs = [SelfTestRun(what, _trial(pool, image_id, what)) for what in KnownTruth]
    return judged(tuple(runs), sees_cgroups=sees_cgroups)


def _trial(pool: Pool, image_id: str, what: KnownTruth) -> Trial | EnvironmentFault:
    limit = LIMIT_BYTES if what is KnownTruth.KILLS else None
    workload = CommandWorkload(command=(f"/{what.value}",))
    try:
        return pool.run(TrialSpec(f"self-test/{what.value}", image_id, limit, _TIMEOUT_MS, workload))
    except EnvironmentFault as fault:
        if limit is None:
            raise
        return fault  # without limits on swap, memory can be measured and not limited


def judged(runs: tuple[SelfTestRun, ...], *, sees_cgroups: bool) -> CheckFinding:
    """Compare what was measured with what is known."""
    seen: Parts = ()
    figures: tuple[Figure, ...] = ()
    states = set()
    for run in runs:
        state, figure, said = _compared(run, sees_cgroups=sees_cgroups)
        states.add(state)
        figures += (figure,) if figure is not None else ()
        seen += (*(("; ",) if seen else ()), *said)
    worst = next((state for state in (CheckState.FAILED, CheckState.WARNING) if state in states), CheckState.OK)
    fault = next((run.trial for run in runs if isinstance(run.trial, EnvironmentFault)), None)
    fix = _fix(worst, fault, sees_cgroups=sees_cgroups)
    return CheckFinding(DoctorCheck.SELF_TEST, worst, seen, fix, figures)


def _fix(state: CheckState, fault: EnvironmentFault | None, *, sees_cgroups: bool) -> Parts:
    if state is CheckState.OK:
        return ()
    if fault is not None and fault.fix is not None:
        return (Quoted(fault.fix),)
    if not sees_cgroups:
        return ("measure from the kernel's own files: see the check probe",)
    if state is CheckState.WARNING:
        return ("run again when the machine is less busy; --rate sets how often membudget looks",)
    return ("do not trust this engine's figures: please report it, with the output of membudget doctor --json",)


def _compared(run: SelfTestRun, *, sees_cgroups: bool) -> tuple[CheckState, Figure | None, Parts]:
    trial = run.trial
    if isinstance(trial, EnvironmentFault):
        return CheckState.FAILED, None, ("no limit was tried: ", Quoted(trial.what))
    if run.what is KnownTruth.KILLS:
        return _kills(trial, sees_cgroups=sees_cgroups)
    known = HELD_BYTES if run.what is KnownTruth.HELD else SPIKE_BYTES
    words = "held" if run.what is KnownTruth.HELD else "a spike of"
    duration = "" if run.what is KnownTruth.HELD else f" for {SPIKE_MS} ms"
    if not trial.judgeable:
        return CheckState.FAILED, None, (f"{words} {format_size(known)}: ", Quoted(trial.reason or trial.outcome))
    rss, mark = trial.metrics[Metric.PEAK_RSS], trial.metrics[Metric.PEAK_MEMORY]
    figure = Figure(run.what, known, rss.value, mark.value)
    measured = f"measured {format_size(rss.value)}" if rss.value is not None else "not seen"
    said = (f"{words} {format_size(known)}{duration}: {measured}",)
    return _state_of(figure, sees_cgroups=sees_cgroups), figure, said


def _state_of(figure: Figure, *, sees_cgroups: bool) -> CheckState:
    if figure.measured is not None and abs(figure.measured - figure.known) <= _EXACT_BYTES:
        return CheckState.OK
    measured = figure.measured or 0
    is_spike = figure.what is KnownTruth.SPIKE
    if is_spike and _MOST_OF_SPIKE * figure.known <= measured <= figure.known + _EXACT_BYTES:
        return CheckState.OK
    is_lower_bound = measured <= figure.known
    return CheckState.WARNING if is_lower_bound and (is_spike or not sees_cgroups) else CheckState.FAILED


def _kills(trial: Trial, *, sees_cgroups: bool) -> tuple[CheckState, Figure, Parts]:
    kills = trial.metrics[Metric.OOM_KILLS].value
    figure = Figure(KnownTruth.KILLS, 1, kills, trial.metrics[Metric.PEAK_MEMORY].value)
    took = f"{format_size(2 * LIMIT_BYTES)} under a limit of {format_size(LIMIT_BYTES)}: "
    if trial.workload_passed:
        return CheckState.FAILED, figure, (f"{took}the limit was not enforced",)
    if kills is None:
        return CheckState.WARNING, figure, (f"{took}killed, but OOM kills cannot be counted",)
    counted = f"{kills} OOM kill{'' if kills == 1 else 's'} counted"
    state = CheckState.OK if kills == 1 else CheckState.FAILED
    return state if sees_cgroups or state is CheckState.OK else CheckState.WARNING, figure, (f"{took}{counted}",)
