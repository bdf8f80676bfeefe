"""Looks up the last values of main for the small picture in the comment. Little is read, and nothing is an error."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime

from membudget.build.history_place import Note
from membudget.build.revision import MainCommit
from membudget.core.metrics import HEADLINES
from membudget.history.creep import ReadNotes
from membudget.history.line import SkippedLines, line_filter
from membudget.history.series import SeriesKey, is_comparable, points_of
from membudget.judge.measurement import MOST_RECENT

MOST_COMMITS_BACK = 400
"""How many commits of main are looked at. An image that did not change in them has no picture."""
_MOST_BYTES = 8_000_000
"""How much of the history is read. 500 images take about 100 KB a commit, of which 20 are enough."""


def recent_values(
    images: Collection[str], commits: Sequence[MainCommit], machine: str, read: ReadNotes, now: datetime
) -> dict[SeriesKey, tuple[int, ...]]:
    """Return the last values of the headline metrics of `images`, oldest first.

    `commits` are the newest of main, newest first. Figures that cannot be compared are left out: those of other kinds
    of machines, and lower bounds.
    """
    found: dict[SeriesKey, list[int]] = {(image, metric): [] for image in images for metric in HEADLINES}
    missing = len(found)
    if not missing:
        return {}
    looked_at = commits[:MOST_COMMITS_BACK]
    notes = _up_to(_MOST_BYTES, read([commit.sha for commit in looked_at]))
    for point in points_of(looked_at, notes, now, SkippedLines(), line_filter(images, HEADLINES)):
        values = found.get((point.line.image, point.line.metric))
        if values is None or len(values) >= MOST_RECENT:
            continue
        if point.line.lower_bound or not is_comparable(point.line, machine):
            continue
        values.append(point.line.value)
        missing -= len(values) == MOST_RECENT
        if not missing:
            break
    return {key: tuple(values[::-1]) for key, values in found.items() if values}


def _up_to(most_bytes: int, notes: Iterable[Note]) -> Iterator[Note]:
    for note in notes:
        most_bytes -= len(note.data or b"")
        if most_bytes < 0:
            return
        yield note
