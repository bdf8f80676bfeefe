"""Profiles base and head of an image whose memory breaks a budget: which code holds it? No verdict depends on it."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from membudget.budgets.entries import ImageSpec
from membudget.build.revision import Side
from membudget.check.building import Subject
from membudget.core.errors import EnvironmentFault, shortened
from membudget.core.metrics import Metric
from membudget.core.progress import Doing, Progress, Step
from membudget.judge.image import ImageJudgement, judge_image
from membudget.judge.leak import Trend
from membudget.judge.measurement import ImageMeasurement, SideMeasurement
from membudget.judge.metric import Verdict
from membudget.measure.live_heap.messages import LONGEST_REASON
from membudget.measure.profiling.heap_profile import PairProfile, ProfiledSide
from membudget.measure.profiling.order import Profiling
from membudget.measure.profiling.profilers import profiler_of
from membudget.measure.runtimes.recognise import main_program
from membudget.measure.trial import TrialSpec

_OF_PEAK = (Metric.PEAK_RSS, Metric.OOM_KILLS)
_OF_KEPT = (Metric.SETTLED_RSS, Metric.LIVE_HEAP)
_BROKEN = (Verdict.FAIL, Verdict.WARN)
_NOT_MEASURED = "it has no trials, so it was not profiled"
_NO_PROFILER = "membudget has no profiler for what it runs on"


class Moment(StrEnum):
    """When a profile is taken."""

    PEAK = "peak"
    """Near the largest memory of the judged trials."""
    SETTLED = "settled"
    """After the settle time: what is kept."""


class Profiles(Protocol):
    """Runs trials that are profiled and never judged."""

    def profile(self, spec: TrialSpec, order: Profiling) -> ProfiledSide:
        """Run a trial with a profiler, and return its profile, or the reason why there is none.

        Raises EnvironmentFault if the engine fails.
        """


def with_profile(
    subject: Subject, found: ImageMeasurement, profiles: Profiles, progress: Progress, *, is_asked: bool
) -> ImageMeasurement:
    """Return the measurement with the profiles of both sides, if its memory breaks a budget, or if the user asked.

    `found` still has what tells the runtimes of its trials.
    """
    spec = subject.pair.head
    if spec is None or not spec.profile or found.is_unchanged or found.head is None or not found.head.trials:
        return found
    moment = moment_of(judge_image(found)) or (Moment.PEAK if is_asked else None)
    if moment is None:
        return found
    taking = _Taking(subject, spec, moment, profiles, progress)
    return replace(found, profile=PairProfile(taking.of(Side.BASE, found.base), taking.of(Side.HEAD, found.head)))


def moment_of(judgement: ImageJudgement) -> Moment | None:
    """Return when a profile shows why a budget is broken. None if no budget of a container's memory is."""
    broken = {row.metric for row in judgement.rows if row.verdict in _BROKEN}
    if broken & {*_OF_PEAK}:
        return Moment.PEAK
    leaks = judgement.soak is not None and judgement.soak.trend is Trend.GROWTH
    return Moment.SETTLED if leaks or broken & {*_OF_KEPT} else None


@dataclass(frozen=True, slots=True)
class _Taking:
    """Takes the profiles of one image."""

    subject: Subject
    spec: ImageSpec
    moment: Moment
    profiles: Profiles
    progress: Progress

    def of(self, side: Side, measured: SideMeasurement | None) -> ProfiledSide | None:
        """Return the profile of a side, or the reason why there is none. None if there is no such side."""
        if measured is None:
            return None
        image = self.subject.images.get(side)
        if image is None or not measured.trials:
            return ProfiledSide(None, _NOT_MEASURED)
        trial = self.subject.trial_spec(image, self.spec)
        kind, executable = main_program(measured.trials)
        profiler = profiler_of(kind, has_pod=trial.inputs.pod is not None)
        if profiler is None:
            return ProfiledSide(None, _NO_PROFILER)
        peak = measured.metrics[Metric.PEAK_RSS].value
        order = Profiling(profiler, executable, peak, is_of_settled=self.moment is Moment.SETTLED)
        step = Step(self.subject.pair.name, Doing.PROFILE, str(side), left=int(side is Side.BASE))
        try:
            with self.progress.step(step):
                return self.profiles.profile(trial, order)
        except EnvironmentFault as error:  # a lost engine as well: the figures of the trials are there
            return ProfiledSide(None, shortened(error.what, LONGEST_REASON))
