"""Profiles base and head of an image whose memory breaks a budget: which code holds it? No verdict depends on it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from membudget.budgets.entries import ImageSpec
from membudget.build.revision import BuiltImage, Side
from membudget.check.building import BuiltPair, OwnRun
from membudget.check.profile_plan import (
    Planned,
    ProfilePlan,
    Ran,
    is_by_tracemalloc,
    is_python_service,
    next_trial,
    planned,
    results,
)
from membudget.core.errors import EnvironmentFault, shortened
from membudget.core.metrics import Metric
from membudget.core.progress import Doing, Progress, ProgressStep
from membudget.judge.image import ImageJudgement, judge_image
from membudget.judge.leak import Trend
from membudget.judge.measurement import ImageMeasurement, SideMeasurement
from membudget.judge.metric import Verdict
from membudget.measure.live_heap.messages import LONGEST_REASON
from membudget.measure.profiling.heap_profile import PairProfile, ProfiledSide
from membudget.measure.profiling.interpreter import Interpreter, interpreter_of
from membudget.measure.profiling.order import ProfiledAt, ProfiledTrial, Profiling
from membudget.measure.profiling.profilers import profiler_of
from membudget.measure.runtimes.recognise import main_program
from membudget.measure.trial import Trial, TrialSpec

_OF_PEAK = (Metric.PEAK_RSS, Metric.OOM_KILLS)
_OF_KEPT = (Metric.SETTLED_RSS, Metric.LIVE_HEAP)
_BROKEN = (Verdict.FAIL, Verdict.WARN)
_NOT_MEASURED = "it has no trials, so it was not profiled"
_UNKNOWN_PYTHON = "the version of Python is not known"


class ProfiledTrials(Protocol):
    """Runs trials that are profiled and never judged."""

    def profile(self, spec: TrialSpec, order: Profiling) -> ProfiledTrial:
        """Run a trial with a profiler, and return its profile, or the reason why there is none.

        Raises EnvironmentFault if the engine fails.
        """


class Profiles(ProfiledTrials, Protocol):
    """Also provides what profilers need."""

    def memray(self, interpreter: Interpreter, image_id: str) -> Path | str:
        """Return the folder with memray for an image's interpreter, or the reason why there is none.

        The reason is a part of a sentence. Raises EnvironmentFault if the engine fails.
        """


def with_profile(
    subject: BuiltPair, found: ImageMeasurement, profiles: Profiles, progress: Progress, *, is_asked: bool
) -> ImageMeasurement:
    """Return the measurement with the profiles of both sides, if its memory breaks a budget, or if the user asked.

    The comparison is profiled. If only a maximum is broken that counts with the head's own settings, both sides are
    profiled with those. `found` still has what tells the runtimes of its trials.
    """
    spec = subject.pair.head
    if spec is None or not spec.profile or found.is_unchanged:
        return found
    judged, runs = judge_image(found), list(_runs(subject, found, spec))
    broken = ((run, at) for run in runs if (at := profiled_at(found, judged, is_own=run.is_own)) is not None)
    asked = ((run, ProfiledAt.PEAK) for run in runs if is_asked)
    run, at = next(broken, next(asked, (None, None)))
    if run is None or at is None:
        return found
    base, head = _Taking(run, at, profiles, progress).both(found.base, run.head)
    return replace(found, profile=PairProfile(base, head, is_own=run.is_own))


def profiled_at(image: ImageMeasurement, judged: ImageJudgement, *, is_own: bool) -> ProfiledAt | None:
    """Return when a profile shows why a budget is broken. None if no budget of a container's memory is.

    `is_own` asks for the budgets that are judged by the head's own settings, otherwise for those of the comparison.
    """
    broken = {row.metric for row in judged.rows if row.is_own is is_own and row.verdict in _BROKEN}
    if broken & {*_OF_PEAK}:
        return ProfiledAt.PEAK
    is_soaked = is_own is (image.own is not None and image.own.counts)
    leaks = is_soaked and judged.soak is not None and judged.soak.trend is Trend.GROWTH
    return ProfiledAt.SETTLED if leaks or broken & {*_OF_KEPT} else None


@dataclass(frozen=True, slots=True)
class _Run:
    """Trials that a budget is judged by."""

    subject: BuiltPair
    spec: ImageSpec
    images: Mapping[Side, BuiltImage]
    head: SideMeasurement
    """The head's trials. There is at least one."""
    is_own: bool = False
    """Whether the head's own settings are used."""


