"""The git repository: commits, the files of a commit, and a clean checkout in a worktree."""

import os
import posixpath
import shutil
import string
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from membudget.build.file_tree import differences_from_commit
from membudget.build.revision import Commit
from membudget.core.errors import ConfigurationError, DoctorCheck, EnvironmentFault
from membudget.core.masking import Mask, environment_secrets, login_in, login_in_base64
from membudget.core.work import shielded
from membudget.engine.child_environment import git_environment


def secrets_in(settings: str) -> Iterator[str]:
    """Yield the secrets in the output of `git config --list -z`.

    Source: git-config(1), `http.extraHeader`, `http.proxy`, `remote.<name>.url` and `url.<base>.insteadOf`.
    """
    for setting in settings.split("\0"):
        key, _, value = setting.partition("\n")
        yield from login_in(value)
        yield from login_in(key.removeprefix("url.").removesuffix(".insteadof").removesuffix(".pushinsteadof"))
        if key.lower().endswith(".extraheader"):
            yield from _in_header(value)


def _in_header(header: str) -> Iterator[str]:
    """Yield the credential of a header: a token, or user and password in Base64, also decoded."""
    credential = header.partition(":")[2].rpartition(" ")[2]
    yield credential
    yield from login_in_base64(credential)


_QUIET_AND_HARMLESS = (
    # A workspace may belong to another user, such as the runner's seen from inside the action. Git respects this key
    # only in some scopes, and the command line is one of them (git-config(1), safe.directory).
    ("safe.directory", "*"),
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("advice.detachedHead", "false"),
    ("gc.auto", "0"),
    ("diff.suppressBlankEmpty", "false"),
    ("diff.interHunkContext", "0"),
)

_MOST_NAMED = 5


def command(*arguments: str) -> list[str]:
    """Return the command line of git, which asks nothing and runs no hooks."""
    return ["git", *(part for key, value in _QUIET_AND_HARMLESS for part in ("-c", f"{key}={value}")), *arguments]


@dataclass(frozen=True, slots=True)
class TreeObject:
    """The object at a path of a commit. Equal IDs mean equal content."""

    id: str
    kind: str
    """"blob" or "tree"."""


