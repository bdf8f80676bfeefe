"""The last values of main that a check stores for its comment, from a real repository."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from membudget.build.git import GitRepository
from membudget.build.history_place import parse_place
from membudget.check.check import CheckRequest
from membudget.cli.history_store import HistorySource
from membudget.cli.recent import with_recent
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from tests.support.git_server import bare_repository
from tests.support.history import MACHINE, clone
from tests.support.repository import Repository
from tests.unit.cli.test_creep import record, request

pytestmark = pytest.mark.thorough


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A clone of a repository with five commits."""
    one = clone(str(bare_repository(tmp_path / "origin.git")), tmp_path / "clone")
    for number in range(5):
        one.commit(f"commit {number}", {"file": str(number)})
    one.git("push", "--quiet", "origin", "HEAD:main")
    return one


def recent(repository: Repository, asked: CheckRequest, source: HistorySource | None = None) -> list[float]:
    found = with_recent(asked, GitRepository(repository.folder), source or HistorySource(), MACHINE)
    return [value / MIB for value in found.recent.get(("api", Metric.PEAK_RSS), ())]


def test_the_values_up_to_the_base_are_found_oldest_first(repository: Repository) -> None:
    record(repository, c3=30, c1=50, c0=60)
    assert recent(repository, request(repository, creep=False)) == [30, 50, 60]
    assert recent(repository, request(repository, creep=False, is_based=False)) == [30, 50]


def test_a_fresh_clone_fetches_them_and_a_laptop_shows_what_it_has(repository: Repository, tmp_path: Path) -> None:
    record(repository, c1=50)
    fresh = clone(repository.git("remote", "get-url", "origin"), tmp_path / "fresh")
    asked = request(fresh, creep=False)
    assert recent(fresh, replace(asked, is_local=True)) == []
    assert recent(fresh, asked) == [50]
    assert recent(fresh, replace(asked, is_local=True)) == [50]


def test_untouched_images_are_not_looked_up(repository: Repository) -> None:
    record(repository, c0=50)
    assert recent(repository, replace(request(repository, creep=False), untouched=frozenset({"api"}))) == []


@pytest.mark.parametrize("address", ["/nowhere", "https://localhost:1/x"])
def test_a_remote_that_does_not_answer_shows_nothing(repository: Repository, address: str) -> None:
    repository.git("remote", "set-url", "origin", address)
    assert recent(repository, request(repository, creep=False)) == []


def test_a_remote_that_never_answers_is_not_waited_for(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("membudget.cli.recent._LONGEST_FETCH_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        repository.git("remote", "set-url", "origin", f"git://127.0.0.1:{silent.getsockname()[1]}/shop.git")
        assert recent(repository, request(repository, creep=False)) == []


def shallow(repository: Repository, folder: Path, depth: int) -> Repository:
    origin = repository.git("remote", "get-url", "origin")
    return clone(f"file://{origin}", folder, f"--depth={depth}")


def test_a_clone_with_fewer_commits_than_a_picture_needs_asks_nobody(repository: Repository, tmp_path: Path) -> None:
    """The base is one of the two commits of the workflow that `init` writes."""
    record(repository, c2=30, c1=40, c0=50)
    cut = shallow(repository, tmp_path / "shallow", 2)
    assert recent(cut, request(cut, creep=False)) == []
    assert "refs/membudget" not in cut.git("for-each-ref")


def test_a_shallow_clone_shows_the_values_of_its_commits(repository: Repository, tmp_path: Path) -> None:
    record(repository, c4=10, c2=30, c1=40, c0=50)
    cut = shallow(repository, tmp_path / "shallow", 3)
    assert recent(cut, request(cut, creep=False)) == [30, 40, 50]


def test_the_order_of_a_shallow_clone_is_that_of_the_branch(repository: Repository, tmp_path: Path) -> None:
    """What was merged is no value of main, also if it is within the depth."""
    repository.git("checkout", "--quiet", "-b", "topic", "HEAD~1")
    repository.commit("topic", {"other": "1"})
    repository.git("checkout", "--quiet", "-")
    repository.git("merge", "--quiet", "--no-ff", "-m", "merge", "topic")
    repository.git("push", "--quiet", "origin", "HEAD:main")
    record(repository, **{"c0^2": 99}, c2=30, c1=40, c0=50)
    cut = shallow(repository, tmp_path / "shallow", 3)
    assert recent(cut, request(cut, creep=False)) == [30, 40, 50]


def test_a_folder_in_the_working_tree_is_not_read(repository: Repository) -> None:
    folder = repository.folder / "history"
    folder.mkdir()
    source = HistorySource(parse_place(f"folder:{folder}"))
    assert recent(repository, request(repository, creep=False), source) == []
