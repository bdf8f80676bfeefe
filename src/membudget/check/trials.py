"""Measures base and head of one image, trial by trial, until the result is conclusive or no trials are left."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from membudget.budgets.entries import ImageSpec
from membudget.budgets.rules import image_rules
from membudget.build.revision import BuiltImage, Side
from membudget.check.building import Built, BuiltPair, OwnRun
from membudget.contents.summary import ImageSummary, PairContents, Unavailable, image_metrics
from membudget.core.errors import EngineLost, EnvironmentFault
from membudget.core.metrics import Metric
from membudget.core.progress import Doing, Progress, ProgressStep
from membudget.judge.confirmation import Contradiction, contradiction, other_verdict
from membudget.judge.image import ImageJudgement, judge_image
from membudget.judge.measurement import (
    Failure,
    FailureStage,
    ImageMeasurement,
    OwnMeasurement,
    SideMeasurement,
    ended_otherwise,
    settings_change,
)
from membudget.judge.values import aggregate, all_absent
from membudget.measure.schedule import Turn, interleaved, with_killed_warm_up
from membudget.measure.trial import Outcome, Trial, TrialSpec
from membudget.report.notes import (
    ENGINE_STOPPED,
    SAME_IMAGE,
    SAME_SOURCES,
    contradiction_note,
    ended_otherwise_note,
    outage_note,
    own_settings_note,
    setting_notes,
    settings_note,
    warm_up_killed_note,
    warm_up_limit_note,
)
from membudget.report.report import Environment
from membudget.report.timeline import downsample

Results = dict[Side, list[Trial | Failure]]


class TrialTools(Protocol):
    """The tools that measuring an image needs."""

    @property
    def environment(self) -> Environment:
        """The environment in which trials run."""

    def contents(self, images: Mapping[Side, BuiltImage], *, wants_download_size: bool) -> PairContents:
        """Return what the images contain and how they differ. Raises EnvironmentFault."""

    def run_trial(self, spec: TrialSpec) -> Trial:
        """Run one trial. Raises EnvironmentFault."""

    @property
    def remembers(self) -> bool:
        """Whether results of earlier runs may be reused."""

    @property
    def confirms(self) -> bool:
        """Whether reused results count only if fresh trials confirm them, because a stranger may have written them."""

    def remembered(self, spec: TrialSpec) -> tuple[Trial, ...]:
        """Return earlier trials of exactly this spec on such a machine, or none."""

    def remember(self, spec: TrialSpec, trials: Sequence[Trial]) -> None:
        """Store trials for later runs."""


class Outage:
    """The loss of the engine during a check. The report explains it once, and each image only mentions it."""

    def __init__(self) -> None:
        self._faults: list[EngineLost] = []

    def failure(self, fault: EngineLost) -> Failure:
        """Return the failure of a side that lost the engine. Called from any thread."""
        self._faults.append(fault)
        return Failure(FailureStage.ENVIRONMENT, ENGINE_STOPPED, engine_lost=True)

    @property
    def notes(self) -> tuple[str, ...]:
        """A note about the first fault, or nothing if the engine was not lost."""
        return tuple(map(outage_note, self._faults[:1]))


def measure_pair(subject: BuiltPair, tools: TrialTools, progress: Progress, outage: Outage) -> ImageMeasurement:
    """Measure a pair. Earlier results are reused, unless they would count against the head."""
    begun = time.monotonic()
    with progress.image(subject.pair.name):
        contents = PairContents() if subject.is_untouched else _contents(subject, tools, progress, outage)
        measured = _measure(subject, contents, tools, progress, outage)
        if subject.own is not None:
            alone = _measure(subject.alone(subject.own), PairContents(None, contents.head), tools, progress, outage)
            own = _own(subject.own, alone)
            failed = [own_settings_note(own.side.failure)] if own.side.failure and not own.counts else []
            measured = replace(measured, own=own, notes=(*measured.notes, *failed))
    return replace(measured, duration_ms=round((time.monotonic() - begun) * 1000))


def _own(own: OwnRun, measured: ImageMeasurement) -> OwnMeasurement:
    side = measured.head or _side(own.built, None, (), None)
    return OwnMeasurement(side, own.counts, own.spec.workload.label)


def _measure(
    subject: BuiltPair, contents: PairContents, tools: TrialTools, progress: Progress, outage: Outage
) -> ImageMeasurement:
    spec = subject.pair.head
    if subject.is_untouched:
        return _untouched(subject, tools)
    if spec is None or not subject.is_run:
        return _measurement(subject, {}, contents, tools)
    # One fresh trial cannot confirm a sum over a group, a maximum for every trial, or an image that is not run.
    is_beyond_it = subject.is_summed or subject.is_unchanged or (subject.rules or image_rules(spec)).judges_every_trial
    is_usable = not (tools.confirms and is_beyond_it)
    remembered: Results = {
        side: list(trials)
        for side, image in subject.images.items()
        if is_usable and len(trials := tools.remembered(subject.trial_spec(image, spec))) >= spec.trials.min
    }
    if subject.is_unchanged and tools.remembers:
        return replace(_measurement(subject, remembered, contents, tools, SAME_IMAGE), is_unchanged=True)
    rounds, begun = _Rounds(subject, spec, contents, tools, progress, outage), time.monotonic()
    fresh = rounds.confirm(remembered) if tools.confirms else {}
    doubt: Contradiction | None = contradiction(remembered, fresh, subject.rules or image_rules(spec))
    known = {side: [*trials, *fresh.get(side, ())] for side, trials in remembered.items()} if doubt is None else {}
    results = rounds.run(known)
    if known and fresh:
        doubt = other_verdict(rounds.judged({**results, **fresh}).verdict, rounds.judged(results).verdict)
    if known and (doubt is not None or not rounds.is_clear(results)):
        results = rounds.run({})  # measure both sides alternately on one machine before raising an alarm
    for side, image in subject.images.items():
        measured = [result for result in results[side] if isinstance(result, Trial)]
        if len(measured) == len(results[side]) and results[side] != known.get(side):
            tools.remember(subject.trial_spec(image, spec), measured)
    found, took_ms = _measurement(subject, results, contents, tools), subject.took_ms(known, time.monotonic() - begun)
    notes = (*found.notes, *rounds.of_warm_ups(results), *([contradiction_note(doubt)] if doubt is not None else []))
    return replace(found, notes=notes, took_ms=took_ms)


def _untouched(subject: BuiltPair, tools: TrialTools) -> ImageMeasurement:
    side = SideMeasurement(None, {**image_metrics(Unavailable(SAME_SOURCES)), **all_absent(SAME_SOURCES)})
    return replace(_measurement(subject, {}, PairContents(), tools), base=side, head=side, is_unchanged=True)


@dataclass(frozen=True, slots=True)
class _Rounds:
    """The trials of one pair, in rounds of both sides."""

    subject: BuiltPair
    spec: ImageSpec
    contents: PairContents
    tools: TrialTools
    progress: Progress
    outage: Outage
    warm_ups: dict[Side, Trial] = field(default_factory=dict)
    """The last warm-up of each side."""

    def run(self, remembered: Results) -> Results:
        """Run all trials that are needed in addition to the remembered ones."""
        count = self.spec.trials
        results: Results = {side: list(remembered.get(side, ())) for side in self.subject.images}
        sides = [side for side in results if side not in remembered]
        begun = 0
        for taken, turn in enumerate(interleaved(sides, count.max), start=1):
            if self.subject.gives_up(results) or (turn.number > begun >= count.min and self._is_settled(results)):
                break
            begun = turn.number
            is_extra = turn.number > count.min
            most = count.max if is_extra else count.min
            left = len(sides) * (1 + most) - taken + self._left_of_own_run
            doing = Doing.WARM_UP if turn.is_warm_up else Doing.TRIAL
            step = self._step(turn, doing, left)
            self._take(turn, replace(step, number=turn.number, most=most, is_extra=is_extra), results[turn.side])
        return self._counted(results)

    def confirm(self, remembered: Results) -> Results:
        """Run one fresh trial, after a warm-up, of each remembered side."""
        fresh: Results = {side: [] for side in remembered}
        turns = list(interleaved(list(fresh), 1))
        for taken, turn in enumerate(turns, start=1):
            doing = Doing.WARM_UP if turn.is_warm_up else Doing.CONFIRM
            self._take(turn, self._step(turn, doing, len(turns) - taken), fresh[turn.side])
        return self._counted(fresh)

    def of_warm_ups(self, results: Results) -> Iterator[str]:
        """Yield notes about warm-ups that reached the limit, where page cache of a first run may be reclaimed."""
        for side, warm_up in self.warm_ups.items():
            if warm_up.outcome is Outcome.OOM_KILLED and warm_up in results[side]:
                yield warm_up_killed_note(side)
            elif warm_up.at_limit is not None:
                yield warm_up_limit_note(side, warm_up.at_limit)

    def is_clear(self, results: Results) -> bool:
        """Return whether the image passes and more trials would not change that."""
        judged = self.judged(results)
        return judged.is_settled and judged.verdict.passes

    def judged(self, results: Results) -> ImageJudgement:
        """Return the judgement of these trials."""
        return judge_image(_measurement(self.subject, results, self.contents, self.tools))

    def _is_settled(self, results: Results) -> bool:
        return self.judged(self._counted(results)).is_settled

    def _counted(self, results: Results) -> Results:
        return {side: with_killed_warm_up(self.warm_ups.get(side), trials) for side, trials in results.items()}

    @property
    def _left_of_own_run(self) -> int:
        """How many trials follow with the head's own settings."""
        own = self.subject.own
        return own.spec.trials.min + 1 if own is not None else 0

    def _step(self, turn: Turn[Side], doing: Doing, left: int) -> ProgressStep:
        side = "own settings" if self.subject.is_own_run else str(turn.side)
        return ProgressStep(self.subject.pair.name, doing, side, left=left)

    def _take(self, turn: Turn[Side], step: ProgressStep, results: list[Trial | Failure]) -> None:
        """Run a trial and add its result."""
        if any(isinstance(earlier, Failure) for earlier in results):
            return  # a side whose workload failed is not run again, because it would fail again
        with self.progress.step(step):
            outcome = self._run_trial(self.subject.images[turn.side])
        if turn.is_warm_up and isinstance(outcome, Trial):
            self.warm_ups[turn.side] = outcome
        else:
            results.append(outcome)

    def _run_trial(self, image: BuiltImage) -> Trial | Failure:
        try:
            trial = self.tools.run_trial(self.subject.trial_spec(image, self.spec))
        except EngineLost as error:
            return self.outage.failure(error)
        except EnvironmentFault as error:
            return Failure(FailureStage.ENVIRONMENT, str(error))
        if not trial.judgeable:
            return Failure(FailureStage.WORKLOAD, trial.reason or trial.outcome, trial.log_tail)
        return replace(trial, series=downsample(trial.series))


