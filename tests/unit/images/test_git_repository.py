import os
import subprocess
from pathlib import Path

import pytest

from membudget.errors import ConfigurationError, EnvironmentFault
from membudget.images.git_repository import GitRepository
from membudget.images.revision import Commit
from tests.support.repository import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository.new(tmp_path / "repository")
    made.commit("first", {"file": "one"})
    return made


def head(git: GitRepository) -> Commit:
    commit = git.commit("HEAD")
    assert commit is not None
    return commit


def worktrees(repository: Repository) -> int:
    return len(repository.git("worktree", "list").splitlines())


def test_a_checkout_is_clean_and_goes_away(repository: Repository, tmp_path: Path) -> None:
    (repository.folder / "file").write_text("changed")
    (repository.folder / "untracked").touch()
    git = GitRepository(repository.folder)
    with git.checkout(head(git), tmp_path / "checkout") as folder:
        assert (folder / "file").read_text() == "one"
        assert sorted(path.name for path in folder.iterdir()) == ["file"]  # and no .git
    assert not (tmp_path / "checkout").exists()
    assert worktrees(repository) == 1


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_checkout_goes_away_on_every_path(repository: Repository, tmp_path: Path, error: type[BaseException]) -> None:
    git = GitRepository(repository.folder)
    with pytest.raises(error), git.checkout(head(git), tmp_path / "checkout"):
        raise error
    assert not (tmp_path / "checkout").exists()
    assert worktrees(repository) == 1


def test_two_checkouts_of_one_commit(repository: Repository, tmp_path: Path) -> None:
    git = GitRepository(repository.folder)
    with git.checkout(head(git), tmp_path / "one") as one, git.checkout(head(git), tmp_path / "two") as two:
        assert (one / "file").read_text() == (two / "file").read_text()


def test_the_users_hooks_and_environment_stay_out(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = repository.folder / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hooked\n")
    hook.chmod(0o755)
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_WORK_TREE", "/nonexistent")
    git = GitRepository(repository.folder)
    with git.checkout(head(git), tmp_path / "checkout"):
        pass
    assert not (tmp_path / "hooked").exists()


def test_a_repository_of_another_user(repository: Repository) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    subprocess.run(["chown", "--recursive", "1234:1234", str(repository.folder)], check=True)
    assert head(GitRepository(repository.folder, {**os.environ, "HOME": "/nonexistent"})).subject == "first"


def test_files_of_a_commit(repository: Repository) -> None:
    git = GitRepository(repository.folder)
    repository.write({"file": "changed"})
    assert git.file_at(head(git), "file") == "one"
    assert git.file_at(head(git), "none") is None
    assert git.uncommitted() == ["file"]


def test_a_subject_may_hold_anything(repository: Repository) -> None:
    repository.commit("\x1b[31mred\x1b[0m ` | <b>")
    assert head(GitRepository(repository.folder)).subject == "\x1b[31mred\x1b[0m ` | <b>"


def test_a_carriage_return_in_a_name_makes_no_parent(repository: Repository) -> None:
    forged = f"Eve\rparent {'0' * 40}\x0bparent {'1' * 40}"
    first = repository.git("rev-parse", "HEAD")
    repository.git("commit", "--quiet", "--allow-empty", f"--author={forged} <eve@localhost>", "--message", "a\rb")
    git = GitRepository(repository.folder)
    assert git.parents(head(git)) == [first]
    assert head(git).subject == "a\rb"


@pytest.mark.parametrize("revision", ["", "^main", "main..main", "HEAD^{tree}", "HEAD:file", "--all", "main --"])
def test_what_names_no_commit_is_none(repository: Repository, revision: str) -> None:
    assert GitRepository(repository.folder).commit(revision) is None


def test_branches_tags_and_beginnings_of_ids_name_commits(repository: Repository) -> None:
    repository.git("tag", "--annotate", "--message", "tagged", "v1")
    sha = repository.git("rev-parse", "HEAD")
    git = GitRepository(repository.folder)
    assert {git.commit(revision) for revision in ("main", "v1", "HEAD", sha, sha[:8])} == {Commit(sha, "first")}


def test_no_repository_no_commit_no_git(tmp_path: Path, repository: Repository) -> None:
    with pytest.raises(ConfigurationError, match="is not in a git repository"):
        GitRepository(tmp_path)
    empty = Repository.new(tmp_path / "empty")
    assert GitRepository(empty.folder).commit("HEAD") is None
    with pytest.raises(EnvironmentFault, match="git is not installed"):
        GitRepository(repository.folder, {"PATH": "/nonexistent"})


def test_the_same_content_has_the_same_name_in_every_commit(repository: Repository) -> None:
    git = GitRepository(repository.folder)
    repository.commit("more", {"api/main.py": "1", "a b/*/:x": "odd", "lib/x": "1"})
    before = head(git)
    repository.commit("other", {"api/main.py": "2", "README": "new"})
    after = head(git)

    def same(*paths: str) -> bool:
        return git.content_of(before, paths) == git.content_of(after, paths)

    assert same("lib", "lib/x", "a b/*/:x", "a b", "file")
    assert same("nowhere", ":(exclude)lib", "*")
    assert not same("api")
    assert not same("api/main.py")
    assert not same(".")
    assert not same("README")
    assert git.content_of(after, ["lib/x"]) != git.content_of(after, ["file"])
