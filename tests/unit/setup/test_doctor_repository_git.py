from pathlib import Path

import pytest

from membudget.build.git import GitRepository
from membudget.build.revision import BaseRequest, Commit, NoBase
from membudget.core.errors import ConfigurationError
from membudget.setup.doctor import CheckState
from membudget.setup.doctor_repository import (
    BaseSeen,
    LfsSeen,
    RepositorySeen,
    base_finding,
    git_finding,
    lfs_finding,
    look_at_git,
    look_at_submodules,
    look_for_base,
    look_for_lfs,
    submodules_finding,
)
from tests.support.findings import said
from tests.support.repository import Repository

HEAD = Commit("a" * 40, "Add a cache")
OK, WARNING, FAILED, SKIPPED = CheckState


@pytest.mark.parametrize(
    ("head", "uncommitted", "state", "seen"),
    [
        (HEAD, 0, OK, "git 2.39.5, repository /shop, HEAD aaaaaaaaaaaa"),
        (HEAD, 1, WARNING, "HEAD aaaaaaaaaaaa; 1 file has uncommitted changes, which check does not build"),
        (HEAD, 3, WARNING, "HEAD aaaaaaaaaaaa; 3 files have uncommitted changes, which check does not build"),
        (None, 0, FAILED, "git 2.39.5, repository /shop, without a commit"),
    ],
)
def test_the_repository(head: Commit | None, uncommitted: int, state: CheckState, seen: str) -> None:
    told = said(lambda: git_finding(RepositorySeen("/shop", "2.39.5", head, uncommitted)))
    assert told[0] is state
    assert seen in told[1]


SHALLOW = ConfigurationError("this clone is shallow", fix="give it `fetch-depth: 2`")


@pytest.mark.parametrize(
    ("base", "is_shallow", "doubt", "state", "seen"),
    [
        (HEAD, False, None, OK, "the merge base is aaaaaaaaaaaa Add a cache"),
        (HEAD, True, None, OK, "the merge base is aaaaaaaaaaaa Add a cache, in a shallow clone"),
        (HEAD, True, "it may be another's", WARNING, "in a shallow clone; it may be another's"),
        (NoBase("this is the first commit"), False, None, WARNING, "nothing to compare with: this is the first commit"),
        (SHALLOW, True, None, FAILED, "this clone is shallow"),
    ],
    ids=["found", "shallow", "doubtful", "none", "missing"],
)
def test_the_base(
    base: Commit | NoBase | ConfigurationError, *, is_shallow: bool, doubt: str | None, state: CheckState, seen: str
) -> None:
    told = said(lambda: base_finding(BaseSeen(base, is_shallow, doubt)))
    assert told[0] is state
    assert seen in told[1]


@pytest.mark.parametrize(
    ("missing", "count", "state", "seen"),
    [
        ((), 0, SKIPPED, "HEAD has no submodules"),
        ((), 1, OK, "the clone has the only one"),
        ((), 3, OK, "the clone has all 3"),
        (("vendor/a",), 3, WARNING, "the clone lacks 1 of 3: vendor/a"),
        (tuple("abcde"), 9, WARNING, "the clone lacks 5 of 9: a, b, c and 2 more"),
    ],
)
def test_the_submodules(missing: tuple[str, ...], count: int, state: CheckState, seen: str) -> None:
    assert said(lambda: submodules_finding(missing, count))[:2] == (state, seen)


@pytest.mark.parametrize(
    ("seen", "state", "text"),
    [
        (LfsSeen((), is_installed=False, is_set_up=False), SKIPPED, "no file of HEAD is kept in Git LFS"),
        (LfsSeen((".gitattributes",), is_installed=True, is_set_up=True), OK, "; git-lfs is set up"),
        (LfsSeen((".gitattributes",), is_installed=True, is_set_up=False), FAILED, "and git has no filter for it"),
        (LfsSeen((".gitattributes",), is_installed=False, is_set_up=True), FAILED, "and git-lfs is not installed"),
    ],
    ids=["no files", "set up", "not set up", "not installed"],
)
def test_git_lfs(seen: LfsSeen, state: CheckState, text: str) -> None:
    told = said(lambda: lfs_finding(seen))
    assert told[0] is state
    assert text in told[1]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.new(tmp_path / "shop")


def of(repository: Repository) -> GitRepository:
    return GitRepository(repository.folder)


@pytest.mark.thorough
def test_a_repository_is_looked_at(repository: Repository) -> None:
    assert said(lambda: look_at_git(of(repository)))[0] is FAILED
    assert said(lambda: look_for_base(of(repository), BaseRequest()))[0] is SKIPPED

    base = repository.commit("Begin", {"Dockerfile": "FROM scratch\n"})
    repository.branch("more")
    repository.commit("More", {"more": "1"})

    assert said(lambda: look_at_git(of(repository)))[0] is OK
    assert f"the merge base is {base[:12]} Begin" in said(lambda: look_for_base(of(repository), BaseRequest()))[1]
    repository.write({"more": "2"})
    assert said(lambda: look_at_git(of(repository)))[0] is WARNING


@pytest.mark.thorough
def test_a_shallow_clone_lacks_the_base(repository: Repository, tmp_path: Path) -> None:
    repository.commit("Begin", {"a": "1"})
    repository.commit("More", {"a": "2"})
    Repository(tmp_path).git("clone", "--quiet", "--depth=1", f"file://{repository.folder}", "shallow")
    shallow = Repository(tmp_path / "shallow")

    state, seen, fix = said(lambda: look_for_base(of(shallow), BaseRequest()))

    assert state is FAILED
    assert "this clone is shallow and lacks the base" in seen
    assert "fetch-depth: 2" in fix


@pytest.mark.thorough
def test_submodules_and_files_of_lfs_are_found(repository: Repository, tmp_path: Path) -> None:
    module = Repository.new(tmp_path / "module")
    module.commit("Begin", {"a": "1"})
    repository.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(module.folder), "vendor/m")
    repository.commit("Begin", {"assets/.gitattributes": "# *.txt filter=lfs\n*.bin filter=lfs diff=lfs -text\n"})

    assert said(lambda: look_at_submodules(of(repository)))[:2] == (OK, "the clone has the only one")
    assert "by assets/.gitattributes" in said(lambda: look_for_lfs(of(repository)))[1]

    repository.git("submodule", "--quiet", "deinit", "--force", "--all")
    repository.commit("No more", {"assets/.gitattributes": "# *.bin filter=lfs\n"})
    assert said(lambda: look_at_submodules(of(repository)))[:2] == (WARNING, "the clone lacks 1 of 1: vendor/m")
    assert said(lambda: look_for_lfs(of(repository)))[0] is SKIPPED
