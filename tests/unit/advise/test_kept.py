"""Trials that are kept between runs."""

from pathlib import Path

import pytest

from membudget.advise.kept import FitFolder
from membudget.advise.rung import Ended
from membudget.core.quantities import MIB
from tests.fakes.limited_services import tried

KEY = "an image, a workload and a machine"


def folder(path: Path) -> FitFolder:
    return FitFolder(path, pytest.fail)


def file_in(path: Path) -> Path:
    (found,) = (path / "fits").iterdir()
    return found


def test_trials_are_handed_out_once_in_their_order(tmp_path: Path) -> None:
    one, other = tried(MIB, Ended.KILLED), tried(MIB, p95_us=7)
    kept = folder(tmp_path).trials(KEY)
    for trial in (one, tried(None), other):
        kept.add(trial)
    assert kept.take(MIB) is None, "those of this run are not given back to it"
    again = folder(tmp_path).trials(KEY)
    assert [again.take(MIB), again.take(MIB), again.take(MIB)] == [one, other, None]
    assert again.take(None) == tried(None)


def test_another_key_has_other_trials(tmp_path: Path) -> None:
    folder(tmp_path).trials(KEY).add(tried(MIB))
    assert folder(tmp_path).trials("another").take(MIB) is None


def test_without_a_key_nothing_is_kept(tmp_path: Path) -> None:
    folder(tmp_path).trials(None).add(tried(MIB))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", [b"", b"{", b'{"format": 2}', b"[" * 100_000])
def test_a_damaged_file_only_costs_time(tmp_path: Path, damage: bytes) -> None:
    folder(tmp_path).trials(KEY).add(tried(MIB))
    file_in(tmp_path).write_bytes(damage)
    assert folder(tmp_path).trials(KEY).take(MIB) is None


def test_trials_of_another_version_of_measuring_do_not_count(tmp_path: Path) -> None:
    folder(tmp_path).trials(KEY).add(tried(MIB))
    path = file_in(tmp_path)
    path.write_text(path.read_text().replace('"measuring_version":', '"measuring_version":1'))
    assert folder(tmp_path).trials(KEY).take(MIB) is None


def test_a_folder_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "fits").write_text("in the way")
    told: list[str] = []
    kept = FitFolder(tmp_path, told.append).trials(KEY)
    kept.add(tried(MIB))
    kept.add(tried(MIB))
    assert len(told) == 1
    assert "cannot be written" in told[0]


@pytest.mark.thorough
def test_the_oldest_files_are_removed(tmp_path: Path) -> None:
    kept = folder(tmp_path)
    for number in range(205):
        kept.trials(str(number)).add(tried(MIB))
    kept.prune()
    assert len(list((tmp_path / "fits").iterdir())) == 200


def test_numbers_that_nothing_measures_make_a_file_damaged(tmp_path: Path) -> None:
    folder(tmp_path).trials(KEY).add(tried(MIB, cpu_ms=1234))
    path = file_in(tmp_path)
    path.write_text(path.read_text().replace("1234", "9" * 400))
    assert folder(tmp_path).trials(KEY).all == ()


def test_all_trials_can_be_looked_at_without_handing_them_out(tmp_path: Path) -> None:
    folder(tmp_path).trials(KEY).add(tried(MIB))
    kept = folder(tmp_path).trials(KEY)
    assert kept.all == (tried(MIB),)
    assert kept.take(MIB) == tried(MIB)
    assert kept.all == (tried(MIB),)
