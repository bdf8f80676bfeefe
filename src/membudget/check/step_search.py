"""Use case: measure a suspected step again, and search the commit that did it.

Both commits are built and run in turn on one machine, and judged as a pull request is. The search halves the commits
between them, as `git bisect` does, and skips those that do not build or do not run. What it finds is compared once more
with its own parent, and that comparison alone is told.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from membudget.build.revision import MainCommit
from membudget.check.step_pair import ComparedCommits, MetricGrowth, compared_before
from membudget.check.step_suspect import Suspect
from membudget.core.errors import brief
from membudget.history.step_line import MOST_SKIPPED, StepOutcome
from membudget.report.report import JudgedReport, Report

_STEP_SHARE = 0.25
"""The part of the suspected growth that must be certain before a step is believed."""
_COMMIT_SHARE = 0.1
"""The part that must be certain of the one commit. It need not have done all of it."""


@dataclass(frozen=True, slots=True)
class SkippedCommit:
    """A commit that could not be measured, so that it may be this one."""

    commit: MainCommit
    reason: str
    """Text from outside. Empty if an earlier run could not measure it."""


@dataclass(frozen=True, slots=True)
class Searched:
    """What came of a search."""

    outcome: StepOutcome
    since: MainCommit
    """The last commit that is known to lie before the step."""
    until: MainCommit
    """The first commit that is known to have it."""
    skipped: tuple[SkippedCommit, ...] = ()
    """The commits between the two that could not be measured."""
    report: JudgedReport | None = None
    """The comparison of the two, if the step is confirmed."""
    reason: str = ""
    """Why nothing can be compared: text from outside."""
    whole: tuple[MainCommit, MainCommit] | None = None
    """The two commits between which the growth was confirmed, if the search is not finished."""
    is_spread: bool = False
    """Whether the two commits at the end of the search did not prove it, so that only `whole` is left to compare."""


def proven_by(suspect: Suspect, report: Report) -> Searched | None:
    """Return the step if an earlier comparison of a commit with its parent proves it, for another metric of the image.

    None if it does not, or if the commit is not among those that may have done it. A new search then has to tell.
    """
    base, head = report.comparison.base, report.comparison.head.sha
    pairs = {(one.sha, other.sha): (one, other) for one, other in pairwise(suspect.commits)}
    found = pairs.get((base.sha, head)) if base is not None else None
    if found is None:
        return None
    told = compared_before(report, suspect.metric, int(_COMMIT_SHARE * suspect.growth))
    return Searched(StepOutcome.CONFIRMED, *found, report=told.report) if told.answer is MetricGrowth.GREW else None


class Compare(Protocol):
    """Builds and runs two commits in turn on this machine."""

    def __call__(self, base: MainCommit, head: MainCommit, tolerated: int, *, is_told: bool) -> ComparedCommits:
        """Return whether the metric grew by more than `tolerated`. `is_told`: the comparison may be shown to people.

        Raises EnvironmentFault.
        """


def search(suspect: Suspect, compare: Compare, has_time: Callable[[], bool]) -> Searched | None:
    """Return what came of a suspected step. None if there was no time for a first comparison.

    `has_time` says whether another comparison may begin. Raises EnvironmentFault.
    """
    return _Search(suspect, compare, has_time).run()


@dataclass(slots=True)
class _Search:
    suspect: Suspect
    compare: Compare
    has_time: Callable[[], bool]
    skipped: dict[int, str] = field(default_factory=dict)
    first: int = 0
    """The last commit that is known to lie before the step."""
    last: int = field(init=False)
    whole: ComparedCommits | None = None
    """The comparison of all commits, if it was made in this run."""
    is_spread: bool = False
    """Whether the comparison of `first` with `last` proved nothing."""

    def __post_init__(self) -> None:
        begun = self.suspect.begun
        self.last = self._end
        if begun is not None:
            self.first, self.last, self.is_spread = begun.since, begun.until, begun.is_spread
            self.skipped = dict.fromkeys(begun.skipped, "")

    def run(self) -> Searched | None:
        if not self.has_time():
            return None
        if self.is_spread:
            return self._spread()
        if self.suspect.begun is None:
            self.whole = self._compared(0, self._end, _STEP_SHARE, is_told=self._end == 1)
            if self.whole.answer is not MetricGrowth.GREW or self._end == 1:
                return self._judged(self.whole)
        while (place := self._next()) is not None:
            if not self.has_time():
                return self._ended(StepOutcome.NARROWED)
            self._look_at(place)
        return self._proven()

    def _look_at(self, place: int) -> None:
        """Find out on which side of the step a commit lies. All are compared with the first of the search."""
        found = self._compared(0, place, _STEP_SHARE)
        match found.answer:
            case MetricGrowth.NOT_MEASURED:
                self.skipped[place] = brief(found.reason)
            case MetricGrowth.GREW:
                self.last = place
            case MetricGrowth.UNCLEAR if found.seems_grown:
                self.last = place
            case _:
                self.first = place

    def _next(self) -> int | None:
        """Return which commit to try: a likely one, or the one nearest to the middle. None if none is left."""
        left = [place for place in range(self.first + 1, self.last) if place not in self.skipped]
        if self.last - self.first - 1 - len(left) >= MOST_SKIPPED:
            return None  # no more of them can be remembered
        likely = [place for place in left if self.suspect.commits[place].sha in self.suspect.likely]
        middle = (self.first + self.last) // 2
        return likely[-1] if likely else min(left, key=lambda place: abs(place - middle), default=None)

    def _proven(self) -> Searched:
        """Compare the two commits at the end of the search with each other: the step is told if this one grew."""
        if not self.has_time():
            return self._ended(StepOutcome.NARROWED)
        found = self._compared(self.first, self.last, _COMMIT_SHARE, is_told=True)
        if found.answer is MetricGrowth.GREW:
            return self._ended(StepOutcome.CONFIRMED, found.report)
        if (self.first, self.last) == (0, self._end):
            return self._judged(found)  # so much growth is not certain, and more is not either
        return self._spread()

    def _spread(self) -> Searched:
        """Compare all commits, because no single one did it."""
        self.first, self.last, self.is_spread = 0, self._end, True
        self.skipped.clear()
        if self.whole is None or self.whole.report is None:
            if not self.has_time():
                return self._ended(StepOutcome.NARROWED)
            self.whole = self._compared(0, self._end, _STEP_SHARE, is_told=True)
        return self._judged(self.whole)

    def _judged(self, found: ComparedCommits) -> Searched:
        """Return what a comparison of the first and the last commit says."""
        if found.answer is MetricGrowth.NOT_MEASURED:
            return self._ended(StepOutcome.NOT_MEASURED, reason=brief(found.reason))
        if found.answer is MetricGrowth.GREW:
            return self._ended(StepOutcome.CONFIRMED, found.report)
        return self._ended(StepOutcome.NOT_CONFIRMED)

    @property
    def _end(self) -> int:
        return len(self.suspect.commits) - 1

    def _compared(self, base: int, head: int, share: float, *, is_told: bool = False) -> ComparedCommits:
        commits = self.suspect.commits
        return self.compare(commits[base], commits[head], int(share * self.suspect.growth), is_told=is_told)

    def _ended(self, outcome: StepOutcome, report: JudgedReport | None = None, reason: str = "") -> Searched:
        commits = self.suspect.commits
        return Searched(
            outcome,
            commits[self.first],
            commits[self.last],
            tuple(self._between()),
            report,
            reason,
            (commits[0], commits[-1]),
            self.is_spread,
        )

    def _between(self) -> Iterator[SkippedCommit]:
        for place in sorted(self.skipped):
            if self.first < place < self.last:
                yield SkippedCommit(self.suspect.commits[place], self.skipped[place])
