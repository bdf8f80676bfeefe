import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from membudget.build.file_tree import content_names
from membudget.build.git import GitRepository
from membudget.build.git_workspace import workspace
from membudget.build.revision import Commit
from membudget.core.errors import EnvironmentFault
from membudget.engine.run_id import RunId, own_run_id
from tests.support.repository import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.new(tmp_path / "repository")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.thorough
def test_both_checkouts_lie_in_a_folder_that_only_we_may_enter(repository: Repository, temporary: Path) -> None:
    base = Commit(repository.commit("base", {"file": "one"}), "base")
    head = Commit(repository.commit("head", {"file": "two"}), "head")
    with workspace(GitRepository(repository.folder), own_run_id()) as checkouts:
        (folder,) = temporary.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
        with checkouts.checkout(base) as one, checkouts.checkout(head) as two:
            assert ((one / "file").read_text(), (two / "file").read_text()) == ("one", "two")
            assert {one.parent, two.parent} == {folder}
        assert list(folder.iterdir()) == []
    assert list(temporary.iterdir()) == []


def content(repository: Repository, change: Callable[[Path], object], *paths: str) -> tuple[str, ...] | None:
    """What names the content of paths after a change of the repository that is committed."""
    change(repository.folder)
    head = Commit(repository.commit("change"), "change")
    with workspace(GitRepository(repository.folder), own_run_id()) as checkouts, checkouts.checkout(head) as folder:
        return content_names(folder, paths)


@pytest.mark.thorough
@pytest.mark.usefixtures("temporary")
def test_the_same_content_has_the_same_name_in_every_checkout(repository: Repository) -> None:
    repository.commit("first", {"data/a": "a", "data/more/b": "b", "other": "a"})
    before = content(repository, lambda _: None, "data", "data/a")
    assert before is not None
    assert content(repository, lambda top: (top / "other").write_text("b"), "data", "data/a") == before
    assert content(repository, lambda top: (top / "data/a").chmod(0o755), "data", "data/a") != before
    assert content(repository, lambda top: (top / "data/a").chmod(0o644), "data", "data/a") == before
    assert content(repository, lambda top: (top / "data/more/b").write_text("c"), "data", "data/a") != before
    assert content(repository, lambda _: None, "data/a", "other") != content(repository, lambda _: None, "other")


@pytest.mark.thorough
@pytest.mark.usefixtures("temporary")
def test_links_on_the_way_are_followed(repository: Repository) -> None:
    """What they lead to is given to the container: it may change although the link does not."""
    repository.commit("first", {"real/data/a": "a"})
    (repository.folder / "file").symlink_to("real/data/a")
    (repository.folder / "folder").symlink_to("real")
    paths = ("file", "folder/data", "folder/data/a")
    before = content(repository, lambda _: None, *paths)
    after = content(repository, lambda top: (top / "real/data/a").write_text("b"), *paths)
    assert before is not None
    assert after is not None
    assert all(one != other for one, other in zip(before, after, strict=True))


@pytest.mark.thorough
@pytest.mark.usefixtures("temporary")
@pytest.mark.parametrize("path", ["data", "nowhere", "out", "data/b"])
def test_what_may_change_without_a_trace_has_no_name(repository: Repository, path: str) -> None:
    """A folder with links in it, and what is not in the checkout."""
    repository.commit("first", {"data/a": "a", "c": "c"})
    (repository.folder / "data/b").symlink_to("../nothing")
    (repository.folder / "out").symlink_to("/etc/passwd")
    assert content(repository, lambda _: None, "data/a", path) is None


@pytest.mark.thorough
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_all_of_it_goes_away_on_every_path(repository: Repository, temporary: Path, error: type[BaseException]) -> None:
    head = Commit(repository.commit("head", {"file": "one"}), "head")
    git = GitRepository(repository.folder)
    with pytest.raises(error), workspace(git, own_run_id()) as checkouts, checkouts.checkout(head):
        raise error
    assert list(temporary.iterdir()) == []
    assert len(repository.git("worktree", "list").splitlines()) == 1


@pytest.mark.thorough
def test_a_commit_that_cannot_be_checked_out_leaves_nothing(repository: Repository, temporary: Path) -> None:
    repository.commit("head")
    git = GitRepository(repository.folder)
    with (
        pytest.raises(EnvironmentFault, match="git worktree add failed"),
        workspace(git, own_run_id()) as checkouts,
        checkouts.checkout(Commit("0" * 40, "nothing")),
    ):
        pytest.fail("it was checked out")
    assert list(temporary.iterdir()) == []
    assert len(repository.git("worktree", "list").splitlines()) == 1


def test_what_dead_runs_left_is_removed_and_nothing_else(repository: Repository, temporary: Path) -> None:
    run = own_run_id()
    dead = dataclasses.replace(run, owner=dataclasses.replace(run.owner, start_ticks=run.owner.start_ticks + 1))
    elsewhere = dataclasses.replace(run, owner=dataclasses.replace(run.owner, boot="00000000"))
    living = RunId.new(run.owner, run.started_at)
    kept = [f"membudget-{elsewhere}", f"membudget-{living}", "membudget-xyz", f"other-{dead}"]
    for name in (f"membudget-{dead}", *kept):
        (temporary / name / "folder").mkdir(parents=True)
    with workspace(GitRepository(repository.folder), run):
        assert {folder.name for folder in temporary.iterdir()} == {*kept, f"membudget-{run}"}
    assert {folder.name for folder in temporary.iterdir()} == set(kept)