def _measurement(
    subject: BuiltPair,
    results: Results,
    contents: PairContents,
    tools: TrialTools,
    why_none: str | None = None,
) -> ImageMeasurement:
    pair = subject.pair
    spec = pair.head or pair.base
    assert spec is not None  # noqa: S101 - a pair has a side
    rules = subject.rules or image_rules(spec)
    changed = settings_change([trial for trials in results.values() for trial in trials if isinstance(trial, Trial)])
    if changed is not None:
        failure = Failure(FailureStage.ENVIRONMENT, settings_note(changed))
        results = {side: [*trials, failure] for side, trials in results.items()}
    results = _comparable(results)
    found = {Side.BASE: contents.base, Side.HEAD: contents.head}
    why = why_none or subject.why_not_run
    sides = {side: _side(built, found[side], results.get(side, ()), why) for side, built in subject.built.items()}
    return ImageMeasurement(
        name=pair.name,
        presence=pair.presence,
        limit_bytes=spec.limit_bytes,
        workload=spec.workload.label,
        settings_of_base=rules.settings_of_base,
        budgets=rules.budgets,
        phase_budgets=dict(rules.phase_budgets),
        exceptions=dict(subject.exceptions),
        then=dict(subject.then),
        unjudged_phases=tuple(sorted(spec.unjudged_phases)),
        base=sides.get(Side.BASE),
        head=sides.get(Side.HEAD),
        leak_fails=spec.leak == "fail",
        dockerfile=_dockerfile(subject),
        contents_diff=contents.diff,
        base_waived=subject.base_waived,
        planned_trials=spec.trials.min,
        fit=spec.fit.last,
        scale=spec.production.scale,
        deployment=spec.cost.deployment if spec.cost is not None else None,
        notes=(*setting_notes(spec, tools.environment.cpus, rules), *subject.notes),
    )


