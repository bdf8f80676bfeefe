"""Use case: build base and head, inspect them, run trials, and record the results.

This code builds and runs the pull request's code, so it holds no token. `run` reads like the README's first sentence.
The protocols below hide how each step is done. `cli/tools` fulfils them.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from membudget.budgets.entries import ImageSpec
from membudget.budgets.exceptions import expired, in_force
from membudget.budgets.guard import Rules
from membudget.budgets.loosening import DEFAULT_LABEL, Approval
from membudget.budgets.memory_rules import MemoryRule
from membudget.build.revision import Commit, NoBase, Side
from membudget.check.building import BuildTools, Built, BuiltPair, Pair, PairOrder, build_all, own_runs, paired
from membudget.check.larger_bodies import with_larger_trials
from membudget.check.manifest_source import Renderer
from membudget.check.manifest_texts import CommitManifests, ManifestTexts
from membudget.check.manifests import changed_images, checked_manifests
from membudget.check.profile_sources import SourceTree, with_sources
from membudget.check.profiles import Profiles, with_profile
from membudget.check.runtimes import Asker, with_runtimes
from membudget.check.trials import Outage, TrialTools, measure_pair
from membudget.check.written_settings import SettingFiles
from membudget.core.errors import brief
from membudget.core.metrics import Metric
from membudget.core.progress import Progress, Running, Stage
from membudget.core.sharding import Shard
from membudget.core.work import side_by_side
from membudget.judge.fitted import FittedImage
from membudget.judge.manifests import CheckedManifests
from membudget.judge.measurement import ImageMeasurement, SideMeasurement
from membudget.judge.metric import Verdict
from membudget.judge.then import Then
from membudget.judge.whole import Coverage, GroupMeasurement
from membudget.measure.trial import TrialInputs, TrialSpec
from membudget.report.accepting import proposals
from membudget.report.notes import exception_note
from membudget.report.report import SCHEMA_VERSION, Comparison, JudgedReport, Report, RevisionReport


@dataclass(frozen=True, slots=True)
class BudgetsText:
    """The head's budgets file as it was read."""

    file: str
    """Its path, from the top of the repository."""
    text: str


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """What to compare."""

    head: Commit
    base: Commit | NoBase
    rules: Rules
    """The rules of the head's images, groups and exceptions."""
    base_images: Mapping[str, ImageSpec]
    """Empty if the base has no budgets file."""
    notes: tuple[str, ...] = ()
    """What a reader may want to change before anything is measured."""
    approval: Approval = Approval.NOT_ASKED
    approval_label: str = DEFAULT_LABEL
    untouched: frozenset[str] = frozenset()
    """Images for which nothing differs, so that they need not be built."""
    budgets_digest: str = "0" * 64
    """A digest of both budgets files."""
    shard: Shard | None = None
    """The part of the check that this run covers. None means all of it."""
    base_problem: str | None = None
    """Why the base's rules are unknown. None if they are known or the base has none."""
    approval_digest: str | None = None
    """A digest of everything that a label would approve. None if nothing needs approval."""
    known: tuple[str, ...] | None = None
    """All images of both budgets files, including those that other shards check. None if there are no others."""
    base_notes: tuple[str, ...] = ()
    """What the report says about the base's budgets file."""
    is_local: bool = False
    """Whether no server's job runs the check."""
    profiles: bool = False
    """Whether every image that is run is profiled. Otherwise, only those whose memory breaks a budget are."""
    budgets_text: BudgetsText | None = None
    """None: the report does not propose edits of the file."""
    needs_both: bool = False
    """Whether only a comparison of both sides is wanted. If one fails, the other one is then not run."""
    then: Mapping[tuple[str, Metric], Then] = field(default_factory=dict)
    """What the history has for creep budgets, by image and metric."""
    recent: Mapping[tuple[str, Metric], tuple[int, ...]] = field(default_factory=dict)
    """The last values of main, oldest first, by image and metric."""
    manifests: CommitManifests = field(default_factory=CommitManifests, compare=False)
    """What was read of the manifests for the rules."""

    @property
    def head_images(self) -> dict[str, ImageSpec]:
        """The specs of the head's images, as they are run."""
        return {name: rules.spec for name, rules in self.rules.images.items()}


