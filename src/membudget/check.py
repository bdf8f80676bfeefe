"""Use case 1: build base and head, inspect them, run trials, and write down what was found.

Untrusted: it builds and runs the pull request's code, and holds no token. It reads like the README's first
sentence; how each step is done is behind the protocols below, which `commands` fills in.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from membudget.analysis.groups import GroupMeasurement
from membudget.analysis.measurement import Failure, FailureStage
from membudget.analysis.metric_verdict import Verdict
from membudget.budgets.budget import Build, ImageSpec
from membudget.budgets.exceptions import expired, in_force
from membudget.budgets.guard import DEFAULT_LABEL, Approval, Rules
from membudget.errors import BuildFailed
from membudget.images.revision import BuiltImage, Commit, NoBase, Side
from membudget.pair_measurement import Built, Subject, TrialTools, measure_pair, most_trials
from membudget.pairing import Pair, paired
from membudget.progress import Progress
from membudget.report.report import SCHEMA_VERSION, Comparison, Report, RevisionReport
from membudget.side_by_side import side_by_side
from membudget.trials.compose_pod import PodPlan
from membudget.trials.trial_inputs import TrialInputs


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """What to compare."""

    head: Commit
    base: Commit | NoBase
    rules: Rules
    """Of the head's images, groups and exceptions."""
    base_images: Mapping[str, ImageSpec]
    """Empty where the base has no budgets file."""
    notes: tuple[str, ...] = ()
    approval: Approval = Approval.NOT_ASKED
    approval_label: str = DEFAULT_LABEL
    untouched: frozenset[str] = frozenset()
    """Images of which nothing differs, so that they need not be built."""

    @property
    def head_images(self) -> dict[str, ImageSpec]:
        """How they are run."""
        return {name: rules.spec for name, rules in self.rules.images.items()}


class Tools(TrialTools, Protocol):
    """What the check needs done."""

    def checkout(self, commit: Commit) -> AbstractContextManager[Path]:
        """A clean checkout, for as long as the context lasts."""

    def build(self, name: str, side: Side, spec: Build, checkout: Path, on_line: Callable[[str], None]) -> BuiltImage:
        """Build an image. Raises BuildFailed."""

    def inputs(self, name: str, spec: ImageSpec, checkout: Path) -> TrialInputs:
        """What the container of an image is given. Raises ConfigurationError."""

    @property
    def jobs(self) -> int:
        """How many images may be measured side by side."""

    def cancel(self) -> None:
        """End the trials that run, from another thread."""

    def live(self) -> str:
        """Phase and memory of the trials that run, in words, from another thread."""


def run(request: CheckRequest, tools: Tools, progress: Progress, version: str) -> Report:
    """Check every image of the request. What fails for one image costs no other image its result."""
    started = datetime.now(UTC)
    pairs = list(paired(request.head_images, request.base_images, request.base))
    to_build = [pair for pair in pairs if pair.name not in request.untouched]
    building = progress.stage("Building", sum(len(pair.builds) for pair in to_build))
    with _checkouts(request, tools) as checkouts:
        inputs = {pair.name: tools.inputs(pair.name, pair.head, checkouts[Side.HEAD]) for pair in to_build if pair.head}
        with building:
            built = {pair.name: _build(pair, checkouts, tools, progress) for pair in to_build}
            for name, given in inputs.items():
                built[name] = _build_around(name, built[name], given.pod, checkouts, tools)
        subjects = [
            _subject(request, pair, built.get(pair.name, {}), inputs.get(pair.name, TrialInputs()), started.date())
            for pair in pairs
        ]
        with progress.stage("Measuring", sum(map(most_trials, subjects)), tools.live):
            measure = partial(measure_pair, tools=tools, progress=progress)
            images = tuple(side_by_side(measure, subjects, tools.jobs, tools.cancel))
    report = Report(
        schema_version=SCHEMA_VERSION,
        membudget_version=version,
        started_at=started,
        duration_ms=round((datetime.now(UTC) - started).total_seconds() * 1000),
        comparison=_comparison(request),
        environment=tools.environment,
        images=images,
        groups=_groups(request),
        approval=request.approval,
        approval_label=request.approval_label,
        loosened=request.rules.loosened,
        notes=request.notes,
        verdict=Verdict.INCONCLUSIVE,
    )
    return report.model_copy(update={"verdict": report.judged().verdict})


def _subject(request: CheckRequest, pair: Pair, built: dict[Side, Built], inputs: TrialInputs, today: date) -> Subject:
    rules = request.rules
    ended = tuple(
        f"its exception for {one.metric} ended on {one.until.isoformat()} and counts no more"
        for one in expired(rules.exceptions, pair.name, today)
    )
    return Subject(
        pair,
        built,
        inputs,
        rules.images.get(pair.name),
        in_force(rules.exceptions, pair.name, today),
        ended,
        is_untouched=pair.name in request.untouched,
        is_summed=any(pair.name in group.images and group.budgets for group in rules.groups.values()),
    )


def _groups(request: CheckRequest) -> tuple[GroupMeasurement, ...]:
    return tuple(
        GroupMeasurement(name, group.images, dict(group.budgets))
        for name, group in request.rules.groups.items()
        if group.budgets
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


def _comparison(request: CheckRequest) -> Comparison:
    base = request.base
    return Comparison(
        head=_revision(request.head),
        base=_revision(base) if isinstance(base, Commit) else None,
        no_base_reason=base.reason if isinstance(base, NoBase) else None,
    )


def _revision(commit: Commit) -> RevisionReport:
    return RevisionReport(sha=commit.sha, subject=commit.subject[:4096])
