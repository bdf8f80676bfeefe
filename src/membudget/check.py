"""Use case 1: build base and head, inspect them, run trials, and write down what was found.

Untrusted: it builds and runs the pull request's code, and holds no token. It reads like the README's first
sentence; how each step is done is behind the protocols below, which `commands` fills in.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from membudget.analysis.aggregate import aggregate, all_absent
from membudget.analysis.downsample import downsample
from membudget.analysis.host_settings import settings_change
from membudget.analysis.measurement import Failure, FailureStage, ImageMeasurement, SideMeasurement
from membudget.analysis.verdict import judge
from membudget.budgets.budget import Build, ImageSpec
from membudget.budgets.effective import effective_budgets, effective_phase_budgets
from membudget.budgets.workload import describe
from membudget.errors import BuildFailed, EnvironmentFault
from membudget.images.revision import BuiltImage, Commit, NoBase, Side
from membudget.metrics import Metric, MetricValue
from membudget.pairing import Pair, paired
from membudget.progress import Progress
from membudget.report.report import SCHEMA_VERSION, Comparison, Environment, Report, RevisionReport
from membudget.side_by_side import side_by_side
from membudget.trials.compose_pod import PodPlan
from membudget.trials.order import interleaved
from membudget.trials.trial import Trial, TrialSpec
from membudget.trials.trial_inputs import TrialInputs


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """What to compare."""

    head: Commit
    base: Commit | NoBase
    head_images: Mapping[str, ImageSpec]
    base_images: Mapping[str, ImageSpec]
    """Empty where the base has no budgets file."""
    notes: tuple[str, ...] = ()


class Tools(Protocol):
    """What the check needs done."""

    @property
    def environment(self) -> Environment:
        """Where it measures."""

    def checkout(self, commit: Commit) -> AbstractContextManager[Path]:
        """A clean checkout, for as long as the context lasts."""

    def build(self, name: str, side: Side, spec: Build, checkout: Path, on_line: Callable[[str], None]) -> BuiltImage:
        """Build an image. Raises BuildFailed."""

    def sizes(self, image_ids: Sequence[str]) -> dict[str, int]:
        """`image_size` of each. Raises EnvironmentFault."""

    def inputs(self, name: str, spec: ImageSpec, checkout: Path) -> TrialInputs:
        """What the container of an image is given. Raises ConfigurationError."""

    def run_trial(self, spec: TrialSpec) -> Trial:
        """Run one trial. Raises EnvironmentFault."""

    @property
    def jobs(self) -> int:
        """How many images may be measured side by side."""

    def cancel(self) -> None:
        """End the trials that run, from another thread."""

    def live(self) -> str:
        """Phase and memory of the trials that run, in words, from another thread."""


Built = BuiltImage | Failure


@dataclass(frozen=True, slots=True)
class _Subject:
    """A pair that was built, or not."""

    pair: Pair
    built: dict[Side, Built]
    inputs: TrialInputs
    """Head's: they hold for both sides."""


def run(request: CheckRequest, tools: Tools, progress: Progress, version: str) -> Report:
    """Check every image of the request. What fails for one image costs no other image its result."""
    started = datetime.now(UTC)
    pairs = list(paired(request.head_images, request.base_images, request.base))
    building = progress.stage("Building", sum(len(pair.builds) for pair in pairs))
    with _checkouts(request, tools) as checkouts:
        inputs = {pair.name: tools.inputs(pair.name, pair.head, checkouts[Side.HEAD]) for pair in pairs if pair.head}
        with building:
            built = {pair.name: _build(pair, checkouts, tools, progress) for pair in pairs}
            for name, given in inputs.items():
                built[name] = _build_around(name, built[name], given.pod, checkouts, tools)
        subjects = [_Subject(pair, built[pair.name], inputs.get(pair.name, TrialInputs())) for pair in pairs]
        with progress.stage("Measuring", sum(map(_trial_count, subjects)), tools.live):
            measure = partial(_measure, tools=tools, progress=progress)
            images = tuple(side_by_side(measure, subjects, tools.jobs, tools.cancel))
    return Report(
        schema_version=SCHEMA_VERSION,
        membudget_version=version,
        started_at=started,
        duration_ms=round((datetime.now(UTC) - started).total_seconds() * 1000),
        comparison=_comparison(request),
        environment=tools.environment,
        images=images,
        notes=request.notes,
        verdict=judge(images).verdict,
    )


