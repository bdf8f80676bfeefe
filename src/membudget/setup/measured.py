"""Builds each image and runs it, by check's own building and trials, until one of its ways to be exercised works.

An image runs once under the limit that is deployed. Where none is, it runs without a limit, and once more under the
limit that follows from its peak, so that the check that comes next can pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from membudget.budgets.suggested import limit_for
from membudget.build.revision import BuiltImage, Commit, Side
from membudget.check.building import Built, BuiltPair, Pair, PairOrder, build_all
from membudget.check.check import ToolsToCheck
from membudget.contents.summary import image_metrics
from membudget.core.errors import ConfigurationError, EngineLost, EnvironmentFault, shortened, what_and_fix
from membudget.core.metrics import Metric
from membudget.core.progress import Doing, Progress, ProgressStep, Stage
from membudget.core.quantities import format_size
from membudget.core.work import side_by_side
from membudget.judge.measurement import Failure, FailureStage, Presence
from membudget.measure.trial import Outcome, Trial
from membudget.setup.plan import TODO_COMMAND, ImagePlan, Way, command, seen_listening

_MOST_DOUBLINGS = 3
_GUESS_MS = 20_000
"""How long a trial may take that nothing speaks for. Most containers do not end by themselves."""


@dataclass(frozen=True, slots=True)
class UnlimitedUse:
    """What a container used without a limit: the larger of peak RSS and peak working set."""

    metric: Metric
    value_bytes: int


@dataclass(frozen=True, slots=True)
class Measured:
    """An image that ran."""

    plan: ImagePlan
    way: Way
    peak_rss_bytes: int | None
    """The largest peak of its runs. None if a run was too short to be sampled."""
    image_size_bytes: int | None
    limit_bytes: int
    is_deployed: bool
    """Whether the limit is the deployed one."""
    notes: tuple[str, ...] = ()
    """What did not work before."""
    used: UnlimitedUse | None = None
    """What the limit follows from. None if it is the deployed one, or if a run was too short to be sampled."""


@dataclass(frozen=True, slots=True)
class FailedImage:
    """An image that does not build, or does not run."""

    plan: ImagePlan
    reason: str
    log_tail: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What was tried before, and why it did not work."""
    way: Way | None = None
    """What to write down instead of the plan's likely way."""


MeasuringResult = Measured | FailedImage


def measure(plans: Sequence[ImagePlan], head: Commit, tools: ToolsToCheck, progress: Progress) -> list[MeasuringResult]:
    """Build and run every image. A failure of one image does not affect the others. Raises EngineLost."""
    with tools.checkout(head) as checkout:
        orders = [PairOrder(_pair(plan, plan.ways[0])) for plan in plans]
        names = [plan.name for plan in plans]
        with progress.stage(Stage.BUILDING, names):
            built = build_all(orders, {Side.HEAD: checkout}, tools, progress)
        with progress.stage(Stage.TRYING, names, tools.live):

            def run(plan: ImagePlan) -> MeasuringResult:
                return _measure_one(plan, built[plan.name][Side.HEAD], checkout, tools, progress)

            return side_by_side(run, plans, tools.jobs, tools.cancel)


def _pair(plan: ImagePlan, way: Way) -> Pair:
    return Pair(plan.name, Presence.HEAD_ONLY, plan.spec(way), None)


def _measure_one(
    plan: ImagePlan, built: Built, checkout: Path, tools: ToolsToCheck, progress: Progress
) -> MeasuringResult:
    with progress.image(plan.name):
        if isinstance(built, Failure):
            return FailedImage(plan, f"it does not build: {built.reason}", built.log_tail)
        return _Attempts(plan, built, checkout, tools, progress).run()


@dataclass(frozen=True, slots=True)
class _Note:
    """What did not work."""

    text: str
    cause: str | None
    """Why. The last cause is the result's own, so that notes with it are left out."""


