"""Use case: run the same workload with different CPUs and connections, and say how its memory grows with both."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from membudget.advise.fit import FitSubject
from membudget.advise.loads import load_of, with_load
from membudget.core.errors import EngineLost, EnvironmentFault
from membudget.core.metrics import Metric
from membudget.core.progress import Doing, Progress, ProgressStep, Running, Stage
from membudget.judge.plane import plane
from membudget.judge.scaled import ExpectedSize, Halt, Halted, NoSize, ScaledImage, ScaledPoint, TrialScale
from membudget.manifests.deployed import CpuLimit, DeployedManifests
from membudget.measure.schedule import Turn, interleaved
from membudget.measure.trial import Outcome, Trial, TrialSpec


class ToolsToScale(Protocol):
    """The tools that are needed."""

    def run_trial(self, spec: TrialSpec) -> Trial:
        """Run one trial. Raises EnvironmentFault."""

    def live(self) -> Sequence[Running]:
        """Return the running trials, as last sampled. Called from another thread."""


@dataclass(frozen=True, slots=True)
class ScalingWanted:
    """What to measure, and for which production."""

    at_cpus: tuple[int, ...]
    """The numbers of CPUs to measure with. The machine has as many."""
    loads: tuple[int, ...] | None
    """The numbers of connections to measure with. None: those of the workload, and twice as many."""
    trials: int
    """The trials in each place."""
    cpus: int | None = None
    """The CPUs that the service sees in production. None if nobody asked."""
    connections: int | None = None
    """The connections that it has at once in production."""
    cpu_limits: Mapping[str, CpuLimit] = field(default_factory=dict)
    """The limits of CPU time in the manifests, by image. Each counts if `cpus` is None."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to run of one image."""

    subject: FitSubject
    specs: Mapping[TrialScale, TrialSpec]
    wanted: ScalingWanted


def cpu_limits(deployed: DeployedManifests) -> dict[str, CpuLimit]:
    """Return the limit of CPU time of each image in the manifests. The largest, if several workloads run it."""
    found: dict[str, CpuLimit] = {}
    for workload in deployed.workloads:
        for container in workload.containers:
            limit, image = container.cpu_limit, container.runs
            if image is not None and limit is not None:
                found[image] = max(limit, found.get(image, limit), key=lambda one: one.thousandths)
    return found


def run(
    subjects: Sequence[FitSubject], wanted: ScalingWanted, tools: ToolsToScale, progress: Progress
) -> Iterator[ScaledImage]:
    """Measure every image, and yield each when it is done. A failure of one does not affect the others.

    Raises ConfigurationError if a workload may not have such a load, and EngineLost.
    """
    plans = [_Plan(subject, dict(_specs(subject.spec, wanted)), wanted) for subject in subjects]
    with progress.stage(Stage.MEASURING, [subject.spec.name for subject in subjects], tools.live):
        for plan in plans:
            yield _measured(plan, tools, progress)


def _specs(spec: TrialSpec, wanted: ScalingWanted) -> Iterator[tuple[TrialScale, TrialSpec]]:
    load = load_of(spec.workload)
    loads = wanted.loads or ((load, 2 * load) if load is not None else ())
    for cpus in wanted.at_cpus:
        inputs = replace(spec.inputs, cpus=cpus)
        if load is None:
            yield TrialScale(cpus), replace(spec, inputs=inputs, is_alone=True)
            continue
        for connections in loads:
            workload = with_load(spec.workload, connections, max(loads))
            yield TrialScale(cpus, connections), replace(spec, inputs=inputs, workload=workload, is_alone=True)


def _measured(plan: _Plan, tools: ToolsToScale, progress: Progress) -> ScaledImage:
    spec, begun = plan.subject.spec, time.monotonic()
    nothing = ScaledImage(name=spec.name, limit_bytes=spec.limit_bytes)
    if len(plan.specs) < 2:
        return replace(nothing, halted=Halted(Halt.NOTHING_VARIES))
    peaks: dict[TrialScale, list[int]] = {place: [] for place in plan.specs}
    with progress.image(spec.name):
        try:
            halted = _run(plan, peaks, tools, progress)
        except EngineLost:
            raise
        except EnvironmentFault as error:
            halted = Halted(Halt.FAULT, str(error))
    points = tuple(ScaledPoint(place, tuple(values)) for place, values in peaks.items() if values)
    found = replace(nothing, points=points, halted=halted, duration_ms=round((time.monotonic() - begun) * 1000))
    return found if halted is not None else _grown(found, plan, peaks)


def _run(plan: _Plan, peaks: Mapping[TrialScale, list[int]], tools: ToolsToScale, progress: Progress) -> Halted | None:
    """Run the trials in turn, and add their peaks. Return why they ended early, if they did."""
    turns = list(interleaved(list(plan.specs), plan.wanted.trials))
    for number, turn in enumerate(turns):
        with progress.step(_step(plan, turn, left=len(turns) - number - 1)):
            trial = tools.run_trial(plan.specs[turn.side])
        if (halted := _halted(trial, turn.side)) is not None:
            return halted
        if not turn.is_warm_up:
            peaks[turn.side].append(trial.metrics[Metric.PEAK_RSS].value or 0)
    return None


def _step(plan: _Plan, turn: Turn[TrialScale], left: int) -> ProgressStep:
    place = turn.side
    cpus = "1 CPU" if place.cpus == 1 else f"{place.cpus} CPUs"
    where = cpus if place.connections is None else f"{cpus} and {place.connections} connections"
    doing = Doing.WARM_UP if turn.is_warm_up else Doing.TRIAL
    return ProgressStep(plan.subject.spec.name, doing, where, number=turn.number, most=plan.wanted.trials, left=left)


def _halted(trial: Trial, place: TrialScale) -> Halted | None:
    peak = trial.metrics[Metric.PEAK_RSS]
    if trial.outcome is Outcome.OOM_KILLED:
        return Halted(Halt.KILLED, trial.reason, place)
    if trial.outcome is not Outcome.COMPLETED or not trial.workload_passed:
        return Halted(Halt.FAILED, trial.reason, place)
    return Halted(Halt.NO_FIGURE, peak.reason, place) if peak.value is None else None


def _grown(found: ScaledImage, plan: _Plan, peaks: Mapping[TrialScale, Sequence[int]]) -> ScaledImage:
    """Return what the peaks say of the image's growth."""
    grown = plane(peaks)
    if grown is None:
        return replace(found, halted=Halted(Halt.NOTHING_VARIES))
    found = replace(
        found,
        per_cpu=grown.per_cpu,
        per_connection=grown.per_connection,
        fixed=grown.fixed,
        bends=grown.bends,
        untested=grown.untested,
    )
    wanted, load = plan.wanted, load_of(plan.subject.spec.workload)
    limit = wanted.cpu_limits.get(found.name) if wanted.cpus is None else None
    cpus = limit.cpus if limit is not None else wanted.cpus
    found = replace(found, cpu_limit=limit)
    if cpus is None and wanted.connections is None:
        return found
    if wanted.connections is not None and load is None:
        return replace(found, no_size=NoSize.CONNECTIONS_NOT_VARIED)
    place = TrialScale(cpus or plan.subject.spec.inputs.cpus, wanted.connections or load)
    expected = grown.expected(place)
    if isinstance(expected, NoSize):
        return replace(found, no_size=expected)
    return replace(found, size=ExpectedSize(place, expected), no_size=None)