@contextmanager
def _checkouts(request: CheckRequest, tools: Tools) -> Iterator[dict[Side, Path]]:
    with ExitStack() as stack:
        checkouts = {Side.HEAD: stack.enter_context(tools.checkout(request.head))}
        if isinstance(request.base, Commit):
            checkouts[Side.BASE] = stack.enter_context(tools.checkout(request.base))
        yield checkouts


def _build(pair: Pair, checkouts: dict[Side, Path], tools: Tools, progress: Progress) -> dict[Side, Built]:
    built: dict[Side, Built] = {}
    for side, spec in pair.builds.items():
        progress.step(f"{pair.name} ({side})")
        try:
            built[side] = tools.build(pair.name, side, spec, checkouts[side], progress.output)
        except BuildFailed as error:
            built[side] = Failure(FailureStage.BUILD, error.what, error.log_tail)
            progress.note(f"{pair.name} ({side}): build failed: {error.what}")
    return built


def _build_around(
    name: str, built: dict[Side, Built], pod: PodPlan | None, checkouts: dict[Side, Path], tools: Tools
) -> dict[Side, Built]:
    """Build the services around an image: sidecars of each side, what is only needed of head for both."""
    if pod is None or not pod.builds:
        return built
    around: dict[str, str] = {}
    done: dict[Side, Built] = {}
    for side in sorted(built, reverse=True):  # head first: base takes what they share
        image = built[side]
        try:
            for service, build in pod.builds.items():
                if side is Side.HEAD or service in pod.sidecars:
                    tag = f"{name}.{service.lower()}"
                    around[service] = tools.build(tag, side, build, checkouts[side], lambda _: None).image_id
            done[side] = replace(image, beside={**around}) if isinstance(image, BuiltImage) else image
        except BuildFailed as error:
            done[side] = Failure(FailureStage.BUILD, f"of a service around it: {error.what}", error.log_tail)
    return {side: done[side] for side in built}


def _measure(subject: _Subject, tools: Tools, progress: Progress) -> ImageMeasurement:
    pair, built = subject.pair, subject.built
    spec = pair.head or pair.base
    assert spec is not None  # noqa: S101 - a pair has a side
    trials = _run_trials(subject, tools, progress)
    sizes = _sizes(built, tools)
    changed = settings_change([trial for results in trials.values() for trial in results if isinstance(trial, Trial)])
    if changed is not None:
        trials = {side: [*results, Failure(FailureStage.ENVIRONMENT, changed)] for side, results in trials.items()}
    sides = {side: _side(built[side], sizes.get(side), trials.get(side, ())) for side in built}
    return ImageMeasurement(
        name=pair.name,
        presence=pair.presence,
        limit_bytes=spec.limit_bytes,
        workload=describe(spec.workload),
        budgets=effective_budgets(spec),
        phase_budgets=effective_phase_budgets(spec),
        unjudged_phases=tuple(sorted(spec.unjudged_phases)),
        base=sides.get(Side.BASE),
        head=sides.get(Side.HEAD),
        leak_fails=spec.leak == "fail",
        notes=_notes(spec, tools.environment.cpus),
    )


def _notes(spec: ImageSpec, cpus: int) -> tuple[str, ...]:
    """What makes its figures other than those of elsewhere."""
    settings = spec.container
    notes = []
    if settings.network == "open":
        notes.append("its network was open: what it fetched may change its figures")
    if settings.cpus > cpus:
        notes.append(f"it was to have {settings.cpus} CPUs, and the machine has {cpus}: what sizes itself by CPUs did")
    return tuple(notes)


