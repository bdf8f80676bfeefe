"""Submodules: checked out from the clone, or told to be missing. Never an empty folder that nobody speaks of."""

import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from membudget.budgets.entries import Build
from membudget.build.git import GitRepository
from membudget.build.git_workspace import Workspace, check_build, check_given, workspace
from membudget.build.revision import Commit
from membudget.core.errors import BuildFailed, ConfigurationError
from membudget.engine.run_id import own_run_id
from tests.support.repository import Repository

_LOCAL = ("-c", "protocol.file.allow=always")


@pytest.fixture
def work(tmp_path: Path) -> Repository:
    """A repository with the submodule vendor/lib, which has the submodule deep."""
    for name in ("deep", "lib", "work"):
        Repository.new(tmp_path / name).commit("First", {f"{name}.txt": name})
    lib, made = Repository(tmp_path / "lib"), Repository(tmp_path / "work")
    for inside, source, path in ((lib, "deep", "deep"), (made, "lib", "vendor/lib")):
        inside.git(*_LOCAL, "submodule", "--quiet", "add", str(tmp_path / source), path)
        inside.commit("Add a submodule")
    made.git(*_LOCAL, "submodule", "--quiet", "update", "--init", "--recursive")
    made.commit("More", {"api/Dockerfile": "FROM scratch\n"})
    return made


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def checkouts(work: Repository, temporary: Path) -> Iterator[Workspace]:
    with workspace(GitRepository(work.folder), own_run_id()) as made:
        yield made
    assert list(temporary.iterdir()) == []


def head(work: Repository) -> Commit:
    commit = GitRepository(work.folder).commit("HEAD")
    assert commit is not None
    return commit


def worktrees(folder: Path) -> int:
    return len(Repository(folder).git("worktree", "list").splitlines())


@pytest.mark.thorough
def test_submodules_are_checked_out_as_the_commit_names_them(work: Repository, checkouts: Workspace) -> None:
    before = head(work)
    Repository(work.folder / "vendor/lib").commit("Later", {"lib.txt": "later"})
    work.commit("Take the later one")
    with checkouts.checkout(before) as one, checkouts.checkout(head(work)) as other:
        assert (one / "vendor/lib/lib.txt").read_text() == "lib"
        assert (one / "vendor/lib/deep/deep.txt").read_text() == "deep"
        assert (other / "vendor/lib/lib.txt").read_text() == "later"
        assert not any(path.name == ".git" for path in one.rglob("*"))
        assert checkouts.missing_submodules(one) == checkouts.missing_submodules(other) == ()
    for folder in (work.folder, work.folder / "vendor/lib", work.folder / "vendor/lib/deep"):
        assert worktrees(folder) == 1


def lacked(checkouts: Workspace, checkout: Path, context: str) -> str | None:
    """Which submodule a build from `context` lacks. A container that is given the folder lacks the same."""
    missing = checkouts.missing_submodules(checkout)
    said: list[str | None] = []
    checks: tuple[Callable[[], None], ...] = (
        lambda: check_build(missing, checkout, Build(context=context)),
        lambda: check_given(missing, checkout, ["api", context], "images.api"),
    )
    for check in checks:
        try:
            check()
        except (BuildFailed, ConfigurationError) as error:
            named = re.search(r"needs the submodule (\S+), and this clone does not have", str(error))
            said.append(named[1] if named is not None else str(error))
        else:
            said.append(None)
    assert said[0] == said[1]
    return said[0]


@pytest.mark.thorough
@pytest.mark.parametrize("nested", [True, False])
def test_a_submodule_that_the_clone_lacks_is_named(work: Repository, checkouts: Workspace, *, nested: bool) -> None:
    lost = "vendor/lib/deep" if nested else "vendor/lib"
    (work.folder / lost / ".git").unlink()
    (work.folder / "link").symlink_to("vendor")
    work.git("add", "link")
    work.git("commit", "--quiet", "--message", "Link")
    with checkouts.checkout(head(work)) as folder:
        assert checkouts.missing_submodules(folder) == (lost,)
        for context in (".", "vendor", "./vendor/../vendor", "link", lost, f"{lost}/inside"):
            assert lacked(checkouts, folder, context) == lost
        for context in ("api", "vendor/library", "nowhere", "\0"):
            assert lacked(checkouts, folder, context) is None


@pytest.mark.thorough
def test_a_commit_that_the_submodules_clone_lacks_is_missing(work: Repository, checkouts: Workspace) -> None:
    work.git("update-index", "--cacheinfo", f"160000,{'1' * 40},vendor/lib")
    work.git("commit", "--quiet", "--message", "Take one that was never pushed")
    with checkouts.checkout(head(work)) as folder:
        assert checkouts.missing_submodules(folder) == ("vendor/lib",)


@pytest.mark.thorough
def test_another_repository_at_its_path_is_not_its_clone(work: Repository, checkouts: Workspace) -> None:
    """A link of the head's to a repository elsewhere on this machine is not followed."""
    folder = work.folder / "vendor/lib"
    folder.rename(work.folder.parent / "elsewhere")
    folder.symlink_to(work.folder.parent / "elsewhere")
    with checkouts.checkout(head(work)) as checkout:
        assert checkouts.missing_submodules(checkout) == ("vendor/lib",)


def is_left_out(folder: Path, context: str = ".") -> bool:
    """Whether a build does not mind that vendor/lib is missing."""
    try:
        check_build(("vendor/lib",), folder, Build(context=context))
    except BuildFailed:
        return False
    return True


@pytest.mark.thorough
def test_what_a_dead_run_left_in_a_submodules_clone_is_removed(work: Repository, temporary: Path) -> None:
    run = own_run_id()
    dead = str(run).replace(str(run.owner.start_ticks), str(run.owner.start_ticks + 1), 1)
    left = temporary / f"membudget-{dead}" / "checkout" / "vendor/lib"
    module = GitRepository(work.folder / "vendor/lib")
    revision = module.commit("HEAD")
    assert revision is not None
    Repository(module.top).git("worktree", "add", "--quiet", "--detach", str(left))
    with workspace(GitRepository(work.folder), run):
        pass
    assert not left.exists()
    assert worktrees(module.top) == 1


@pytest.mark.parametrize(
    ("ignored", "is_out"),
    [
        ("vendor/lib", True),
        ("# all\n\n /vendor/lib/ \r\n", True),
        ("./vendor\n", True),
        ("vendor/li", False),
        ("vendor/lib/deep", False),
        ("vendor/lib\n!vendor/lib/lib.txt", False),
        ("vendor/*", False),
        (".", False),
        ("", False),
        (None, False),
    ],
)
def test_a_submodule_that_the_ignore_file_names_is_left_out(tmp_path: Path, ignored: str | None, is_out: bool) -> None:
    (tmp_path / "Dockerfile").touch()
    for name in (".dockerignore", "Dockerfile.dockerignore"):
        if ignored is not None:
            (tmp_path / name).write_bytes(ignored.encode())
        assert is_left_out(tmp_path) is is_out


def test_the_dockerfiles_own_ignore_file_counts_alone(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("vendor")
    (tmp_path / "Dockerfile.dockerignore").write_text("else")
    assert not is_left_out(tmp_path)
    (tmp_path / "Dockerfile.dockerignore").unlink()
    assert is_left_out(tmp_path)
    assert is_left_out(tmp_path, "api"), "it is not in this context"
    (tmp_path / "Dockerfile.dockerignore").symlink_to("/dev/zero")
    assert not is_left_out(tmp_path)
