"""`membudget history badge` on a real repository."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from membudget.build.git import GitRepository
from membudget.build.git_history import GitHistory
from membudget.build.history_place import DEFAULT_PLACE
from membudget.cli.main import main
from membudget.core.quantities import MIB
from tests.support.history import NOW, line, text
from tests.support.repository import Repository

pytestmark = pytest.mark.thorough


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository with three commits, of which the second has figures."""
    one = Repository.new(tmp_path / "shop")
    for number in range(3):
        one.commit(f"commit {number}", {"file": str(number)})
    sha = one.git("rev-parse", "HEAD~1")
    kept = line(sha, 73).model_copy(update={"budget": 96 * MIB})
    GitHistory(GitRepository(one.folder), DEFAULT_PLACE).append({sha: text(kept)})
    monkeypatch.chdir(one.folder)
    return one


def badge(*arguments: str) -> int:
    return main(["history", "badge", *arguments])


def test_the_newest_figure_counts_however_far_back(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    assert badge("api", "--format", "shields") == 0
    assert json.loads(capsys.readouterr().out)["message"] == "73 of 96 MiB"


def test_of_two_kinds_of_machines_the_last_one_counts(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    sha = repository.git("rev-parse", "HEAD~1")
    later = line(sha, 80).model_copy(update={"machine": "another", "time": NOW + timedelta(hours=1)})
    GitHistory(GitRepository(repository.folder), DEFAULT_PLACE).append({sha: text(later)})
    assert badge("api", "--format", "shields") == 0
    assert json.loads(capsys.readouterr().out)["message"].startswith("80")


def test_it_is_written_to_a_file(repository: Repository) -> None:
    assert badge("api", "--label", "api peak", "--output", "badge.svg") == 0
    assert "<title>api peak: 73 of 96 MiB</title>" in (repository.folder / "badge.svg").read_text()


def test_a_dash_prints_the_badge(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    assert badge("api", "--output", "-") == 0
    assert "73 of 96 MiB" in capsys.readouterr().out
    assert not (repository.folder / "-").exists()


def test_an_image_without_figures_is_unknown(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    assert badge("web", "--format", "shields") == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["color"] == "lightgrey"
    assert "no peak_rss of web" in said.err


def test_a_metric_that_does_not_exist_is_named(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    assert badge("api", "--metric", "weight") == 2
    assert "there is no metric weight" in capsys.readouterr().err
