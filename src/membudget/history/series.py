"""The lines of the history in the order of the main branch's commits: a series for each image and metric."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from membudget.build.history_place import Note
from membudget.build.revision import MainCommit
from membudget.core.metrics import IMAGE_METRICS, Metric
from membudget.history.line import HistoryLine, LineFault, SkippedLines, read_lines

SeriesKey = tuple[str, Metric]
"""An image and a metric."""
_Figure = tuple[str, Metric, str | None]
"""An image, a metric and the kind of machine. None for sizes of images, which are the same on all."""


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """A commit with what was measured there."""

    commit: MainCommit
    line: HistoryLine
    """What was measured last."""
    replaced: HistoryLine | None = None
    """If `line` is a refresh: what was measured first for the commit itself, or else the first refresh."""

    @property
    def own(self) -> HistoryLine | None:
        """The figure of the commit itself. None if there were only refreshes, which need not be due to the commit."""
        return next((line for line in (self.line, self.replaced) if line is not None and not line.refresh), None)

    @property
    def first(self) -> HistoryLine:
        """What is nearest to the time of the commit: a refresh may be weeks younger."""
        return self.replaced or self.line


@dataclass(frozen=True, slots=True)
class MetricSeries:
    """The figures of one metric of one image, oldest commit first."""

    image: str
    metric: Metric
    points: tuple[SeriesPoint, ...]
    """If several classes of machines measured a commit, it has several points. The one measured last comes last."""

    @property
    def one_per_commit(self) -> tuple[SeriesPoint, ...]:
        """The points, with only the one that was measured last of each commit."""
        return tuple({point.commit.sha: point for point in self.points}.values())


def points_of(
    commits: Sequence[MainCommit],
    notes: Iterable[Note],
    now: datetime,
    skipped: SkippedLines,
    only: re.Pattern[bytes] | None = None,
) -> Iterator[SeriesPoint]:
    """Yield the usable points, in the order of `notes`. Notes about other commits than `commits` are left out.

    The branch says which commits count, so that lines of commits that were rewritten have no effect. Of several lines
    about the same, the one measured last counts, and a refresh keeps the line that it replaces beside it. A commit has
    a point for each class of machines that measured it, the one measured last at the end. `only` is a `line_filter`.
    """
    known = {commit.sha: commit for commit in commits}
    for note in notes:
        commit = known.get(note.commit)
        if commit is None:
            continue
        if note.data is None:
            skipped.add(LineFault.TOO_LARGE, note.commit)
            continue
        yield from _points(commit, read_lines(note.commit, note.data, now, skipped, only))


def _points(commit: MainCommit, lines: Sequence[HistoryLine]) -> list[SeriesPoint]:
    """Return the points of a commit. They keep few of its lines in memory."""
    last = last_measured(lines)
    replaced = _replaced(lines) if any(line.refresh for line in last) else {}
    return [SeriesPoint(commit, line, _other(line, replaced.get(_figure_of(line)))) for line in last]


def _other(line: HistoryLine, first: HistoryLine | None) -> HistoryLine | None:
    return first if line.refresh and first is not line else None


def last_measured(lines: Iterable[HistoryLine]) -> list[HistoryLine]:
    """Return the line that was measured last, for each image, metric and class of machines of one commit.

    Sizes of images are the same on all machines. The lines are in the order of their times.
    """
    found: dict[_Figure, HistoryLine] = {}
    for line in lines:
        before = found.get(_figure_of(line))
        if before is None or _measured(before) < _measured(line):
            found[_figure_of(line)] = line
    return sorted(found.values(), key=_measured)


def _measured(line: HistoryLine) -> tuple[datetime, bytes]:
    return line.time, line.text()


def comparable_machine(line: HistoryLine) -> str | None:
    """Return the class of machines with which a line can be compared. None for sizes of images: with all."""
    return None if line.metric in IMAGE_METRICS else line.machine


def _replaced(lines: Iterable[HistoryLine]) -> dict[_Figure, HistoryLine]:
    """Return the first line of each figure of one commit. Lines of the commit itself come before refreshes."""
    found: dict[_Figure, HistoryLine] = {}
    for line in lines:
        before = found.get(_figure_of(line))
        if before is None or (line.refresh, _measured(line)) < (before.refresh, _measured(before)):
            found[_figure_of(line)] = line
    return found


def _figure_of(line: HistoryLine) -> _Figure:
    return line.image, line.metric, comparable_machine(line)


def is_comparable(line: HistoryLine, machine: str) -> bool:
    """Return whether a figure of a trial comes from such a machine. Sizes of images are the same on all."""
    return comparable_machine(line) in (None, machine)


def series_of(points: Iterable[SeriesPoint]) -> list[MetricSeries]:
    """Return the series of points that are sorted from the oldest commit to the newest."""
    found: dict[SeriesKey, list[SeriesPoint]] = {}
    for point in points:
        found.setdefault((point.line.image, point.line.metric), []).append(point)
    order = {metric: number for number, metric in enumerate(Metric)}
    keys = sorted(found, key=lambda key: (key[0], order[key[1]]))
    return [MetricSeries(image, metric, tuple(found[image, metric])) for image, metric in keys]
