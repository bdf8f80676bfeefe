"""Use case: find the smallest limit at which each image passes, by running it at limits."""

import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from membudget.advise.answer import Ask, Purpose, Result, SmallestLimit
from membudget.advise.kept import KeptTrials
from membudget.advise.rung import Tried
from membudget.advise.search import Sought, search
from membudget.budgets.budget_tables import Headroom
from membudget.budgets.fit import FitSettings
from membudget.core.errors import EngineLost, EnvironmentFault
from membudget.core.files import Stored
from membudget.core.progress import Doing, Progress, ProgressStep, Running, Stage
from membudget.core.quantities import format_size
from membudget.core.work import side_by_side
from membudget.measure.trial import Trial, TrialSpec


class ToolsToFit(Protocol):
    """The tools that a fit needs."""

    def run_trial(self, spec: TrialSpec) -> Trial:
        """Run one trial. Raises EnvironmentFault."""

    def kept(self, spec: TrialSpec) -> KeptTrials:
        """Return the trials of earlier runs of exactly this image, workload and machine, at any limit."""

    @property
    def jobs(self) -> int:
        """How many images may be measured side by side."""

    def cancel(self) -> None:
        """Stop the running trials, from another thread."""

    def live(self) -> Sequence[Running]:
        """Return the running trials, as last sampled. Called from another thread."""


@dataclass(frozen=True, slots=True)
class FitSubject:
    """An image to fit."""

    spec: TrialSpec
    """How it is run. Its limit is replaced."""
    settings: FitSettings = FitSettings()
    today_bytes: int | None = None
    """The limit that it has today. None if it has none."""
    headroom: Headroom | None = None
    """How far its budget keeps peak RSS below the limit."""
    scale: float = 1.0
    """How many times as much memory it needs in production."""


@dataclass(frozen=True, slots=True)
class ImageFit(Stored):
    """What was found out about one image."""

    name: str
    today_bytes: int | None
    trials: tuple[Tried, ...] = ()
    """All trials in the order in which they were asked for."""
    reused: int = 0
    """How many of them are of earlier runs."""
    result: Result | None = None
    """None if the search was interrupted or could not go on."""
    fault: str | None = None
    """Why it could not go on. It may come from outside."""
    duration_ms: int = 0

    @property
    def answer(self) -> SmallestLimit | None:
        """The answer, if there is one."""
        return self.result if isinstance(self.result, SmallestLimit) else None


