"""Profiles base and head of an image whose memory breaks a budget: which code holds it? No verdict depends on it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from membudget.budgets.entries import ImageSpec
from membudget.build.revision import BuiltImage, Side
from membudget.check.building import OwnRun, Subject
from membudget.core.errors import EnvironmentFault, shortened
from membudget.core.metrics import Metric
from membudget.core.progress import Doing, Progress, Step
from membudget.judge.image import ImageJudgement, judge_image
from membudget.judge.leak import Trend
from membudget.judge.measurement import ImageMeasurement, SideMeasurement
from membudget.judge.metric import Verdict
from membudget.measure.live_heap.messages import LONGEST_REASON
from membudget.measure.profiling.heap_profile import PairProfile, ProfiledSide
from membudget.measure.profiling.order import ProfiledAt, ProfiledTrial, Profiling
from membudget.measure.profiling.profilers import profiler_of, unprepared
from membudget.measure.runtimes.recognise import main_program
from membudget.measure.trial import TrialSpec

_OF_PEAK = (Metric.PEAK_RSS, Metric.OOM_KILLS)
_OF_KEPT = (Metric.SETTLED_RSS, Metric.LIVE_HEAP)
_BROKEN = (Verdict.FAIL, Verdict.WARN)
_NOT_MEASURED = "it has no trials, so it was not profiled"


class Profiles(Protocol):
    """Runs trials that are profiled and never judged."""

    def profile(self, spec: TrialSpec, order: Profiling) -> ProfiledTrial:
        """Run a trial with a profiler, and return its profile, or the reason why there is none.

        Raises EnvironmentFault if the engine fails.
        """


def with_profile(
    subject: Subject, found: ImageMeasurement, profiles: Profiles, progress: Progress, *, is_asked: bool
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
    taking = _Taking(run, at, profiles, progress)
    base, head = taking.of(Side.BASE, found.base), taking.of(Side.HEAD, run.head)
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

    subject: Subject
    spec: ImageSpec
    images: Mapping[Side, BuiltImage]
    head: SideMeasurement
    """The head's trials. There is at least one."""
    is_own: bool = False
    """Whether the head's own settings are used."""


def _runs(subject: Subject, found: ImageMeasurement, spec: ImageSpec) -> Iterator[_Run]:
    """Yield the comparison, then the run with the head's own settings if it counts, as far as they have trials."""
    if found.head is not None and found.head.trials:
        yield _Run(subject, spec, subject.images, found.head)
    own = found.own
    if own is not None and own.counts and own.side.trials and subject.own is not None:
        yield _Run(subject.alone(subject.own), subject.own.spec, _with_own(subject, subject.own), own.side, is_own=True)


def _with_own(subject: Subject, own: OwnRun) -> dict[Side, BuiltImage]:
    """Return the images to run with the head's own settings. The services around the base are the head's then."""
    head, base = own.built, subject.images.get(Side.BASE)
    if not isinstance(head, BuiltImage):
        return {}
    return ({Side.BASE: replace(base, beside=head.beside)} if base is not None else {}) | {Side.HEAD: head}


def profile_trials(
    spec: TrialSpec, order: Profiling, profiles: Profiles, progress: Progress, step: Step
) -> ProfiledSide:
    """Run a profiled trial. If it does not start, run another one without what the profiler prepares.

    That happens to a JVM that was built without jdk.jfr. Raises EnvironmentFault.
    """
    with progress.step(step):
        first = profiles.profile(spec, order)
    other = unprepared(order.profiler)
    if first.side.profile is not None or not first.failed_to_start or other is None:
        return first.side
    with progress.step(replace(step, is_extra=True)):
        second = profiles.profile(spec, replace(order, profiler=other))
    return second.side if second.side.profile is not None else first.side


@dataclass(frozen=True, slots=True)
class _Taking:
    """Takes the profiles of one image."""

    run: _Run
    at: ProfiledAt
    profiles: Profiles
    progress: Progress

    def of(self, side: Side, measured: SideMeasurement | None) -> ProfiledSide | None:
        """Return the profile of a side, or the reason why there is none. None if there is no such side.

        `measured` has the side's judged trials. Those of the base are always of the comparison.
        """
        if measured is None:
            return None
        subject, image = self.run.subject, self.run.images.get(side)
        if image is None or not measured.trials:
            return ProfiledSide(None, _NOT_MEASURED)
        trial = subject.trial_spec(image, self.run.spec)
        kind, executable = main_program(measured.trials)
        profiler = profiler_of(kind, has_pod=trial.inputs.pod is not None)
        order = Profiling(profiler, executable, measured.metrics[Metric.PEAK_RSS].value, self.at)
        step = Step(subject.pair.name, Doing.PROFILE, str(side), left=int(side is Side.BASE))
        try:
            return profile_trials(trial, order, self.profiles, self.progress, step)
        except EnvironmentFault as error:  # a lost engine as well: the figures of the trials are there
            return ProfiledSide(None, shortened(error.what, LONGEST_REASON))
