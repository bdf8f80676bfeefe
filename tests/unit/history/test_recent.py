"""The last values of main, from little of a history that may be large or hostile."""

from collections.abc import Iterator, Sequence

import pytest

from membudget.build.history_place import Note
from membudget.build.revision import MainCommit
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.history.line import LARGEST_NOTE_BYTES
from membudget.history.recent import recent_values
from membudget.judge.measurement import MOST_RECENT
from tests.support.history import MACHINE, NOW, line, text

COMMITS = [MainCommit(f"{number:040x}", 1_700_000_000 + number, "") for number in range(99, -1, -1)]
"""Newest first: its number is its value in MiB."""


class Notes:
    """A note for each commit with an even number, and how many were read."""

    def __init__(self, *, size_bytes: int = 0) -> None:
        self.read = 0
        self.padding = b" " * size_bytes + b"\n" if size_bytes else b""

    def __call__(self, commits: Sequence[str]) -> Iterator[Note]:
        for sha in commits:
            if int(sha, 16) % 2 == 0:
                self.read += 1
                lines = [
                    line(sha, int(sha, 16) + 1),
                    line(sha, 7, metric=Metric.IMAGE_SIZE),
                    line(sha, 3, image="other"),
                ]
                yield Note(sha, text(*lines) + self.padding)


def mib(values: Sequence[int]) -> list[float]:
    return [value / MIB for value in values]


def test_the_last_values_are_found_oldest_first_and_no_more_is_read() -> None:
    notes = Notes()
    found = recent_values(["api"], COMMITS, MACHINE, notes, NOW)
    assert mib(found["api", Metric.PEAK_RSS]) == [number + 1 for number in range(60, 100, 2)]
    assert mib(found["api", Metric.IMAGE_SIZE]) == [7] * MOST_RECENT
    assert set(found) == {("api", Metric.PEAK_RSS), ("api", Metric.IMAGE_SIZE)}
    assert notes.read == MOST_RECENT


def test_figures_of_other_machines_do_not_count_but_sizes_do() -> None:
    found = recent_values(["api"], COMMITS, "another", Notes(), NOW)
    assert set(found) == {("api", Metric.IMAGE_SIZE)}


def test_lower_bounds_do_not_count() -> None:
    def read(commits: Sequence[str]) -> Iterator[Note]:
        yield from (Note(sha, text(line(sha, 40).model_copy(update={"lower_bound": True}))) for sha in commits)

    assert recent_values(["api"], COMMITS, MACHINE, read, NOW) == {}


def test_no_image_reads_nothing() -> None:
    notes = Notes()
    assert recent_values([], COMMITS, MACHINE, notes, NOW) == {}
    assert notes.read == 0


@pytest.mark.parametrize("size_bytes", [3_000_000, LARGEST_NOTE_BYTES + 1])
def test_a_huge_history_is_read_only_a_little(size_bytes: int) -> None:
    notes = Notes(size_bytes=size_bytes)
    found = recent_values(["api"], COMMITS, MACHINE, notes, NOW)
    assert notes.read <= 3
    assert len(found.get(("api", Metric.PEAK_RSS), ())) <= 2


def test_damaged_lines_are_left_out() -> None:
    def read(commits: Sequence[str]) -> Iterator[Note]:
        yield from (Note(sha, b'{"v":1,"image":"api","metric":"peak_rss"\n\xff\n') for sha in commits)

    assert recent_values(["api"], COMMITS, MACHINE, read, NOW) == {}