@dataclass(slots=True)
class Fits:
    """The fits of a run. What was found so far can be read at any time, also after an interruption."""

    subjects: Sequence[FitSubject]
    confirmations: int
    largest_bytes: int
    seeks_comfort: bool = True
    _found: dict[str, ImageFit] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, tools: ToolsToFit, progress: Progress) -> list[ImageFit]:
        """Fit every image. A failure of one does not affect the others. Raises EngineLost."""
        names = [subject.spec.name for subject in self.subjects]
        with progress.stage(Stage.MEASURING, names, tools.live):
            fit = partial(self._fit, tools=tools, progress=progress)
            side_by_side(fit, self.subjects, tools.jobs, tools.cancel)
        return self.so_far()

    def so_far(self) -> list[ImageFit]:
        """Return the result of every image. An unfinished fit has the trials up to now."""
        with self._lock:
            nothing = (ImageFit(subject.spec.name, subject.today_bytes) for subject in self.subjects)
            return [self._found.get(one.name, one) for one in nothing]

    def _fit(self, subject: FitSubject, tools: ToolsToFit, progress: Progress) -> None:
        name = subject.spec.name
        with progress.image(name):
            try:
                result = self._search(subject, tools, progress)
            except EngineLost:
                raise
            except EnvironmentFault as error:
                why = str(error)
                self._note(name, lambda found: replace(found, fault=why))
                return
            self._note(name, lambda found: replace(found, result=result))

    def _search(self, subject: FitSubject, tools: ToolsToFit, progress: Progress) -> Result:
        wanted = Sought(subject.settings, self.confirmations, self.largest_bytes, seeks_comfort=self.seeks_comfort)
        begun, kept, asking = time.monotonic(), tools.kept(subject.spec), search(wanted)
        ask = next(asking)
        while True:
            trial = kept.take(ask.limit_bytes)
            is_reused = trial is not None
            if trial is None:
                trial = self._run(subject.spec, ask, tools, progress)
                kept.add(trial)
            self._add(subject, trial, round((time.monotonic() - begun) * 1000), is_reused=is_reused)
            try:
                ask = asking.send(trial)
            except StopIteration as end:
                result: Result = end.value
                return result

    def _run(self, spec: TrialSpec, ask: Ask, tools: ToolsToFit, progress: Progress) -> Tried:
        """Run a trial. Where its pace is compared, no other one runs beside it."""
        is_alone = spec.is_alone or (self.seeks_comfort and ask.purpose in _COMPARED)
        limited = replace(spec, limit_bytes=ask.limit_bytes, only_outcome=True, is_alone=is_alone)
        with progress.step(_step(spec.name, ask)):
            trial = tools.run_trial(limited)
        return Tried.of(trial, ask.limit_bytes)

    def _add(self, subject: FitSubject, trial: Tried, took_ms: int, *, is_reused: bool) -> None:
        def added(found: ImageFit) -> ImageFit:
            trials = (*found.trials, trial)
            return replace(found, trials=trials, reused=found.reused + is_reused, duration_ms=took_ms)

        self._note(subject.spec.name, added)

    def _note(self, name: str, change: "_Change") -> None:
        with self._lock:
            today = next(subject.today_bytes for subject in self.subjects if subject.spec.name == name)
            self._found[name] = change(self._found.get(name, ImageFit(name, today)))


def replayed(subject: FitSubject, trials: Sequence[Tried], largest_bytes: int) -> ImageFit | None:
    """Return what trials of earlier fits found out. None if they do not lead to an answer.

    They are asked for as a fit asks for them: for as many confirmations, and as much comfort, as they are enough for.
    """
    counts = Counter(trial.limit_bytes for trial in trials)
    confirmations = sorted({count - spare for count in counts.values() for spare in (0, 1) if count > spare})
    for seeks_comfort in (True, False):
        for confirmed in reversed(confirmations[-_MOST_REPLAYS:]):
            wanted = Sought(subject.settings, confirmed, largest_bytes, seeks_comfort=seeks_comfort)
            found = _replay(wanted, trials)
            if found is not None:
                used, answer = found
                took_ms = sum(trial.duration_ms for trial in used)
                return ImageFit(subject.spec.name, subject.today_bytes, used, 0, answer, None, took_ms)
    return None


def _replay(wanted: Sought, trials: Sequence[Tried]) -> tuple[tuple[Tried, ...], SmallestLimit] | None:
    """Return the trials that a search asks for, and its answer. None if one is missing, or if there is no answer."""
    waiting: dict[int | None, deque[Tried]] = defaultdict(deque)
    for trial in trials:
        waiting[trial.limit_bytes].append(trial)
    asking, used = search(wanted), []
    ask = next(asking)
    while waiting[ask.limit_bytes]:
        used.append(waiting[ask.limit_bytes].popleft())
        try:
            ask = asking.send(used[-1])
        except StopIteration as end:
            return (tuple(used), end.value) if isinstance(end.value, SmallestLimit) else None
    return None


class _Change(Protocol):
    def __call__(self, found: ImageFit, /) -> ImageFit: ...


_MOST_REPLAYS = 20
_COMPARED = (Purpose.REFERENCE, Purpose.CONFIRM, Purpose.COMFORT)
_DOING = {Purpose.SEARCH: Doing.SEARCH, Purpose.CONFIRM: Doing.PROVE}


def _step(name: str, ask: Ask) -> ProgressStep:
    where = f"at {format_size(ask.limit_bytes)}" if ask.limit_bytes is not None else "without a limit"
    doing = _DOING.get(ask.purpose, Doing.TRIAL)
    return ProgressStep(name, doing, where, number=ask.number, most=ask.most, left=ask.left)