class ToolsToCheck(TrialTools, BuildTools, Asker, SourceTree, Profiles, Protocol):
    """The tools that a check needs."""

    def checkout(self, commit: Commit) -> AbstractContextManager[Path]:
        """Provide a clean checkout for as long as the context lasts."""

    def inputs(self, name: str, spec: ImageSpec, checkout: Path) -> TrialInputs:
        """Return the inputs of an image's container. Raises ConfigurationError if a file or a secret is missing."""

    def fitted(self, spec: TrialSpec, image: ImageSpec) -> FittedImage | None:
        """Return what fits of exactly this image, workload and machine found, or None. `spec` may have any limit."""

    @property
    def renderer(self) -> Renderer:
        """What renders charts and folders of Kustomize."""

    @property
    def jobs(self) -> int:
        """How many images may be measured side by side."""

    def cancel(self) -> None:
        """Stop the running trials, from another thread."""

    def live(self) -> Sequence[Running]:
        """Return the running trials, as last sampled. Called from another thread."""


def run(request: CheckRequest, tools: ToolsToCheck, progress: Progress, version: str) -> JudgedReport:
    """Check every image of the request. A failure of one image does not affect the results of the others."""
    started, outage = datetime.now(UTC), Outage()
    pairs = list(paired(request.head_images, request.base_images, request.base))
    with _checkouts(request, tools) as checkouts:
        texts = _manifest_texts(request, checkouts, tools.renderer)
        manifests = _manifests(request, texts)
        redeployed = changed_images(manifests)  # their new limits are judged by figures of this very head
        request = replace(request, untouched=request.untouched - redeployed)
        to_build = [pair for pair in pairs if pair.name not in request.untouched]
        inputs = {
            pair.name: tools.inputs(pair.name, pair.head, checkouts[_side_of_rules(request, pair)])
            for pair in to_build
            if pair.head
        }
        given = partial(tools.inputs, checkout=checkouts[Side.HEAD])
        own = own_runs(request.rules.images, [pair.name for pair in to_build], given)
        summed = {name for group in request.rules.groups.values() if group.budgets for name in group.images}
        orders = [*(PairOrder(pair, inputs[pair.name].pod if pair.head else None) for pair in to_build), *own.orders]
        with progress.stage(Stage.BUILDING, [order.pair.name for order in orders]):
            built = build_all(orders, checkouts, tools, progress)
        subjects = [
            replace(
                _subject(request, pair, built.get(pair.name, {}), inputs.get(pair.name, TrialInputs()), started.date()),
                own=own.run(pair.name, built),
                is_summed=pair.name in summed | redeployed,
            )
            for pair in pairs
        ]
        with progress.stage(Stage.MEASURING, [one.pair.name for one in subjects if one.images], tools.live):
            wanted = _wanted(request, texts[Side.HEAD])
            measure = partial(_measured, tools=tools, progress=progress, outage=outage, wanted=wanted)
            images = tuple(side_by_side(measure, subjects, tools.jobs, tools.cancel))
    base = request.base if isinstance(request.base, Commit) else None
    images = _with_recent(request, with_sources(images, request.head_images, (base, request.head), tools))
    report = Report(
        schema_version=SCHEMA_VERSION,
        membudget_version=version,
        started_at=started,
        duration_ms=round((datetime.now(UTC) - started).total_seconds() * 1000),
        comparison=_comparison(request),
        environment=tools.environment,
        images=images,
        budgets_digest=request.budgets_digest,
        shard=request.shard,
        coverage=_coverage(request, [pair.name for pair in pairs]),
        groups=_groups(request),
        approval=request.approval,
        is_local=request.is_local and request.approval_digest is not None,
        approval_label=request.approval_label,
        approval_digest=request.approval_digest,
        loosened=request.rules.loosened,
        notes=(*map(brief, (*request.notes, *request.base_notes)), *outage.notes),
        manifests=manifests,
        runtime_rules=tuple(sorted(request.rules.runtime_rules.switched_on)),
        memory_rules=tuple(sorted(request.rules.memory_rules.switched_on)),
        base_problem=brief(request.base_problem) if request.base_problem is not None else None,
        verdict=Verdict.INCONCLUSIVE,
    )
    return _with_proposals(report.judged(), request.budgets_text)