@dataclass(slots=True)
class _Attempts:
    """Tries one way after another."""

    plan: ImagePlan
    image: BuiltImage
    checkout: Path
    tools: ToolsToCheck
    progress: Progress
    notes: list[_Note] = field(default_factory=list)
    """What did not work, but for guesses."""
    last: str = ""
    """Why the last way did not work."""
    cause: str = ""
    """The same, with what to do and the last output."""
    log_tail: tuple[str, ...] = ()
    exit_code: int | None = None
    """The exit code of the last container, if it ended by itself."""
    runs: int = 0

    def run(self) -> MeasuringResult:
        """Return the result of the first way that works, or why none does."""
        waiting = list(self.plan.ways)
        while waiting:
            way = waiting.pop(0)
            try:
                subject = self._subject(way)
                tried = self._try(way, subject) if isinstance(subject, BuiltPair) else subject
            except EngineLost:
                raise
            except (ConfigurationError, EnvironmentFault) as error:
                tried = Failure(FailureStage.ENVIRONMENT, str(error))
            if isinstance(tried, Measured):
                return tried
            following = _next(way, tried, waiting)
            self._note(way, tried, is_hopeless=all(other.around != way.around for other in following))
            waiting = following
        notes = tuple(note.text for note in self.notes if note.cause != self.cause)
        return FailedImage(self.plan, f"it does not run: {self.last}", self.log_tail, notes, self._own_end())

    def _own_end(self) -> Way | None:
        """Return what to write down for a container that ended by itself. None if it is a service."""
        found = self.plan.found
        if self.exit_code is None or found.is_service or found.ports or found.probes:
            return None
        return command(TODO_COMMAND)

    def _note(self, way: Way, failed: Trial | Failure, *, is_hopeless: bool) -> None:
        """Note why a way did not work. `is_hopeless` says that others like it would not work either."""
        what, remedy = what_and_fix(failed.reason or "it failed")
        self.last = shortened(what.partition("\n")[0], 200)
        self.log_tail = failed.log_tail or self.log_tail
        self.exit_code = failed.exit_code if isinstance(failed, Trial) else None
        # A trial's remedy is about the budgets file, which init writes.
        advice = f"; {shortened(remedy, 200)}" if remedy and isinstance(failed, Failure) else ""
        output = f"; its last output: {shortened(failed.log_tail[-1], 150)}" if failed.log_tail else ""
        self.cause = f"{self.last}{advice}{output}"
        if way.around is not None and is_hopeless:
            self._tell(f"`{way.around.key}` did not work", self.cause)
        elif not way.is_guess:
            self._tell(f"{way.name} did not work", self.cause)

    def _tell(self, what: str, cause: str | None) -> None:
        """Add a note. Several ways may fail alike, which is told once."""
        note = _Note(f"{what}: {cause}", cause)
        if note not in self.notes:
            self.notes.append(note)

    def _subject(self, way: Way) -> BuiltPair | Failure:
        """Return the image with its inputs, and with the services that a compose file puts around it."""
        pair = _pair(self.plan, way)
        assert pair.head is not None  # noqa: S101 - as made above
        inputs = self.tools.inputs(self.plan.name, pair.head, self.checkout)
        image: Built = self.image
        if inputs.pod is not None and inputs.pod.builds:
            built = build_all([PairOrder(pair, inputs.pod)], {Side.HEAD: self.checkout}, self.tools, self.progress)
            image = built[self.plan.name][Side.HEAD]
        return image if isinstance(image, Failure) else BuiltPair(pair, {Side.HEAD: image}, inputs)

    def _try(self, way: Way, subject: BuiltPair) -> Measured | Trial:
        """Return the figures of one way, or the trial that failed. Raises EnvironmentFault."""
        deployed = self.plan.found.limit
        if deployed is not None:
            trial = self._trial(way, subject, deployed.value)
            if trial.outcome is Outcome.COMPLETED:
                return self._measured(way, [trial], deployed.value, is_deployed=True)
            if trial.outcome is not Outcome.OOM_KILLED:
                return trial
            self._tell(f"under the deployed limit of {format_size(deployed.value)}", trial.reason)
        free = self._trial(way, subject, None)
        if free.outcome is not Outcome.COMPLETED:
            return free
        limit = limit_for(_value(free, Metric.PEAK_RSS), _value(free, Metric.PEAK_WORKING_SET))
        way = replace(way, is_guess=False)  # it works
        for _ in range(_MOST_DOUBLINGS):
            bounded = self._trial(way, subject, limit)
            if bounded.outcome is Outcome.COMPLETED:
                return replace(self._measured(way, [free, bounded], limit, is_deployed=False), used=_used(free))
            self._tell(f"under a limit of {format_size(limit)}", shortened(bounded.reason or "", 150))
            limit *= 2
        return bounded

    def _trial(self, way: Way, subject: BuiltPair, limit_bytes: int | None) -> Trial:
        spec = subject.pair.head
        assert spec is not None  # noqa: S101 - as made by _subject
        trial_spec = subject.trial_spec(subject.images[Side.HEAD], spec)
        # The services of a compose file need time to start. How long requests wait for a port is bounded anyway.
        is_alone = trial_spec.inputs.pod is None
        timeout_ms = _GUESS_MS if way.is_guess and is_alone else trial_spec.timeout_ms
        self.runs += 1
        with self.progress.step(ProgressStep(self.plan.name, Doing.TRY, number=self.runs)):
            return self.tools.run_trial(replace(trial_spec, limit_bytes=limit_bytes, timeout_ms=timeout_ms))

    def _measured(self, way: Way, trials: Sequence[Trial], limit_bytes: int, *, is_deployed: bool) -> Measured:
        port = _found_port(trials[0])
        way = way.with_port(port) if way.finds_port and port is not None else way
        peaks = [peak for trial in trials if (peak := _value(trial, Metric.PEAK_RSS)) is not None]
        return Measured(
            self.plan,
            way,
            max(peaks) if len(peaks) == len(trials) else None,
            self._image_size(),
            limit_bytes,
            is_deployed,
            tuple(note.text for note in self.notes),
        )

    def _image_size(self) -> int | None:
        found = self.tools.contents({Side.HEAD: self.image}, wants_download_size=False).head
        return image_metrics(found)[Metric.IMAGE_SIZE].value if found is not None else None