def _trial_count(subject: _Subject) -> int:
    head = subject.pair.head
    return sum(head.trials + 1 for image in subject.built.values() if head and isinstance(image, BuiltImage))


def _run_trials(subject: _Subject, tools: Tools, progress: Progress) -> dict[Side, list[Trial | Failure]]:
    """The measured trials of each side. A side whose workload fails is not run again: it would fail again."""
    pair, built = subject.pair, subject.built
    if pair.head is None:
        return {}
    sides = [side for side, image in built.items() if isinstance(image, BuiltImage)]
    results: dict[Side, list[Trial | Failure]] = {side: [] for side in sides}
    for turn in interleaved(sides, pair.head.trials):
        image, result = built[turn.side], results[turn.side]
        if not isinstance(image, BuiltImage) or any(isinstance(earlier, Failure) for earlier in result):
            continue
        label = "warm-up" if turn.is_warm_up else f"trial {turn.number} of {pair.head.trials}"
        progress.step(f"{pair.name} ({turn.side}), {label}")
        outcome = _run_trial(subject, pair.head, image, tools)
        if isinstance(outcome, Failure) or not turn.is_warm_up:
            result.append(outcome)
    return results


def _run_trial(subject: _Subject, spec: ImageSpec, image: BuiltImage, tools: Tools) -> Trial | Failure:
    """One trial of either side: the head's limit, workload and inputs hold for both, or it would be them we compare."""
    trial_spec = TrialSpec(
        name=subject.pair.name,
        image_id=image.image_id,
        limit_bytes=spec.limit_bytes,
        timeout_ms=spec.timeout,
        workload=spec.workload,
        settle_ms=spec.settle,
        inputs=subject.inputs,
        unjudged_phases=spec.unjudged_phases,
        pod_images=image.beside,
    )
    try:
        trial = tools.run_trial(trial_spec)
    except EnvironmentFault as error:
        return Failure(FailureStage.ENVIRONMENT, str(error))
    if not trial.judgeable:
        return Failure(FailureStage.WORKLOAD, trial.reason or trial.outcome, trial.log_tail)
    return replace(trial, series=downsample(trial.series))


def _sizes(built: dict[Side, Built], tools: Tools) -> dict[Side, MetricValue]:
    """`image_size` of both sides, from one export."""
    images = {side: image for side, image in built.items() if isinstance(image, BuiltImage)}
    try:
        sizes = tools.sizes([image.image_id for image in images.values()])
    except EnvironmentFault as error:
        return {side: MetricValue.absent(Metric.IMAGE_SIZE, str(error)) for side in images}
    return {side: MetricValue.of(Metric.IMAGE_SIZE, sizes[image.image_id]) for side, image in images.items()}


def _side(built: Built, size: MetricValue | None, results: Sequence[Trial | Failure]) -> SideMeasurement:
    trials = tuple(result for result in results if isinstance(result, Trial))
    failures = [built, *results]
    failure = next((result for result in failures if isinstance(result, Failure)), None)
    reason = str(failure) if failure else None
    return SideMeasurement(
        image_id=built.image_id if isinstance(built, BuiltImage) else None,
        metrics={
            Metric.IMAGE_SIZE: size or MetricValue.absent(Metric.IMAGE_SIZE, reason or "unknown"),
            **(all_absent(reason) if reason else aggregate(trials)),
        },
        trials=trials,
        failure=failure,
    )


def _comparison(request: CheckRequest) -> Comparison:
    base = request.base
    return Comparison(
        head=_revision(request.head),
        base=_revision(base) if isinstance(base, Commit) else None,
        no_base_reason=base.reason if isinstance(base, NoBase) else None,
    )


def _revision(commit: Commit) -> RevisionReport:
    return RevisionReport(sha=commit.sha, subject=commit.subject[:4096])
