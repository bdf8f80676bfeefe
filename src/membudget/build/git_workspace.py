"""Clean checkouts of both revisions in a folder of this run, which is removed at its end."""

import posixpath
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from membudget.budgets.entries import Build
from membudget.build.git import GitRepository
from membudget.build.revision import Commit
from membudget.contents.dockerfile import LARGEST_DOCKERFILE
from membudget.core.errors import BuildFailed, ConfigurationError
from membudget.core.files import read_plain
from membudget.core.work import shielded
from membudget.engine.run_id import RunId, owner_lives

_FIX = "give actions/checkout `submodules: recursive` and `fetch-depth: 0`"


@contextmanager
def submodules(repository: GitRepository, commit: Commit, folder: Path) -> Iterator[tuple[str, ...]]:
    """Check out the submodules of `commit` in its checkout `folder`. Yield the paths of those that the clone lacks.

    Raises EnvironmentFault, also if a file of a submodule differs from its commit.
    """
    with ExitStack() as stack:
        yield tuple(_checked_out(repository, commit, folder, stack))


def _checked_out(repository: GitRepository, commit: Commit, folder: Path, stack: ExitStack) -> Iterator[str]:
    for path, sha in repository.submodules(commit):
        target = folder / path
        if not target.is_dir():  # a sparse clone omits it
            continue
        module = repository.submodule(path)
        revision = module.commit(sha) if module is not None else None
        if module is None or revision is None:
            yield path
            continue
        stack.enter_context(module.checkout(revision, target))
        yield from (f"{path}/{inner}" for inner in _checked_out(module, revision, target, stack))


def clones(repository: GitRepository) -> Iterator[GitRepository]:
    """Yield a repository and the clones of its submodules, at any depth."""
    yield repository
    head = repository.commit("HEAD")
    for path, _ in repository.submodules(head) if head is not None else ():
        module = repository.submodule(path)
        if module is not None:
            yield from clones(module)


def check_build(missing: tuple[str, ...], checkout: Path, build: Build) -> None:
    """Raise BuildFailed if a build would use the empty folder of a missing submodule."""
    context = checkout / build.context
    for name in _needed(missing, checkout, build.context):
        if not _is_left_out(checkout / name, context, context / build.dockerfile):
            raise BuildFailed(
                f"the build context needs the submodule {name}, and this clone does not have its commit: {_FIX}, or"
                " name the folder in .dockerignore"
            )


def check_given(missing: tuple[str, ...], checkout: Path, paths: Iterable[str], where: str) -> None:
    """Raise ConfigurationError if a container would use the empty folder of a missing submodule."""
    for path in paths:
        for name in _needed(missing, checkout, path):
            raise ConfigurationError(
                f"{path} needs the submodule {name}, and this clone does not have its commit", where=where, fix=_FIX
            )


def _needed(missing: tuple[str, ...], checkout: Path, path: str) -> Iterator[str]:
    """Yield the missing submodules at, below or around a path, after following links."""
    try:
        looked_at = (checkout / path).resolve()
    except (OSError, ValueError, RuntimeError):  # whoever reads the path reports this error
        return
    for name in missing:
        folder = (checkout / name).resolve()
        if folder.is_relative_to(looked_at) or looked_at.is_relative_to(folder):
            yield name


def _is_left_out(folder: Path, context: Path, dockerfile: Path) -> bool:
    """Return whether the build's ignore file names a folder literally, so that no image contains it.

    Patterns, and files with exceptions, are not evaluated. The folder then counts as not ignored.
    """
    own = dockerfile.with_name(f"{dockerfile.name}.dockerignore")
    file = own if own.exists() or own.is_symlink() else context / ".dockerignore"
    try:
        path = folder.resolve().relative_to(context.resolve())
        if file.is_symlink():
            return False
        content = read_plain(file, LARGEST_DOCKERFILE)
    except (OSError, ValueError):
        return False
    if len(content) > LARGEST_DOCKERFILE:
        return False
    lines = [line.strip() for line in content.decode(errors="replace").splitlines()]
    named = {posixpath.normpath(line).lstrip("/") for line in lines if line and not line.startswith("#")}
    has_exceptions = any(line.startswith("!") for line in lines)
    return not has_exceptions and any(part.as_posix() in named for part in (path, *path.parents) if part.name)


_PREFIX = "membudget-"


class Workspace:
    """Checkouts below one temporary folder."""

    def __init__(self, repository: GitRepository, folder: Path) -> None:
        self.repository = repository
        self._folder = folder
        self._missing: dict[Path, tuple[str, ...]] = {}

    @contextmanager
    def checkout(self, commit: Commit) -> Iterator[Path]:
        """Check out `commit` and the submodules that the clone has. The checkout is removed when the context ends."""
        folder = self._folder / commit.sha[:12]
        with self.repository.checkout(commit, folder), submodules(self.repository, commit, folder) as missing:
            self._missing[folder] = missing
            yield folder

    def missing_submodules(self, checkout: Path) -> tuple[str, ...]:
        """Return the submodules that the clone lacks. They are empty folders in a checkout of this workspace."""
        return self._missing[checkout]

    @property
    def scratch(self) -> Path:
        """Return a folder for the run's own files, which is removed with the workspace."""
        return self._folder / "scratch"


@contextmanager
def workspace(repository: GitRepository, run: RunId) -> Iterator[Workspace]:
    """Create a workspace for `run`, and remove the workspaces of dead runs."""
    parent = Path(tempfile.gettempdir())
    for left in parent.glob(f"{_PREFIX}*x*"):
        if _is_of_dead_run(left):
            shutil.rmtree(left, ignore_errors=True)
    for clone in clones(repository):
        for checkout in clone.worktrees():
            if any(map(_is_of_dead_run, checkout.parents)):
                clone.forget_worktree(checkout)
    folder = parent / f"{_PREFIX}{run}"
    try:
        folder.mkdir(mode=0o700)
        yield Workspace(repository, folder)
    finally:
        with shielded():
            shutil.rmtree(folder, ignore_errors=True)


def _is_of_dead_run(folder: Path) -> bool:
    owner = RunId.parse(folder.name.removeprefix(_PREFIX)) if folder.name.startswith(_PREFIX) else None
    return owner is not None and owner_lives(owner) is False
