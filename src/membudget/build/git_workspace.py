"""Clean checkouts of the two revisions, in a folder of this run that goes away with it."""

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
from membudget.core.threads import shielded
from membudget.engine.run_id import RunId, owner_lives

_FIX = "give actions/checkout `submodules: recursive` and `fetch-depth: 0`"


@contextmanager
def submodules(repository: GitRepository, commit: Commit, folder: Path) -> Iterator[tuple[str, ...]]:
    """Check out the submodules of `commit` in its checkout `folder`; yields the paths of those that the clone lacks.

    Raises EnvironmentFault, also where a file of one is not as it was committed.
    """
    with ExitStack() as stack:
        yield tuple(_checked_out(repository, commit, folder, stack))


def _checked_out(repository: GitRepository, commit: Commit, folder: Path, stack: ExitStack) -> Iterator[str]:
    for path, sha in repository.submodules(commit):
        target = folder / path
        if not target.is_dir():  # a sparse clone leaves it out
            continue
        module = repository.submodule(path)
        revision = module.commit(sha) if module is not None else None
        if module is None or revision is None:
            yield path
            continue
        stack.enter_context(module.checkout(revision, target))
        yield from (f"{path}/{inner}" for inner in _checked_out(module, revision, target, stack))


def clones(repository: GitRepository) -> Iterator[GitRepository]:
    """A repository, and those of its submodules, at any depth, that it was cloned with."""
    yield repository
    head = repository.commit("HEAD")
    for path, _ in repository.submodules(head) if head is not None else ():
        module = repository.submodule(path)
        if module is not None:
            yield from clones(module)


def check_build(missing: tuple[str, ...], checkout: Path, build: Build) -> None:
    """Raise BuildFailed where a build would be given the empty folder of a missing submodule."""
    context = checkout / build.context
    for name in _needed(missing, checkout, build.context):
        if not _is_left_out(checkout / name, context, context / build.dockerfile):
            raise BuildFailed(
                f"the build context needs the submodule {name}, and this clone does not have its commit: {_FIX}, or"
                " name the folder in .dockerignore"
            )


def check_given(missing: tuple[str, ...], checkout: Path, paths: Iterable[str], where: str) -> None:
    """Raise ConfigurationError where a container would be given the empty folder of a missing submodule."""
    for path in paths:
        for name in _needed(missing, checkout, path):
            raise ConfigurationError(
                f"{path} needs the submodule {name}, and this clone does not have its commit", where=where, fix=_FIX
            )


def _needed(missing: tuple[str, ...], checkout: Path, path: str) -> Iterator[str]:
    """Of missing submodules those at, below or around a path, links followed."""
    try:
        looked_at = (checkout / path).resolve()
    except (OSError, ValueError, RuntimeError):  # nowhere, and refused by whoever reads it
        return
    for name in missing:
        folder = (checkout / name).resolve()
        if folder.is_relative_to(looked_at) or looked_at.is_relative_to(folder):
            yield name


def _is_left_out(folder: Path, context: Path, dockerfile: Path) -> bool:
    """Whether the ignore file of a build names a folder, literally, so that no image has it.

    Other patterns, and files with exceptions, are not understood here: then it is not known to be left out.
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
        self._repository = repository
        self._folder = folder
        self._missing: dict[Path, tuple[str, ...]] = {}

    @contextmanager
    def checkout(self, commit: Commit) -> Iterator[Path]:
        """A clean checkout of `commit` and of the submodules that the clone has, for as long as the context lasts."""
        folder = self._folder / commit.sha[:12]
        with self._repository.checkout(commit, folder), submodules(self._repository, commit, folder) as missing:
            self._missing[folder] = missing
            yield folder

    def missing_submodules(self, checkout: Path) -> tuple[str, ...]:
        """Submodules that are empty folders in a checkout of this workspace: the clone does not have them."""
        return self._missing[checkout]

    @property
    def scratch(self) -> Path:
        """A folder for what this run keeps for itself. It goes away with the workspace."""
        return self._folder / "scratch"


@contextmanager
def workspace(repository: GitRepository, run: RunId) -> Iterator[Workspace]:
    """A workspace for `run`. Removes what dead runs left of theirs."""
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
