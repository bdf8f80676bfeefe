import contextlib
import os
import shutil
import subprocess
import tracemalloc
from pathlib import Path

import pytest

from membudget.build.git import GitRepository
from membudget.build.revision import Commit
from membudget.core.errors import ConfigurationError, EnvironmentFault
from tests.support.missing import skip_for_want_of
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


@pytest.mark.thorough
def test_a_checkout_is_clean_and_goes_away(repository: Repository, tmp_path: Path) -> None:
    (repository.folder / "file").write_text("changed")
    (repository.folder / "untracked").touch()
    git = GitRepository(repository.folder)
    with git.checkout(head(git), tmp_path / "checkout") as folder:
        assert (folder / "file").read_text() == "one"
        assert sorted(path.name for path in folder.iterdir()) == ["file"]  # and no .git
    assert not (tmp_path / "checkout").exists()
    assert worktrees(repository) == 1


@pytest.mark.thorough
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_checkout_goes_away_on_every_path(repository: Repository, tmp_path: Path, error: type[BaseException]) -> None:
    git = GitRepository(repository.folder)
    with pytest.raises(error), git.checkout(head(git), tmp_path / "checkout"):
        raise error
    assert not (tmp_path / "checkout").exists()
    assert worktrees(repository) == 1


@pytest.mark.thorough
def test_two_checkouts_of_one_commit(repository: Repository, tmp_path: Path) -> None:
    git = GitRepository(repository.folder)
    with git.checkout(head(git), tmp_path / "one") as one, git.checkout(head(git), tmp_path / "two") as two:
        assert (one / "file").read_text() == (two / "file").read_text()


@pytest.mark.thorough
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


@pytest.mark.thorough
def test_a_repository_of_another_user(repository: Repository) -> None:
    if os.geteuid() != 0:
        skip_for_want_of("only root can give a folder away")
    subprocess.run(["chown", "--recursive", "1234:1234", str(repository.folder)], check=True)
    assert head(GitRepository(repository.folder, {**os.environ, "HOME": "/nonexistent"})).subject == "first"


@pytest.mark.thorough
def test_files_of_a_commit(repository: Repository) -> None:
    git = GitRepository(repository.folder)
    repository.write({"file": "changed"})
    assert git.file_at(head(git), "file", 1000) == "one"
    assert git.file_at(head(git), "none", 1000) is None
    assert git.file_at(head(git), "file", 2) is None
    assert git.uncommitted() == ["file"]


@pytest.mark.thorough
def test_a_subject_may_hold_anything(repository: Repository) -> None:
    repository.commit("\x1b[31mred\x1b[0m ` | <b>")
    assert head(GitRepository(repository.folder)).subject == "\x1b[31mred\x1b[0m ` | <b>"


@pytest.mark.thorough
def test_a_carriage_return_in_a_name_makes_no_parent(repository: Repository) -> None:
    forged = f"Eve\rparent {'0' * 40}\x0bparent {'1' * 40}"
    first = repository.git("rev-parse", "HEAD")
    repository.git("commit", "--quiet", "--allow-empty", f"--author={forged} <eve@localhost>", "--message", "a\rb")
    git = GitRepository(repository.folder)
    assert git.parents(head(git)) == [first]
    assert head(git).subject == "a\rb"


@pytest.mark.thorough
@pytest.mark.parametrize("revision", ["", "^main", "main..main", "HEAD^{tree}", "HEAD:file", "--all", "main --"])
def test_what_names_no_commit_is_none(repository: Repository, revision: str) -> None:
    assert GitRepository(repository.folder).commit(revision) is None


@pytest.mark.thorough
def test_branches_tags_and_beginnings_of_ids_name_commits(repository: Repository) -> None:
    repository.git("tag", "--annotate", "--message", "tagged", "v1")
    sha = repository.git("rev-parse", "HEAD")
    git = GitRepository(repository.folder)
    assert {git.commit(revision) for revision in ("main", "v1", "HEAD", sha, sha[:8])} == {Commit(sha, "first")}


@pytest.mark.thorough
def test_no_repository_no_commit_no_git(tmp_path: Path, repository: Repository) -> None:
    with pytest.raises(ConfigurationError, match="is not in a git repository"):
        GitRepository(tmp_path)
    empty = Repository.new(tmp_path / "empty")
    assert GitRepository(empty.folder).commit("HEAD") is None
    with pytest.raises(EnvironmentFault, match="git is not installed"):
        GitRepository(repository.folder, {"PATH": "/nonexistent"})


@pytest.mark.thorough
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


ATTRIBUTES = """\
*.crlf text eol=crlf
*.id ident
*.rot filter=rot13
*.utf16 working-tree-encoding=UTF-16
"""


@pytest.mark.thorough
def test_what_settings_of_the_clone_make_of_a_file_is_what_was_committed(
    repository: Repository, tmp_path: Path
) -> None:
    for key in ("smudge", "clean"):
        repository.git("config", f"filter.rot13.{key}", "tr a-z n-za-m")
    files = {"a.crlf": "one\ntwo\n", "a.id": "$Id$\n", "a.rot": "secret\n", "b.crlf": "as it is\r\n"}
    repository.write({"b.crlf": files["b.crlf"]})
    repository.commit("committed before the attributes, and never normalised since")
    repository.write({".gitattributes": ATTRIBUTES, **{name: files[name] for name in ("a.crlf", "a.id", "a.rot")}})
    (repository.folder / "a.utf16").write_bytes("text\n".encode("utf-16"))
    (repository.folder / "odd\nname").write_bytes(b"\0")
    (repository.folder / "link").symlink_to("./nowhere//at/all")
    (repository.folder / "run").touch(0o755)
    repository.git("add", ".gitattributes", "a.crlf", "a.id", "a.rot", "a.utf16", "odd\nname", "link", "run")
    repository.git("commit", "--quiet", "--message", "all")
    git = GitRepository(repository.folder)
    with git.checkout(head(git), tmp_path / "checkout") as folder:
        assert (folder / "a.crlf").read_bytes() == b"one\r\ntwo\r\n"
        assert (folder / "a.id").read_bytes() != b"$Id$\n"
        assert os.fspath((folder / "link").readlink()) == "nowhere/at/all"