def _runs(subject: BuiltPair, found: ImageMeasurement, spec: ImageSpec) -> Iterator[_Run]:
    """Yield the comparison, then the run with the head's own settings if it counts, as far as they have trials."""
    if found.head is not None and found.head.trials:
        yield _Run(subject, spec, subject.images, found.head)
    own = found.own
    if own is not None and own.counts and own.side.trials and subject.own is not None:
        yield _Run(subject.alone(subject.own), subject.own.spec, _with_own(subject, subject.own), own.side, is_own=True)


def _with_own(subject: BuiltPair, own: OwnRun) -> dict[Side, BuiltImage]:
    """Return the images to run with the head's own settings. The services around the base are the head's then."""
    head, base = own.built, subject.images.get(Side.BASE)
    if not isinstance(head, BuiltImage):
        return {}
    return ({Side.BASE: replace(base, beside=head.beside)} if base is not None else {}) | {Side.HEAD: head}


def carried_out(
    plan: ProfilePlan, specs: Mapping[Side, TrialSpec], profiles: ProfiledTrials, progress: Progress, image: str
) -> dict[Side, ProfiledSide]:
    """Run the profiled trials of a plan, and return for each side its profile, or the reason for none."""
    ran: list[Ran] = []
    while (trial := next_trial(plan, ran)) is not None:
        is_last = trial.side is Side.HEAD or Side.HEAD not in specs
        step = ProgressStep(image, Doing.PROFILE, str(trial.side), left=int(not is_last), is_extra=trial.is_again)
        with progress.step(step):
            ran.append(Ran(trial.side, trial.order, _found(trial, specs[trial.side], profiles)))
    return results(ran)


def _found(trial: Planned, spec: TrialSpec, profiles: ProfiledTrials) -> ProfiledTrial:
    try:
        found = profiles.profile(spec, trial.order)
    except EnvironmentFault as error:  # a lost engine as well: the figures of the trials are there
        return ProfiledTrial(ProfiledSide(None, shortened(error.what, LONGEST_REASON)))
    if trial.not_memray is None or not is_by_tracemalloc(found.side):
        return found
    told = replace(found.side, not_first_choice=shortened(trial.not_memray, LONGEST_REASON))
    return replace(found, side=told)


@dataclass(frozen=True, slots=True)
class _Taking:
    """Takes the profiles of one image."""

    run: _Run
    at: ProfiledAt
    profiles: Profiles
    progress: Progress

    def both(
        self, base: SideMeasurement | None, head: SideMeasurement
    ) -> tuple[ProfiledSide | None, ProfiledSide | None]:
        """Return the profiles of base and head, or the reasons why there are none. None if there is no such side.

        `base` has the judged trials of the comparison, `head` those of the run that is profiled.
        """
        taken: dict[Side, ProfiledSide] = {}
        judged: dict[Side, SideMeasurement] = {}
        specs: dict[Side, TrialSpec] = {}
        for side, measured in ((Side.BASE, base), (Side.HEAD, head)):
            image = self.run.images.get(side)
            if measured is not None and image is not None and measured.trials:
                judged[side] = measured
                specs[side] = self.run.subject.trial_spec(image, self.run.spec)
            elif measured is not None:
                taken[side] = ProfiledSide(None, _NOT_MEASURED)
        plan = self._plan(specs, judged)
        taken |= carried_out(plan, specs, self.profiles, self.progress, self.run.subject.pair.name)
        return taken.get(Side.BASE), taken.get(Side.HEAD)

    def _plan(self, specs: Mapping[Side, TrialSpec], judged: Mapping[Side, SideMeasurement]) -> ProfilePlan:
        usual = {side: self._usual(judged[side]) for side in specs}
        pythons = [side for side, order in usual.items() if is_python_service(order, judged[side].trials)]
        return planned(usual, pythons, lambda side: self._memray(specs[side], judged[side].trials))

    def _usual(self, measured: SideMeasurement) -> Profiling:
        kind, executable = main_program(measured.trials)
        profiler = profiler_of(kind)
        return Profiling(profiler, executable, measured.metrics[Metric.PEAK_RSS].value, self.at)

    def _memray(self, spec: TrialSpec, judged: Sequence[Trial]) -> Path | str:
        interpreter = interpreter_of(judged)
        if interpreter is None:
            return _UNKNOWN_PYTHON
        try:
            return self.profiles.memray(interpreter, spec.image_id)
        except EnvironmentFault as error:
            return error.what
