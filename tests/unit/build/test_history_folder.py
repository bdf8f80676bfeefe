from pathlib import Path

import pytest

from membudget.build.history_folder import FolderHistory
from membudget.core.errors import EnvironmentFault
from tests.support.history import line, text

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
