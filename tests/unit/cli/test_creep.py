"""What a check finds in the history of a real repository for its creep budgets."""

from dataclasses import replace
from pathlib import Path

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets import guard
from membudget.budgets.entries import Budgets
from membudget.budgets.guard import Rules
from membudget.budgets.loosening import Approval
from membudget.build.git import GitRepository
from membudget.build.git_history import GitHistory
from membudget.build.history_folder import FolderHistory
from membudget.build.history_place import DEFAULT_PLACE, parse_place
from membudget.build.revision import Commit, NoBase
from membudget.check.check import CheckRequest
from membudget.cli.creep import with_creep
from membudget.cli.history_store import HistorySource
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.judge.then import Then, ThenState
from tests.support.git_server import bare_repository
from tests.support.history import MACHINE, clone, line, text
from tests.support.repository import Repository

pytestmark = pytest.mark.thorough


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A clone of a repository whose second commit of four has the tag v1."""
    bare = bare_repository(tmp_path / "origin.git")
    one = clone(str(bare), tmp_path / "clone")
    for number in range(4):
        one.commit(f"commit {number}", {"file": str(number)})
        if number == 1:
            one.git("tag", "v1")
    one.git("push", "--quiet", "origin", "HEAD:main", "v1")
    return one


def sha(repository: Repository, revision: str) -> str:
    return repository.git("rev-parse", revision)


def record(repository: Repository, **mib: float) -> None:
    """Keep figures of commits, named by how many commits of main are newer: `c0` is the newest."""
    lines = {}
    for name, value in mib.items():
        commit = sha(repository, f"HEAD~{name[1:]}")
        lines[commit] = text(line(commit, value))
    GitHistory(GitRepository(repository.folder), DEFAULT_PLACE).push(lines)


def request(
    repository: Repository, since: str = "last-tag", *, is_based: bool = True, creep: bool = True
) -> CheckRequest:
    """A check of the newest commit, or of one on top of it."""
    budget = f'creep = {{ since = "{since}", percent = 10, floor = "1MiB" }}' if creep else 'max = "60MiB"'
    file = f'version = 1\n[images.api]\nlimit = "64MiB"\nbudgets.peak_rss = {{ {budget} }}\n'
    rules: Rules = guard.rules(budgets_file.parse_budgets(file, "budgets.toml"), Budgets(), Approval.NOT_ASKED)
    tip = Commit(sha(repository, "HEAD"), "")
    of_base = {name: one.spec for name, one in rules.images.items()}
    return CheckRequest(tip, tip if is_based else NoBase("none"), rules, of_base)


def then(repository: Repository, asked: CheckRequest, source: HistorySource | None = None) -> Then:
    found = with_creep(asked, GitRepository(repository.folder), source or HistorySource(), MACHINE)
    return found.then["api", Metric.PEAK_RSS]


def mib(found: Then) -> float | None:
    return found.value.value / MIB if found.value.value is not None else None


@pytest.mark.parametrize(("since", "value"), [("last-tag", 40), ("v1", 40), ("90d", 30), ("1d", 30), ("main", 60)])
def test_the_time_is_a_tag_a_date_or_a_revision(repository: Repository, since: str, value: float) -> None:
    record(repository, c3=30, c2=40, c1=50, c0=60)
    assert mib(then(repository, request(repository, since))) == value


def test_without_a_base_the_heads_own_figures_do_not_count(repository: Repository) -> None:
    record(repository, c0=60, c1=50)
    asked = request(repository, "main", is_based=False)
    assert mib(then(repository, asked)) == 50


def test_a_tag_of_another_branch_stands_for_where_it_left(repository: Repository) -> None:
    record(repository, c3=30, c2=40, c1=50, c0=60)
    repository.git("checkout", "--quiet", "-b", "release", "HEAD~2")
    repository.commit("a fix", {"fix": "x"})
    repository.git("tag", "v1.1")
    repository.git("checkout", "--quiet", "main")
    assert mib(then(repository, request(repository, "v1.1"))) == 40


def test_nothing_is_read_without_creep_budgets(repository: Repository) -> None:
    repository.git("remote", "set-url", "origin", "/nowhere")
    asked = request(repository, creep=False)
    assert with_creep(asked, GitRepository(repository.folder), HistorySource(), MACHINE) is asked


def test_a_repository_without_history_is_a_first_set_up(repository: Repository) -> None:
    assert then(repository, request(repository)).state is ThenState.NO_HISTORY
    repository.git("tag", "--delete", "v1")
    repository.git("push", "--quiet", "origin", ":v1")
    record(repository, c2=40)
    assert then(repository, request(repository)).state is ThenState.NO_HISTORY


def test_a_remote_that_does_not_answer_is_no_first_set_up(repository: Repository) -> None:
    repository.git("remote", "set-url", "origin", "/nowhere")
    found = then(repository, request(repository))
    assert found.state is ThenState.UNKNOWN
    assert "the history cannot be fetched" in (found.value.reason or "")
    local = then(repository, replace(request(repository), is_local=True))
    assert local.state is ThenState.EXCUSED


def test_a_shallow_clone_is_no_first_set_up(repository: Repository, tmp_path: Path) -> None:
    record(repository, c2=40)
    shallow = Repository(tmp_path / "shallow")
    repository.git("clone", "--quiet", "--depth", "1", f"file://{tmp_path}/origin.git", str(shallow.folder))
    found = then(shallow, request(shallow))
    assert (found.state, "fetch-depth: 0" in (found.value.reason or "")) == (ThenState.UNKNOWN, True)


def test_a_clone_without_tags_asks_the_remote(repository: Repository, tmp_path: Path) -> None:
    record(repository, c3=30, c2=40, c0=60)
    other = Repository(tmp_path / "other")
    repository.git("clone", "--quiet", "--no-tags", f"file://{tmp_path}/origin.git", str(other.folder))
    assert mib(then(other, request(other))) == 40
    repository.git("push", "--quiet", "origin", ":v1")
    assert then(other, request(other)).state is ThenState.NO_HISTORY
    other.git("remote", "remove", "origin")
    folder = tmp_path / "memory"
    folder.mkdir()
    found = then(other, request(other), HistorySource(parse_place(f"folder:{folder}")))
    assert (found.state, "no tag" in (found.value.reason or "")) == (ThenState.UNKNOWN, True)


def test_without_a_remote_a_server_job_does_not_pass(repository: Repository) -> None:
    record(repository, c2=40)
    repository.git("remote", "remove", "origin")
    found = then(repository, request(repository))
    assert (found.state, "no remote `origin`" in (found.value.reason or "")) == (ThenState.UNKNOWN, True)
    assert then(repository, replace(request(repository), is_local=True)).state is ThenState.FOUND


def test_a_history_that_git_cannot_read_is_no_first_set_up(repository: Repository) -> None:
    (repository.folder / ".git" / "refs" / "notes").mkdir()
    (repository.folder / ".git" / DEFAULT_PLACE.name).write_text("1" * 40 + "\n")
    found = then(repository, request(repository))
    assert (found.state, "cannot be read" in (found.value.reason or "")) == (ThenState.UNKNOWN, True)
    assert then(repository, replace(request(repository), is_local=True)).state is ThenState.EXCUSED


def test_a_branch_that_git_cannot_read_is_no_first_set_up(repository: Repository) -> None:
    record(repository, c2=40)
    first = sha(repository, "HEAD~3")
    (repository.folder / ".git" / "objects" / first[:2] / first[2:]).unlink()
    assert then(repository, request(repository)).state is ThenState.UNKNOWN


def test_a_revision_that_is_not_there_is_named(repository: Repository) -> None:
    found = then(repository, request(repository, "v9"))
    assert (found.state, found.value.reason) == (ThenState.UNKNOWN, "v9 is not a commit of this clone: fetch it")


def test_a_folder_that_a_pull_request_can_write_to_is_not_trusted(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository.folder)
    commit = sha(repository, "HEAD~2")
    for folder, state in (("memory", ThenState.UNKNOWN), (str(tmp_path / "memory"), ThenState.FOUND)):
        FolderHistory(Path(folder)).append({commit: text(line(commit))})
        source = HistorySource(parse_place(f"folder:{folder}"))
        assert then(repository, request(repository), source).state is state


def test_a_folder_that_is_not_there_is_no_first_set_up(repository: Repository, tmp_path: Path) -> None:
    source = HistorySource(parse_place(f"folder:{tmp_path / 'volume'}"))
    found = then(repository, request(repository), source)
    assert (found.state, "mount it" in (found.value.reason or "")) == (ThenState.UNKNOWN, True)
    (tmp_path / "volume").mkdir()
    assert then(repository, request(repository), source).state is ThenState.NO_HISTORY


def test_a_new_image_passes_beside_damaged_lines_that_name_no_image(repository: Repository) -> None:
    commit = sha(repository, "HEAD~2")
    GitHistory(GitRepository(repository.folder), DEFAULT_PLACE).push({commit: b"damaged\n"})
    new = replace(request(repository), base_images={})
    assert then(repository, new).state is ThenState.NO_HISTORY
    unknown_base = replace(new, base_problem="the base's budgets file cannot be read")
    assert then(repository, unknown_base).state is ThenState.UNKNOWN
    assert then(repository, replace(new, base=NoBase("none"))).state is ThenState.UNKNOWN


def test_damaged_lines_are_named_in_the_report(repository: Repository) -> None:
    commit = sha(repository, "HEAD~2")
    GitHistory(GitRepository(repository.folder), DEFAULT_PLACE).push({commit: b"damaged\n"})
    found = with_creep(request(repository), GitRepository(repository.folder), HistorySource(), MACHINE)
    assert found.then["api", Metric.PEAK_RSS].state is ThenState.UNKNOWN
    assert found.notes == (f"history: 1 line is damaged, first at {commit[:12]}. membudget skipped it",)
