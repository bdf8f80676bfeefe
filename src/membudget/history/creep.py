"""Looks up what a metric was at the time that a creep budget names, and which commits added most since then.

The history may be large, so little of it is read: notes from that time backwards until everything is found, the newest
notes, and all notes between for the few metrics that have grown much.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise

from membudget.budgets.rules import Creep
from membudget.build.history_place import Note
from membudget.build.revision import MainCommit
from membudget.core.metrics import MetricValue
from membudget.core.untrusted_text import printable
from membudget.history.line import HistoryLine, SkippedFault, SkippedLines, line_filter
from membudget.history.series import SeriesKey, SeriesPoint, is_comparable, points_of
from membudget.judge.bounds import tolerated_growth
from membudget.judge.then import MOST_NAMED, Added, Then, ThenState

ReadNotes = Callable[[Sequence[str]], Iterable[Note]]
"""Returns the notes of commits, in their order, as a stream."""
_MUCH = 0.5
"""The share of the tolerated growth from which on the commits that added most are looked up."""
_NONE_YET = "the history has no figure of it yet"
_OTHER_MACHINE = "the history only has figures of other kinds of machines: run `membudget backfill` on this one"
_LOWER_BOUND = "the history has only lower bounds of it"
_NOT_READ = "the history was not read"
_DAMAGED = "the history has damaged lines, and no figure of it: run `membudget backfill`"


@dataclass(frozen=True, slots=True)
class SincePlace:
    """The place on the branch that a `since` stands for."""

    index: int | None
    """The number of commits after it: 0 is the newest. None if it is unknown."""
    reason: str = ""
    """Why it is unknown: stored in the report as written."""
    is_first_setup: bool = False
    """Whether it is unknown because there is no such thing yet, such as a tag."""


@dataclass(frozen=True, slots=True)
class Main:
    """The main branch up to the base of a check, and what its history can be used for."""

    commits: Sequence[MainCommit] = ()
    """Newest first."""
    places: Mapping[str, SincePlace] = field(default_factory=dict)
    """By `since`, as in the budgets file."""
    problem: str | None = None
    """Why the history cannot be read, or may lack a part: stored as written. None if it is whole."""
    is_excused: bool = False
    """Whether figures that cannot be used are no fault, because the check is on its user's own machine."""
    new_images: Collection[str] = ()
    """Images that the base's budgets file does not have. Damaged lines that name no image are not about them."""


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What was found."""

    then: Mapping[SeriesKey, Then] = field(default_factory=dict)
    skipped: tuple[SkippedFault, ...] = ()
    """The lines that were not used."""


def look_up(wanted: Mapping[SeriesKey, Creep], main: Main, machine: str, read: ReadNotes, now: datetime) -> LookedUp:
    """Return what each of the wanted metrics was at its time. `machine` is the class of the one that measures now."""
    look = _Look(main.commits, machine, read, now)
    then: dict[SeriesKey, Then] = {}
    for since in sorted({creep.since for creep in wanted.values()}):
        keys = {key for key, creep in wanted.items() if creep.since == since}
        place = main.places.get(since)
        if place is None:
            then |= {key: _unknown(key, main.problem or _NOT_READ, main) for key in keys}
        elif place.index is None:
            state = ThenState.NO_HISTORY if place.is_first_setup else None
            then |= {key: _unknown(key, place.reason, main, state) for key in keys}
        else:
            then |= _since(keys, place.index, main, look)
    found = {key for key, one in then.items() if one.state is ThenState.FOUND}
    latest = look.first(main.commits, found, {})
    grown = {key for key in found if _has_grown(latest.get(key), wanted[key], then[key])}
    return LookedUp({**then, **_with_added(grown, then, look)}, look.skipped.all())


@dataclass(slots=True)
class _Look:
    """Reads points as a stream."""

    commits: Sequence[MainCommit]
    machine: str
    read: ReadNotes
    now: datetime
    skipped: SkippedLines = field(default_factory=SkippedLines)

    def points(self, commits: Sequence[MainCommit], keys: Collection[SeriesKey]) -> Iterator[SeriesPoint]:
        """Yield the points of `keys` at these commits, in their order, whatever machine measured them."""
        only = line_filter({image for image, _ in keys}, {metric for _, metric in keys})
        notes = self.read([commit.sha for commit in commits])
        for point in points_of(commits, notes, self.now, self.skipped, only):
            if (point.line.image, point.line.metric) in keys:
                yield point

    def first(
        self, commits: Sequence[MainCommit], keys: Collection[SeriesKey], unusable: dict[SeriesKey, str]
    ) -> dict[SeriesKey, SeriesPoint]:
        """Return the first usable point of each of `keys`. Add to `unusable` why others are not."""
        found: dict[SeriesKey, SeriesPoint] = {}
        if not keys:
            return found
        for point in self.points(commits, keys):
            key = point.line.image, point.line.metric
            if not is_comparable(point.line, self.machine):
                unusable.setdefault(key, _OTHER_MACHINE)
            elif point.line.lower_bound:
                unusable[key] = _LOWER_BOUND
            elif key not in found:
                found[key] = point
                if len(found) == len(keys):
                    break
        return found


def _since(keys: set[SeriesKey], index: int, main: Main, look: _Look) -> dict[SeriesKey, Then]:
    """Return what was measured last before a place on the branch. Without that, what was measured first after it.

    A refresh of the place's own commit may be from weeks after that time, so the commit's first figure counts.
    """
    unusable: dict[SeriesKey, str] = {}
    before = look.first(main.commits[index:], keys, unusable)
    missing = keys - before.keys()
    after = look.first(main.commits[:index][::-1], missing, unusable)
    place = main.commits[index]
    found = {
        key: _found(point.commit, _first(point) if point.commit == place else point.line)
        for key, point in before.items()
    }
    found |= {key: replace(_found(point.commit, _first(point)), is_later=True) for key, point in after.items()}
    for key in missing - after.keys():
        if key in unusable:
            found[key] = _unknown(key, unusable[key], main)
        elif main.problem is not None:
            found[key] = _unknown(key, main.problem, main)
        elif _may_be_damaged(key, main, look.skipped):
            found[key] = _unknown(key, _DAMAGED, main)
        else:
            found[key] = _unknown(key, _NONE_YET, main, ThenState.NO_HISTORY)
    return found


def _may_be_damaged(key: SeriesKey, main: Main, skipped: SkippedLines) -> bool:
    """Return whether a line that was skipped may have had the figure.

    Of a new image, no line can be there unless it names the image: main has never measured it.
    """
    return skipped.is_about(*key) or (skipped.is_about_any and key[0] not in main.new_images)


def _first(point: SeriesPoint) -> HistoryLine:
    return point.line if point.first.lower_bound else point.first


def _found(commit: MainCommit, line: HistoryLine) -> Then:
    value = replace(
        MetricValue.of(line.metric, line.value), interval=line.interval, at_most=line.at_most, at_least=line.at_least
    )
    return Then(ThenState.FOUND, value, line.samples, commit.sha)


def _unknown(key: SeriesKey, reason: str, main: Main, state: ThenState | None = None) -> Then:
    known = state or (ThenState.EXCUSED if main.is_excused else ThenState.UNKNOWN)
    return Then(known, MetricValue.absent(key[1], reason))


def _has_grown(latest: SeriesPoint | None, creep: Creep, then: Then) -> bool:
    """Return whether the newest figure of main is well above that of then."""
    before = then.value.value
    if latest is None or before is None:
        return False
    return latest.line.value - before > _MUCH * tolerated_growth(before, creep.tolerance)


def _with_added(keys: Collection[SeriesKey], then: Mapping[SeriesKey, Then], look: _Look) -> dict[SeriesKey, Then]:
    """Return what was found of `keys`, with the commits that added most since then."""
    begins = {key: _index(look.commits, then[key].commit) for key in keys}
    known = {key: index for key, index in begins.items() if index is not None}
    if not known:
        return {}
    since = look.commits[: max(known.values()) + 1][::-1]
    order = {commit.sha: number for number, commit in enumerate(since)}
    values: dict[SeriesKey, list[SeriesPoint]] = {key: [] for key in known}
    for point in look.points(since, known):
        key = point.line.image, point.line.metric
        if is_comparable(point.line, look.machine) and order[point.commit.sha] >= len(since) - 1 - known[key]:
            values[key].append(point)
    return {key: replace(then[key], added=_most(points)) for key, points in values.items()}


def _index(commits: Sequence[MainCommit], sha: str | None) -> int | None:
    return next((number for number, commit in enumerate(commits) if commit.sha == sha), None)


def _most(points: Sequence[SeriesPoint]) -> tuple[Added, ...]:
    """Return the commits that added most. Each counts from the last figure before it, which may be a refresh."""
    steps = [(now.own.value - before.line.value, now.commit) for before, now in pairwise(points) if now.own is not None]
    largest = sorted((step for step in steps if step[0] > 0), key=lambda step: -step[0])[:MOST_NAMED]
    return tuple(Added(commit.sha, printable(commit.subject), growth) for growth, commit in largest)
