"""`membudget history page` on a real repository."""

import sys
from pathlib import Path
from typing import Any

import pytest

from membudget.build.git import GitRepository
from membudget.build.git_history import GitHistory
from membudget.build.history_place import DEFAULT_PLACE
from membudget.cli.main import main
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.history.step_line import StepLine, StepOutcome
from tests.support.history import MACHINE, NOW, line, text
from tests.support.hostile_report import HOSTILE
from tests.support.repository import Repository
from tests.unit.report.page.test_page import data

pytestmark = pytest.mark.thorough


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository with four commits, of which three have figures, and two tags of one commit."""
    for name in ("CI_PROJECT_URL", "GITHUB_SERVER_URL", "GITHUB_REPOSITORY"):
        monkeypatch.delenv(name, raising=False)
    one = Repository.new(tmp_path / "shop")
    store = GitHistory(GitRepository(one.folder), DEFAULT_PLACE)
    for number in range(4):
        one.commit(HOSTILE[1] if number == 2 else f"commit {number}", {"file": str(number)})
        sha = one.git("rev-parse", "HEAD")
        if number != 1:
            store.append({sha: text(line(sha, 40 + number), line(sha, 5, image="web"))})
    one.git("tag", "v1", "HEAD~1")
    one.git("tag", "--annotate", "--message", "the first", "v1.0", "HEAD~1")
    monkeypatch.chdir(one.folder)
    return one


def page(repository: Repository, *arguments: str) -> dict[str, Any]:
    assert main(["history", "page", "--no-fetch", *arguments]) == 0
    return data((repository.folder / "trend.html").read_text())


def test_every_commit_image_and_release_is_there(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    shown = page(repository)
    assert [image["name"] for image in shown["images"]] == ["api", "web"]
    assert len(shown["commits"]) == 4
    assert shown["images"][0]["metrics"][0]["at"] == [0, 2, 1]
    assert shown["releases"] == [[2, "v1, v1.0"]]
    assert shown["title"] == "shop: 2 images over 4 commits"
    assert "trend.html shows 2 images over 4 commits" in capsys.readouterr().out


def test_images_metrics_and_commits_are_chosen(repository: Repository) -> None:
    assert [image["name"] for image in page(repository, "web")["images"]] == ["web"]
    assert page(repository, "--metric", "image_size")["images"] == []
    assert len(page(repository, "--last", "2")["commits"]) == 2


def test_commits_have_links_if_their_address_is_known(repository: Repository) -> None:
    assert page(repository)["commitPages"] is None
    given = "https://git.example.com/shop/commit/"
    assert page(repository, "--commit-pages", given)["commitPages"] == given
    repository.git("remote", "add", "origin", "https://user:secret@github.com/octo/shop.git")
    shown = page(repository)
    assert shown["commitPages"] == "https://github.com/octo/shop/commit/"
    assert "secret" not in (repository.folder / "trend.html").read_text()


def test_a_dash_prints_the_page(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", "page", "--no-fetch", "--output", "-"]) == 0
    assert len(data(capsys.readouterr().out)["images"]) == 2
    assert not (repository.folder / "-").exists()


def test_what_is_no_address_is_refused(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", "page", "--commit-pages", "javascript:alert(1)//"]) == 2
    assert "is not a web address" in capsys.readouterr().err


def test_without_otava_the_page_says_that_steps_are_not_marked(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "otava.analysis", None)
    (remark,) = page(repository)["remarks"]
    assert remark[0].startswith("Suspected steps are not marked: Apache Otava is missing")


def test_confirmed_steps_are_marked_also_without_otava(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "otava.analysis", None)
    since, commit = repository.git("rev-parse", "HEAD~1"), repository.git("rev-parse", "HEAD")
    found = StepLine(
        image="api", metric=Metric.PEAK_RSS, commit=commit, since=since, outcome=StepOutcome.CONFIRMED, time=NOW,
        machine=MACHINE, membudget="0.1.0",
    )  # fmt: skip
    GitHistory(GitRepository(repository.folder), DEFAULT_PLACE).append({commit: found.text() + b"\n"})
    assert page(repository)["images"][0]["metrics"][0]["steps"] == [[3, 42 * MIB, 43 * MIB, True, True]]


def test_damaged_lines_are_told(repository: Repository) -> None:
    sha = repository.git("rev-parse", "HEAD")
    GitHistory(GitRepository(repository.folder), DEFAULT_PLACE).append({sha: b'{"v":1,"image":"ap\n'})
    assert any("1 " in remark[0] and "line" in remark[0] for remark in page(repository)["remarks"])


def test_a_repository_without_history_has_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Repository.new(tmp_path / "empty")
    one.commit("first", {"file": "x"})
    monkeypatch.chdir(one.folder)
    assert page(one)["title"] == "empty: the history has no figures yet"