def _comparable(results: Results) -> Results:
    """Return the results, with a failure of the head if it is a service and the base a one-shot, or the other way."""
    trials = {side: [one for one in results.get(side, ()) if isinstance(one, Trial)] for side in Side}
    ends = ended_otherwise(trials[Side.BASE], trials[Side.HEAD])
    if ends is None:
        return results
    return {**results, Side.HEAD: [*results[Side.HEAD], Failure(FailureStage.WORKLOAD, ended_otherwise_note(*ends))]}


def _dockerfile(subject: BuiltPair) -> str | None:
    """Return the path of the head's Dockerfile in the repository."""
    head = subject.images.get(Side.HEAD)
    return head.recipe.path if head is not None and head.recipe is not None else None


def _contents(subject: BuiltPair, tools: TrialTools, progress: Progress, outage: Outage) -> PairContents:
    """Return the contents of both sides, from one export."""
    images = subject.images
    wants_download_size = subject.rules is not None and subject.rules.budgets[Metric.IMAGE_DOWNLOAD_SIZE].is_set
    try:
        with progress.step(ProgressStep(subject.pair.name, Doing.READ)):
            return tools.contents(images, wants_download_size=wants_download_size)
    except EngineLost as error:
        absent = Unavailable(str(outage.failure(error)), engine_lost=True)
    except EnvironmentFault as error:
        absent = Unavailable(str(error))
    return PairContents(absent if Side.BASE in images else None, absent if Side.HEAD in images else None)


def _side(
    built: Built,
    found: ImageSummary | Unavailable | None,
    results: Sequence[Trial | Failure],
    why_none: str | None,
) -> SideMeasurement:
    trials = tuple(result for result in results if isinstance(result, Trial))
    failure = next((result for result in [built, *results] if isinstance(result, Failure)), None)
    reason = str(failure) if failure else why_none if not trials else None
    return SideMeasurement(
        image_id=built.identity if isinstance(built, BuiltImage) else None,
        metrics={
            **image_metrics(found or Unavailable(reason or "unknown")),
            **(all_absent(reason) if reason else aggregate(trials)),
        },
        trials=trials,
        failure=failure,
        contents=found if isinstance(found, ImageSummary) else None,
        failure_hid_image=failure is not None and _hid_image(failure, found),
    )


def _hid_image(failure: Failure, found: ImageSummary | Unavailable | None) -> bool:
    """Return whether a failure of the environment is also why the image could not be read."""
    if failure.stage is not FailureStage.ENVIRONMENT:
        return False
    return found is None or (isinstance(found, Unavailable) and found.engine_lost and failure.engine_lost)