@pytest.mark.thorough
def test_a_large_file_that_git_converts_is_not_held_in_memory(repository: Repository, tmp_path: Path) -> None:
    repository.write({".gitattributes": ATTRIBUTES, "large.crlf": "line\n" * (4 << 20)})
    repository.commit("all")
    git = GitRepository(repository.folder)
    tracemalloc.start()
    try:
        with git.checkout(head(git), tmp_path / "checkout"):
            peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 8 << 20


@pytest.mark.thorough
@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_both_kinds_of_object_ids_are_understood(tmp_path: Path, algorithm: str) -> None:
    (tmp_path / "repository").mkdir()
    made = Repository(tmp_path / "repository")
    made.git("init", "--quiet", f"--object-format={algorithm}")
    made.commit("first", {"file": "one"})
    git = GitRepository(made.folder)
    with git.checkout(head(git), tmp_path / "checkout") as folder:
        assert (folder / "file").read_text() == "one"


@pytest.mark.thorough
def test_a_sparse_clone_leaves_out_what_it_was_told_to(repository: Repository, tmp_path: Path) -> None:
    repository.commit("more", {"api/file": "1", "web/file": "1"})
    repository.git("sparse-checkout", "set", "api")
    git = GitRepository(repository.folder)
    with git.checkout(head(git), tmp_path / "checkout") as folder:
        assert (folder / "api/file").exists()


@pytest.mark.thorough
def test_a_submodule_stays_empty(repository: Repository, tmp_path: Path) -> None:
    sha = repository.git("rev-parse", "HEAD")
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{sha},module")
    repository.git("commit", "--quiet", "--message", "submodule")
    git = GitRepository(repository.folder)
    with git.checkout(head(git), tmp_path / "checkout") as folder:
        assert list((folder / "module").iterdir()) == []


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("printf two > file", "'file has other content'"),
        ("chmod +x file", "'file is executable'"),
        ("chmod -x run", "'run is not executable'"),
        ("rm file", "'file is missing'"),
        ("rm file; mkdir file", "'file is no regular file'"),
        ("rm file; ln -s run file", "'file is a symbolic link'"),
        ("rm link; printf run > link", "'link is no symbolic link'"),
        ("ln -sf ./run link", "'link leads elsewhere'"),
        ("mkdir more; touch more/file", "'more/file is not in the commit'"),
        ("git rm -q --cached file", "'file is not in the commit', .*of another tree"),
        ("for i in 1 2 3 4 5 6 7; do touch new-$i; done", "and 2 more"),
        ("true", None),
    ],
)
def test_a_checkout_that_is_not_what_was_committed_is_not_built(
    repository: Repository, tmp_path: Path, change: str, what: str | None
) -> None:
    """Of equal size and time: git's own index would take it for unchanged."""
    (repository.folder / "run").touch(0o755)
    (repository.folder / "link").symlink_to("run")
    repository.commit("all")
    real = shutil.which("git")
    client = tmp_path / "bin/git"
    client.parent.mkdir()
    client.write_text(
        f'#!/bin/sh\n{real} "$@" || exit\ncase "$*" in *"worktree add"*) cd "{tmp_path}/checkout" || exit\n'
        f"touch -r file {tmp_path}/time; {change}\n[ ! -f file ] || touch -h -r {tmp_path}/time file;; esac\n"
    )
    client.chmod(0o755)
    git = GitRepository(repository.folder, {**os.environ, "PATH": f"{client.parent}:{os.environ['PATH']}"})
    expected = pytest.raises(EnvironmentFault, match=what) if what is not None else contextlib.nullcontext()
    with expected, git.checkout(head(git), tmp_path / "checkout"):
        assert what is None
    assert not (tmp_path / "checkout").exists()
    assert worktrees(repository) == 1


@pytest.mark.thorough
def test_the_diff_of_one_file(tmp_path: Path) -> None:
    made = Repository.new(tmp_path / "lines")
    lines = [f"line {number}" for number in range(1, 101)]
    lines[48] = ""
    made.commit("first", {"src/a.py": "\n".join(lines) + "\n", "src/b.py": "x\n"})
    git = GitRepository(made.folder / "src")
    for setting in ("diff.suppressBlankEmpty=true", "diff.interHunkContext=60"):  # of the user, who may like it so
        subprocess.run(["git", "-C", made.folder, "config", *setting.split("=")], check=True)
    base = head(git)
    lines[49] = "another"
    made.commit("second", {"src/a.py": "\n".join([*lines, "last"]) + "\n", "src/new.py": "one\ntwo\n"})
    new = head(git)
    hunks = [line for line in git.diff(base, new, "src/a.py").splitlines() if line.startswith("@@ ")]
    assert [line.partition(" @@")[0] for line in hunks] == ["@@ -47,7 +47,7", "@@ -98,3 +98,4"]
    assert "\n \n-line 50\n+another\n" in git.diff(base, new, "src/a.py")
    assert "\n@@ -0,0 +1,2 @@\n+one\n+two\n" in git.diff(base, new, "src/new.py")
    assert git.diff(base, new, "src/b.py") == git.diff(base, new, "src/missing.py") == ""
