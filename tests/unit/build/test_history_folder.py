import os
from collections.abc import Callable
from pathlib import Path

import pytest

from membudget.build.history_folder import FolderHistory
from membudget.build.history_place import file_name
from membudget.core.errors import EnvironmentFault
from membudget.history.line import LineFault, SkippedLines, read_lines
from tests.support.history import NOW, line, text

ONE, TWO = "a" * 40, "b" * 40


def test_lines_are_added_to_those_that_are_there(tmp_path: Path) -> None:
    store = FolderHistory(tmp_path / "memory")
    assert not store.fetch()
    store.append({ONE: text(line(ONE, 40))})
    store.append({ONE: text(line(ONE, 41)), TWO: text(line(TWO))})
    assert store.fetch()
    found = {note.commit: note.data for note in store.notes(None, 10_000)}
    assert found == {ONE: text(line(ONE, 40), line(ONE, 41)), TWO: text(line(TWO))}
    assert [note.commit for note in store.notes([TWO, "c" * 40, ONE], 10_000)] == [TWO, ONE]


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    store = FolderHistory(tmp_path)
    store.append({ONE: b"x" * 100})
    assert [note.data for note in store.notes([ONE], 50)] == [None]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "memory").write_text("a file")
    with pytest.raises(EnvironmentFault, match="history cannot be"):
        FolderHistory(tmp_path / "memory").append({ONE: b"x\n"})


def _link(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, _link])
def test_what_is_no_file_is_named_and_never_read(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """A pipe would block, and a device has no end."""
    path = tmp_path / file_name(ONE)
    path.parent.mkdir()
    make(path)
    with pytest.raises(EnvironmentFault, match="the history cannot be read"):
        list(FolderHistory(tmp_path).notes([ONE], 10_000))


def test_a_file_in_which_another_job_writes_may_be_cut(tmp_path: Path) -> None:
    path = tmp_path / file_name(ONE)
    path.parent.mkdir()
    path.write_bytes(text(line(ONE), line(ONE, image="web"))[:-30])
    skipped = SkippedLines()
    (note,) = FolderHistory(tmp_path).notes([ONE], 10_000)
    assert note.data is not None
    assert [one.image for one in read_lines(ONE, note.data, NOW, skipped)] == ["api"]
    assert [one.fault for one in skipped.all()] == [LineFault.NO_LINE]
