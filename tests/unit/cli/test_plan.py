"""Which jobs measure which images, by the times that the history knows."""

import json
import random
from pathlib import Path

import pytest

from membudget.build.git import GitRepository
from membudget.build.history_place import DEFAULT_PLACE, parse_place
from membudget.cli.history_store import HistorySource, store_of
from membudget.cli.plan import matrix
from membudget.core.metrics import Metric
from membudget.measure.cache import Took, remember_durations
from tests.support.history import clone, line, text
from tests.support.repository import Repository

BUDGETS = 'version = 1\n[defaults]\nlimit = "64MiB"\n'
MINUTES = 60_000


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    made = Repository.new(tmp_path / "repository")
    monkeypatch.chdir(made.folder)
    monkeypatch.setenv("MEMBUDGET_CACHE_DIR", str(tmp_path / "cache"))
    return made


def plan(repository: Repository, images: list[str], shards: int = 2, place: str = "notes") -> list[list[str]]:
    names = "".join(f"[images.{name}]\n" for name in images)
    (repository.folder / "budgets.toml").write_text(BUDGETS + names)
    (repository.folder / "Dockerfile").write_text("FROM scratch\n")
    jobs = json.loads(matrix(Path("budgets.toml"), shards, Took.CHECK, HistorySource(parse_place(place))))
    return [job["images"].split() for job in jobs["include"]]


def keep(repository: Repository, sha: str, **minutes: float) -> None:
    """Keep how long images took at a commit."""
    lines = [
        line(sha, image=name, metric=Metric.PEAK_RSS).model_copy(update={"took_ms": round(MINUTES * took)})
        for name, took in minutes.items()
    ]
    store_of(GitRepository(repository.folder), DEFAULT_PLACE, HistorySource().token).append({sha: text(*lines)})


@pytest.mark.thorough
def test_the_slowest_image_of_the_history_gets_a_job_of_its_own(repository: Repository) -> None:
    keep(repository, repository.commit("one"), api=2, web=9, db=3)
    keep(repository, repository.commit("two"), api=2, db=3)
    assert plan(repository, ["api", "web", "db"]) == [["web"], ["api", "db"]]


@pytest.mark.thorough
def test_one_check_with_an_empty_build_cache_moves_nothing(repository: Repository) -> None:
    for took in (9, 8, 9):
        keep(repository, repository.commit("as usual"), api=1, web=took, db=2)
    keep(repository, repository.commit("cold"), api=60, web=9, db=2)
    assert plan(repository, ["api", "web", "db"]) == [["web"], ["api", "db"]]


@pytest.mark.thorough
def test_an_unknown_image_counts_as_the_median(repository: Repository) -> None:
    keep(repository, repository.commit("one"), a=1, b=10, c=100)
    assert plan(repository, ["a", "b", "c", "new"]) == [["c"], ["a", "b", "new"]]


@pytest.mark.thorough
def test_without_a_history_the_cache_of_this_machine_counts(repository: Repository, tmp_path: Path) -> None:
    repository.commit("one")
    remember_durations(tmp_path / "cache", {"api": 2, "web": 9, "db": 3})
    assert plan(repository, ["api", "web", "db"]) == [["web"], ["api", "db"]]


@pytest.mark.thorough
def test_the_source_that_knows_more_images_counts(repository: Repository, tmp_path: Path) -> None:
    keep(repository, repository.commit("one"), api=99)
    remember_durations(tmp_path / "cache", {"api": 2, "web": 9, "db": 3})
    assert plan(repository, ["api", "web", "db"]) == [["web"], ["api", "db"]]


@pytest.mark.thorough
def test_a_history_that_cannot_be_read_is_told_and_fails_no_plan(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.commit("one")
    repository.git("remote", "add", "origin", "http://127.0.0.1:9/none.git")
    assert sorted(plan(repository, ["api", "web"])) == [["api"], ["web"]]
    assert "the history is not used to balance the jobs: " in capsys.readouterr().err


@pytest.mark.thorough
def test_damaged_lines_and_forged_times_leave_no_image_out(repository: Repository) -> None:
    sha = repository.commit("one")
    keep(repository, sha, api=7 * 24 * 60)
    forged = text(line(sha, image="web")).replace(b'"trials"', b'"took_ms":-1e999,"trials"')
    store_of(GitRepository(repository.folder), DEFAULT_PLACE, HistorySource().token).append({sha: forged + b"{[\xff\n"})
    assert sorted(name for job in plan(repository, ["api", "web", "db"]) for name in job) == ["api", "db", "web"]


@pytest.mark.thorough
def test_a_shallow_clone_is_told_how_to_see_the_history(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(repository, repository.commit("one"), api=1, web=2)
    repository.commit("two")
    shallow = clone(f"file://{repository.folder}", tmp_path / "shallow", "--depth=1")
    monkeypatch.chdir(shallow.folder)
    assert sorted(plan(shallow, ["api", "web"])) == [["api"], ["web"]]
    assert "Give actions/checkout `fetch-depth: 500`" in capsys.readouterr().err


@pytest.mark.thorough
def test_no_job_takes_much_longer_than_its_share(repository: Repository) -> None:
    """The figures of a fleet: 300 images, from seconds to an hour, on 2 to 16 runners."""
    chance = random.Random(26)
    took = {f"image-{number}": min(60.0, chance.lognormvariate(0.5, 1)) for number in range(300)}
    keep(repository, repository.commit("one"), **took)
    for shards in (2, 4, 16):
        parts = plan(repository, list(took), shards)
        loads = [sum(took[name] for name in part) for part in parts]
        assert max(loads) <= 1.01 * max(sum(took.values()) / shards, *took.values())