def _value(trial: Trial, metric: Metric) -> int | None:
    return trial.metrics[metric].value


def _found_port(trial: Trial) -> int | None:
    """Return the port that requests went to, if no file says it."""
    return trial.assumed.port if trial.assumed is not None else None


def _used(trial: Trial) -> UnlimitedUse | None:
    sampled = (Metric.PEAK_RSS, Metric.PEAK_WORKING_SET)
    known = [UnlimitedUse(metric, value) for metric in sampled if (value := _value(trial, metric)) is not None]
    return max(known, key=lambda used: used.value_bytes, default=None)


def _with_others(way: Way, waiting: Sequence[Way]) -> list[Way]:
    """Return the ways with something else around the container."""
    return [other for other in waiting if other.around != way.around]


def _next(way: Way, failed: Trial | Failure, waiting: Sequence[Way]) -> list[Way]:
    """Return the ways that may still work after one has failed.

    A container that ended by itself does so however it is asked. If it ended with an error, only other surroundings may
    help; if it did not, it is a job.
    """
    elsewhere = _with_others(way, waiting)
    if isinstance(failed, Failure):  # the surroundings cannot be made, or the environment cannot ask in this way
        return elsewhere if way.around is not None else list(waiting)
    if way.runs_to_end or failed.exit_code is None:
        port = _found_port(failed) if way.finds_port else None
        return [*([replace(seen_listening(port), around=way.around)] if port is not None else []), *waiting]
    if failed.exit_code != 0:
        return elsewhere
    job = command(("it ended on its own when it ran",))
    return [replace(job, around=way.around), *elsewhere]
