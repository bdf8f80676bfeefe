"""Profiles base and head of an image whose memory breaks a budget: which code holds it? No verdict depends on it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
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
from membudget.measure.profiling.cpython import TRACEMALLOC
from membudget.measure.profiling.heap_profile import PairProfile, ProfiledBy, ProfiledSide
from membudget.measure.profiling.interpreter import Interpreter, interpreter_of
from membudget.measure.profiling.order import ProfiledAt, ProfiledTrial, Profiling
from membudget.measure.profiling.profilers import profiler_of, unprepared
from membudget.measure.runtimes.recognise import main_program
from membudget.measure.trial import PhaseName, Trial, TrialSpec

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
    spec: TrialSpec, order: Profiling, profiles: ProfiledTrials, progress: Progress, step: Step
) -> ProfiledSide:
    """Run a profiled trial. If it does not start, run another one without what the profiler prepares.

    That happens to a JVM that was built without jdk.jfr. What is the second try of a side already has no other one.
    Raises EnvironmentFault.
    """
    with progress.step(step):
        first = profiles.profile(spec, order)
    other = unprepared(order.profiler) if order.memray is None and not step.is_extra else None
    if first.side.profile is not None or not first.failed_to_start or other is None:
        return first.side
    with progress.step(replace(step, is_extra=True)):
        second = profiles.profile(spec, replace(order, profiler=other))
    return second.side if second.side.profile is not None else first.side


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A side to profile, with its judged trials."""

    trial: TrialSpec
    order: Profiling
    judged: Sequence[Trial]

    @property
    def by_memray(self) -> bool:
        """Whether memray is to count."""
        return self.order.memray is not None

    @property
    def is_python_service(self) -> bool:
        """Whether memray may count. It can be read once the workload is over, when a job has ended."""
        phases = {phase.name for trial in self.judged for phase in trial.phases}
        return self.order.profiler == TRACEMALLOC and PhaseName.START_UP in phases

    def with_memray(self, folder: Path) -> "_Wanted":
        """Return the same with memray. It knows the peak afterwards, so it is not asked before the end."""
        return replace(self, order=replace(self.order, memray=folder, trigger_bytes=None))


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
        wanted: dict[Side, _Wanted] = {}
        for side, measured in ((Side.BASE, base), (Side.HEAD, head)):
            image = self.run.images.get(side)
            if measured is not None and image is not None and measured.trials:
                wanted[side] = self._wanted(image, measured)
            elif measured is not None:
                taken[side] = ProfiledSide(None, _NOT_MEASURED)
        taken |= self._by_the_same(wanted)
        return taken.get(Side.BASE), taken.get(Side.HEAD)

    def _wanted(self, image: BuiltImage, measured: SideMeasurement) -> _Wanted:
        trial = self.run.subject.trial_spec(image, self.run.spec)
        kind, executable = main_program(measured.trials)
        profiler = profiler_of(kind, has_pod=trial.inputs.pod is not None)
        order = Profiling(profiler, executable, measured.metrics[Metric.PEAK_RSS].value, self.at)
        return _Wanted(trial, order, measured.trials)

    def _by_the_same(self, wanted: Mapping[Side, _Wanted]) -> dict[Side, ProfiledSide]:
        """Return the profiles of these sides. Only profiles of one profiler are compared.

        So if memray cannot count on one side, tracemalloc does on both.
        """
        folders, why = self._memray(wanted)
        if why is not None:
            return {side: self._taken(side, one, why) for side, one in wanted.items()}
        first = {side: one.with_memray(folders[side]) if side in folders else one for side, one in wanted.items()}
        taken: dict[Side, ProfiledSide] = {}
        for side, one in first.items():
            taken[side] = self._taken(side, one)
            if one.by_memray and taken[side].profile is None:
                return taken | self._without_memray(wanted, taken, side, folders)
        return taken

    def _without_memray(
        self,
        wanted: Mapping[Side, _Wanted],
        taken: Mapping[Side, ProfiledSide],
        failed: Side,
        folders: Mapping[Side, Path],
    ) -> dict[Side, ProfiledSide]:
        """Return the profiles by tracemalloc, once memray gave none of side `failed`."""
        why = taken[failed].reason or "memray gave no profile"
        found = {failed: self._taken(failed, wanted[failed], why, is_extra=True)}
        for side, one in wanted.items():
            is_again = side in taken
            if side is failed or (is_again and (side not in folders or not _is_by_tracemalloc(found[failed]))):
                continue
            side_found = self._taken(side, one, why, is_extra=is_again)
            if side_found.profile is not None or not is_again:
                found[side] = side_found
        return found

    def _memray(self, wanted: Mapping[Side, _Wanted]) -> tuple[dict[Side, Path], str | None]:
        """Return the folders with memray for these sides, and the reason why tracemalloc counts instead."""
        folders: dict[Side, Path] = {}
        for side, one in wanted.items():
            if not one.is_python_service:
                continue
            interpreter = interpreter_of(one.judged)
            folder = self._memray_for(interpreter, one) if interpreter is not None else _UNKNOWN_PYTHON
            if isinstance(folder, str):
                return {}, folder
            folders[side] = folder
        return folders, None

    def _memray_for(self, interpreter: Interpreter, one: _Wanted) -> Path | str:
        try:
            return self.profiles.memray(interpreter, one.trial.image_id)
        except EnvironmentFault as error:
            return error.what

    def _taken(self, side: Side, one: _Wanted, why: str | None = None, *, is_extra: bool = False) -> ProfiledSide:
        """Return the profile of a side. `why` is the reason why not by memray."""
        is_last = side is Side.HEAD or Side.HEAD not in self.run.images
        step = Step(self.run.subject.pair.name, Doing.PROFILE, str(side), left=int(not is_last), is_extra=is_extra)
        try:
            found = profile_trials(one.trial, one.order, self.profiles, self.progress, step)
        except EnvironmentFault as error:  # a lost engine as well: the figures of the trials are there
            found = ProfiledSide(None, shortened(error.what, LONGEST_REASON))
        if why is None or not _is_by_tracemalloc(found):
            return found
        return replace(found, not_first_choice=shortened(why, LONGEST_REASON))


def _is_by_tracemalloc(side: ProfiledSide) -> bool:
    return side.profile is not None and side.profile.profiled_by is ProfiledBy.TRACEMALLOC
