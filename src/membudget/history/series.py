"""The lines of the history in the order of the main branch's commits: a series for each image and metric."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from membudget.build.history_place import Note
from membudget.build.revision import MainCommit
from membudget.core.metrics import IMAGE_METRICS, Metric
from membudget.history.line import HistoryLine, LineFault, SkippedLines, read_lines

Key = tuple[str, Metric]
"""An image and a metric."""


@dataclass(frozen=True, slots=True)
class Point:
    """A commit with what was measured there."""

    commit: MainCommit
    line: HistoryLine


@dataclass(frozen=True, slots=True)
class Series:
    """The figures of one metric of one image, oldest commit first."""

    image: str
    metric: Metric
    points: tuple[Point, ...]


def points_of(
    commits: Sequence[MainCommit],
    notes: Iterable[Note],
    now: datetime,
    skipped: SkippedLines,
    only: re.Pattern[bytes] | None = None,
) -> Iterator[Point]:
    """Yield the usable points, in the order of `notes`. Notes about other commits than `commits` are left out.

    The branch says which commits count, so that lines of commits that were rewritten have no effect. Of several lines
    about the same, the one measured last counts. `only` is a `line_filter`.
    """
    known = {commit.sha: commit for commit in commits}
    for note in notes:
        commit = known.get(note.commit)
        if commit is None:
            continue
        if note.data is None:
            skipped.add(LineFault.TOO_LARGE, note.commit)
            continue
        for line in last_measured(read_lines(note.commit, note.data, now, skipped, only)).values():
            yield Point(commit, line)


def last_measured(lines: Iterable[HistoryLine]) -> dict[Key, HistoryLine]:
    """Return the line that was measured last, for each image and metric of one commit."""
    found: dict[Key, HistoryLine] = {}
    for line in lines:
        before = found.get((line.image, line.metric))
        if before is None or (before.time, before.text()) < (line.time, line.text()):
            found[line.image, line.metric] = line
    return found


def is_comparable(line: HistoryLine, machine: str) -> bool:
    """Return whether a figure of a trial comes from such a machine. Sizes of images are the same on all."""
    return line.metric in IMAGE_METRICS or line.machine == machine


def series_of(points: Iterable[Point]) -> list[Series]:
    """Return the series of points that are sorted from the oldest commit to the newest."""
    found: dict[Key, list[Point]] = {}
    for point in points:
        found.setdefault((point.line.image, point.line.metric), []).append(point)
    order = {metric: number for number, metric in enumerate(Metric)}
    keys = sorted(found, key=lambda key: (key[0], order[key[1]]))
    return [Series(image, metric, tuple(found[image, metric])) for image, metric in keys]
