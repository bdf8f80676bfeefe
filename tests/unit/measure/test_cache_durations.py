"""Last known durations."""

from pathlib import Path

import pytest

from membudget.budgets.entries import MOST_IMAGES
from membudget.measure.cache import read_durations, remember_durations


def test_durations_of_several_runs_are_kept_together(tmp_path: Path) -> None:
    assert read_durations(tmp_path) == {}
    remember_durations(tmp_path / "new", {"api": 5000, "web": 1000})
    remember_durations(tmp_path / "new", {"web": 2000})
    assert read_durations(tmp_path / "new") == {"api": 5000, "web": 2000}


@pytest.mark.parametrize("text", ["", '{"api": -1}', '{"api": "5"}', '{"API!": 1}', "[" * 9000, '{"api": 1e99}'])
def test_a_damaged_file_is_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "durations.json").write_text(text)
    assert read_durations(tmp_path) == {}
    remember_durations(tmp_path, {"api": 1})
    assert read_durations(tmp_path) == {"api": 1}


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    remember_durations(tmp_path / "file", {"api": 1})
    assert read_durations(tmp_path / "file") == {}
    assert [path.read_text() for path in tmp_path.iterdir()] == [""]


def test_no_more_than_a_check_has_images(tmp_path: Path) -> None:
    remember_durations(tmp_path, {f"a{number}": number for number in range(MOST_IMAGES + 1)})
    assert len(read_durations(tmp_path)) == MOST_IMAGES