class GitRepository:
    """The repository that contains a folder."""

    def __init__(self, folder: Path, environ: Mapping[str, str] = os.environ) -> None:
        """Find the repository. Raises ConfigurationError if there is none, and EnvironmentFault if git is missing."""
        self._environ = git_environment(environ)
        self._folder = folder
        top = self._try("rev-parse", "--show-toplevel")
        if top is None:
            raise ConfigurationError(
                f"{folder} is not in a git repository",
                fix="run membudget inside the repository whose images it builds",
                check=DoctorCheck.GIT,
            )
        self.top = Path(top)

    @property
    def environ(self) -> dict[str, str]:
        """A copy of git's environment."""
        return dict(self._environ)

    def commit(self, revision: str) -> Commit | None:
        """Return the commit of a branch, tag or ID. None if this clone does not have it."""
        sha = self._try("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if sha is None or sha.startswith("^"):  # "^main" means all commits except main's
            return None
        return Commit(sha, self._run("log", "-1", "--no-show-signature", "--format=%s", sha, "--"))

    def head(self, without_one: str) -> Commit:
        """Return the commit HEAD. Raises ConfigurationError if there is none yet, with `without_one` to do about it."""
        head = self.commit("HEAD")
        if head is None:
            raise ConfigurationError(
                "this repository has no commit yet, and only commits are built", fix=without_one, check=DoctorCheck.GIT
            )
        return head

    def names(self, file: Path) -> list[str]:
        """Return the names that git may have for a file: as given, then with this machine's links followed.

        Empty if the file is outside of the repository.
        """
        top = self.top.resolve()
        given = Path(os.path.abspath(file))  # noqa: PTH100 - Path.resolve would follow links
        paths = (given.parent.resolve() / given.name, file.resolve())
        return [path.relative_to(top).as_posix() for path in paths if path.is_relative_to(top)]

    def parents(self, commit: Commit) -> list[str]:
        """Return the IDs of the parents that the commit names. A shallow clone may not have these commits."""
        raw = self._run("cat-file", "commit", commit.sha)
        header = raw.partition("\n\n")[0]
        return [line.removeprefix("parent ") for line in header.split("\n") if line.startswith("parent ")]

    def merge_base(self, one: Commit, other: Commit) -> Commit | None:
        """Return the best common ancestor. None if the clone has none."""
        sha = self._try("merge-base", one.sha, other.sha)
        return self.commit(sha) if sha else None

    def is_shallow(self) -> bool:
        """Return whether the clone lacks a part of the history."""
        return self._run("rev-parse", "--is-shallow-repository") == "true"

    def file_at(self, commit: Commit, path: str, most_bytes: int) -> str | None:
        """Return the text of a file in a commit, following links inside of the commit.

        Return None if the file is missing or larger than `most_bytes`.
        """
        found = self.object_at(commit, path)
        if found is None or found.kind != "blob":
            return None
        size = self._try("cat-file", "-s", found.id)
        if size is None or int(size) > most_bytes:
            return None
        return self._try("cat-file", "blob", found.id, strip=False)

    def object_at(self, commit: Commit, path: str) -> "TreeObject | None":
        """Return the object at a path of a commit. None if there is none, or if a link leads out of the commit.

        Links are followed by git and never by the file system (git-cat-file(1), --follow-symlinks).
        """
        given = posixpath.normpath(path)
        if "\n" in given or given.startswith(("/", "../")) or given == "..":
            return None
        asked = f"{commit.sha}:{'' if given == '.' else given}\n"
        done = self._git(
            ("cat-file", "--follow-symlinks", "--batch-check=%(objectname) %(objecttype)"), given=asked.encode()
        )
        words = done.stdout.decode(errors="replace").split()
        if done.returncode != 0 or len(words) != 2 or words[1] not in ("blob", "tree"):
            return None
        return TreeObject(words[0], words[1])

    def has_entry(self, commit: Commit, path: str) -> bool:
        """Return whether a commit has anything at a path, including a broken link."""
        return self._entry(commit, path) != ""

    def holds_links(self, commit: Commit, path: str) -> bool:
        """Return whether there are symbolic links or submodules at or below a path of a commit."""
        pathspec = [] if path == "." else ["--", path]
        listed = self._run("--literal-pathspecs", "ls-tree", "-r", "--full-tree", "-z", commit.sha, *pathspec)
        return any(entry.startswith(("120000 ", "160000 ")) for entry in listed.split("\0"))

    def submodules(self, commit: Commit) -> list[tuple[str, str]]:
        """Return the path and the commit of each submodule."""
        listed = self._bytes("ls-tree", "-r", "--full-tree", "-z", commit.sha).split(b"\0")
        entries = (entry.partition(b"\t") for entry in listed if entry.startswith(b"160000 "))
        return [(os.fsdecode(path), facts.decode().split(" ")[2]) for facts, _, path in entries]

    def submodule(self, path: str) -> "GitRepository | None":
        """Return the clone of the submodule at a path of the user's working tree. None if there is none."""
        folder = self.top.resolve() / path
        if folder.resolve() != folder or not (folder / ".git").exists():
            return None
        found = GitRepository(folder, self._environ)
        return found if found.top.resolve() == folder else None

    def paths(self, commit: Commit) -> tuple[str, ...]:
        """Return the paths of all files of a commit."""
        listed = self._run("ls-tree", "-r", "--full-tree", "--name-only", "-z", commit.sha)
        return tuple(name for name in listed.split("\0") if name)

    def diff(self, base: Commit, head: Commit, path: str) -> str:
        """Return the unified diff of one file, as pull requests show it: with three lines around each change."""
        options = ("--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--unified=3")
        arguments = ("--literal-pathspecs", "diff", *options, base.sha, head.sha, "--", path)
        return self._bytes(*arguments, folder=self.top).decode(errors="replace")

    def content_of(self, commit: Commit, paths: Sequence[str]) -> tuple[str, ...]:
        """Return identifiers of files and folders in a commit: type, mode and object ID. "." is the whole tree.

        Equal identifiers mean equal content (git-ls-tree(1)). A missing path has an identifier of its own.
        """
        names = []
        for path in paths:
            if path == ".":
                names.append(f"tree {self._run('rev-parse', f'{commit.sha}^{{tree}}')}")
                continue
            names.append(self._entry(commit, path) or f"nothing at {path}")
        return tuple(names)

    def _entry(self, commit: Commit, path: str) -> str:
        """Return the output of git-ls-tree(1) for one path. It is empty if nothing is there."""
        listed = self._run("--literal-pathspecs", "ls-tree", "--full-tree", "-z", commit.sha, "--", path)
        return listed.rstrip("\0")

    def work_tree_files(self) -> tuple[str, ...]:
        """Return the paths of files in the working tree that git tracks, or would track (git-ls-files(1))."""
        listed = self._bytes("ls-files", "-z", "--cached", "--others", "--exclude-standard", folder=self.top)
        return tuple(os.fsdecode(name) for name in listed.split(b"\0") if name)

    def uncommitted(self) -> list[str]:
        """Return the tracked files that differ from HEAD."""
        return [name for name in self._run("diff", "--name-only", "HEAD", "--").split("\n") if name]

    @contextmanager
    def checkout(self, commit: Commit, folder: Path) -> Iterator[Path]:
        """Check `commit` out to `folder`, which is removed when the context ends.

        Raises EnvironmentFault, also if a file of the checkout differs from the commit.
        """
        try:
            self._run("worktree", "add", "--detach", "--force", str(folder), commit.sha)
            self._check_checkout(commit, folder)
            # The file `.git` contains paths of this machine. In a build context, it would change with every run.
            (folder / ".git").unlink()
            yield folder
        finally:
            with shielded():
                shutil.rmtree(folder, ignore_errors=True)
                self.forget_worktree(folder)

    def listed(self, folder: Path) -> bytes:
        """Return the index of a checkout: state, mode, object ID and path of each file."""
        return self._bytes("ls-files", "-z", "-t", "--stage", folder=folder)

    def write_filtered(self, folder: Path, object_id: str, path: str, into: IO[bytes]) -> None:
        """Write a blob as git checks it out."""
        self._checked(("cat-file", "--filters", f"--path={path}", object_id), folder, into)

    def is_set(self, folder: Path, key: str) -> bool:
        """Return whether a setting of a checkout is true, which is the default."""
        done = self._git(("config", "--type=bool", "--get", key), folder)
        return done.stdout.strip() != b"false"

    def setting(self, key: str, address: str | None = None) -> str | None:
        """Return a setting of the repository or the user, or that for an address. None if it is not set."""
        return self._try("config", *(("--get", key) if address is None else ("--get-urlmatch", key, address)))

    def said(self, *arguments: str) -> str:
        """Return what a reading command of git prints. Raises EnvironmentFault if it fails."""
        return self._run(*arguments)

    def version(self) -> str:
        """Return git's version, such as "2.39.5"."""
        return self._run("version").removeprefix("git version ")

    def _check_checkout(self, commit: Commit, folder: Path) -> None:
        try:
            found = differences_from_commit(self, folder)
        except OSError as error:
            raise EnvironmentFault(f"the checkout cannot be read: {error}", where=str(folder)) from error
        if self._git(("diff-index", "--cached", "--quiet", commit.sha, "--"), folder).returncode != 0:
            found.append("git's index is of another tree")
        if found:
            named = ", ".join(map(repr, found[:_MOST_NAMED]))
            more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
            raise EnvironmentFault(
                f"the checkout of {commit.sha[:12]} is not what was committed: {named}{more}",
                where=str(folder),
                fix="point TMPDIR to a folder of a file system that keeps names, modes and links; look at the filters"
                " in .gitattributes",
                check=DoctorCheck.LFS,
            )

    def worktrees(self) -> list[Path]:
        """Return the folders of all worktrees that git knows, including the user's."""
        listed = self._run("worktree", "list", "--porcelain").split("\n")
        return [Path(line.removeprefix("worktree ")) for line in listed if line.startswith("worktree ")]

    def forget_worktree(self, folder: Path) -> None:
        """Remove git's entry for one worktree. `prune` would also remove the user's worktrees that are not mounted."""
        self._try("worktree", "remove", "--force", "--force", str(folder))

    def _run(self, *arguments: str) -> str:
        return self._bytes(*arguments).decode(errors="replace").strip(string.whitespace)  # a name may end with others

    def _bytes(self, *arguments: str, folder: Path | None = None) -> bytes:
        return self._checked(arguments, folder).stdout

    def _checked(
        self, arguments: tuple[str, ...], folder: Path | None, into: IO[bytes] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run git and write its output to `into` instead of memory. Raises EnvironmentFault if git fails."""
        done = self._git(arguments, folder, into=into)
        if done.returncode != 0:
            raise self.fault(arguments, done, folder)
        return done

    def fault(
        self, arguments: Sequence[str], done: subprocess.CompletedProcess[bytes], folder: Path | None = None
    ) -> EnvironmentFault:
        """Return the error for a call of git that failed, without secrets."""
        said = self._mask()(done.stderr.decode(errors="replace").strip()) or f"exit code {done.returncode}"
        where = str(folder or self._folder)
        return EnvironmentFault(f"git {' '.join(arguments[:2])} failed: {said}", where=where, check=DoctorCheck.GIT)

    def _mask(self) -> Mask:
        """Return a mask for git's logins, which servers and proxies may repeat."""
        listed = self._git(("config", "--list", "-z")).stdout.decode(errors="replace")
        return Mask([*environment_secrets(self._environ), *secrets_in(listed)])

    def _try(self, *arguments: str, strip: bool = True) -> str | None:
        done = self._git(arguments)
        if done.returncode != 0:
            return None
        said = done.stdout.decode(errors="replace")
        return said.strip() if strip else said

    def _git(
        self,
        arguments: tuple[str, ...],
        folder: Path | None = None,
        *,
        given: bytes = b"",
        into: IO[bytes] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                command(*arguments),
                cwd=folder or self._folder,
                env=self._environ,
                input=given,
                stdout=into or subprocess.PIPE,  # as bytes: in text mode, a carriage return in a name ends a line
                stderr=subprocess.PIPE,
                check=False,
            )
        except FileNotFoundError:
            raise EnvironmentFault("git is not installed", fix="install git", check=DoctorCheck.GIT) from None