def _with_proposals(result: JudgedReport, budgets: BudgetsText | None) -> JudgedReport:
    """Return the report with the edits of the budgets file that would let it pass."""
    if budgets is None or result.judgement.verdict.passes:
        return result
    update = {"proposals": proposals(result, budgets.text, budgets.file)}
    return replace(result, report=result.report.model_copy(update=update))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is wanted of every image beyond its trials."""

    files: SettingFiles | None
    """Where settings of runtimes are looked for. None if no rule for runtimes is on."""
    larger_bodies: bool
    """Whether larger bodies are sent."""
    profiles: bool
    """Whether it is profiled, also if no budget is broken."""


def _measured(
    subject: BuiltPair,
    tools: ToolsToCheck,
    progress: Progress,
    outage: Outage,
    wanted: _Wanted,
) -> ImageMeasurement:
    """Measure a pair, profile it if need be, ask its runtimes, send larger bodies, and look up earlier fits."""
    found, spec = measure_pair(subject, tools, progress, outage), subject.pair.head
    found = with_profile(subject, found, tools, progress, is_asked=wanted.profiles)
    found = with_runtimes(subject, found, tools, progress, asks=wanted.files is not None, files=wanted.files)
    found = with_larger_trials(subject, found, tools, progress, asks=wanted.larger_bodies)
    if spec is None or found.is_unchanged:
        return found

    def with_fit(side: Side, measured: SideMeasurement | None) -> SideMeasurement | None:
        image = subject.images.get(side)
        if measured is None or image is None:
            return measured
        return replace(measured, fitted=tools.fitted(subject.trial_spec(image, spec), spec))

    return replace(found, base=with_fit(Side.BASE, found.base), head=with_fit(Side.HEAD, found.head))


def _wanted(request: CheckRequest, manifests: ManifestTexts) -> _Wanted:
    is_on = MemoryRule.BUFFERED_BODIES in request.rules.memory_rules.switched_on
    files = _setting_files(request, manifests)
    return _Wanted(files, larger_bodies=is_on, profiles=request.profiles)


def _setting_files(request: CheckRequest, manifests: ManifestTexts) -> SettingFiles | None:
    """Return the files that set something for the head's containers. None if no rule for runtimes is on."""
    if not request.rules.runtime_rules.switched_on:
        return None
    text = request.budgets_text
    return SettingFiles(manifests, (text.file, text.text) if text is not None else None)


def _manifest_texts(
    request: CheckRequest, checkouts: Mapping[Side, Path], renderer: Renderer
) -> dict[Side, ManifestTexts]:
    commits = {Side.HEAD: request.head, Side.BASE: request.base}
    return {
        side: request.manifests.of(commit.sha, checkout, renderer)
        for side, checkout in checkouts.items()
        if isinstance(commit := commits[side], Commit)
    }


def _manifests(request: CheckRequest, texts: Mapping[Side, ManifestTexts]) -> CheckedManifests | None:
    rules, known = request.rules, request.known if request.known is not None else tuple(request.head_images)
    sides = texts[Side.HEAD], texts.get(Side.BASE)
    return checked_manifests(rules.manifests, rules.manifest_rules, known, sides)


def _side_of_rules(request: CheckRequest, pair: Pair) -> Side:
    """Return the side whose files a trial gets: base, if both sides are measured with its settings."""
    is_own = request.rules.images[pair.name].own is not None
    return Side.BASE if pair.base is not None and (is_own or not request.approval.counts) else Side.HEAD


def _subject(
    request: CheckRequest, pair: Pair, built: dict[Side, Built], inputs: TrialInputs, today: date
) -> BuiltPair:
    rules = request.rules
    ended = tuple(exception_note(one.metric, one.until) for one in expired(rules.exceptions, pair.name, today))
    return BuiltPair(
        pair,
        built,
        inputs,
        rules.images.get(pair.name),
        in_force(rules.exceptions, pair.name, today),
        ended,
        is_untouched=pair.name in request.untouched,
        base_waived=request.approval is Approval.GIVEN,
        needs_both=request.needs_both,
        then=_of_image(request.then, pair.name),
    )


def _of_image(found: Mapping[tuple[str, Metric], T], name: str) -> dict[Metric, T]:
    return {metric: one for (image, metric), one in found.items() if image == name}


def _with_recent(request: CheckRequest, images: Sequence[ImageMeasurement]) -> tuple[ImageMeasurement, ...]:
    return tuple(replace(image, recent=_of_image(request.recent, image.name)) for image in images)


def _coverage(request: CheckRequest, planned: Sequence[str]) -> Coverage:
    return Coverage(tuple(planned), request.known if request.known is not None else tuple(planned))


def _groups(request: CheckRequest) -> tuple[GroupMeasurement, ...]:
    return tuple(
        GroupMeasurement(name, group.images, dict(group.budgets))
        for name, group in request.rules.groups.items()
        if group.budgets
    )


@contextmanager
def _checkouts(request: CheckRequest, tools: ToolsToCheck) -> Iterator[dict[Side, Path]]:
    with ExitStack() as stack:
        checkouts = {Side.HEAD: stack.enter_context(tools.checkout(request.head))}
        if isinstance(request.base, Commit):
            checkouts[Side.BASE] = stack.enter_context(tools.checkout(request.base))
        yield checkouts


def _comparison(request: CheckRequest) -> Comparison:
    base = request.base
    return Comparison(
        head=_revision(request.head),
        base=_revision(base) if isinstance(base, Commit) else None,
        no_base_reason=base.reason if isinstance(base, NoBase) else None,
    )


def _revision(commit: Commit) -> RevisionReport:
    return RevisionReport(sha=commit.sha, subject=commit.subject[:4096])
