"""Clean checkouts of the two revisions, in a folder of this run that goes away with it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from membudget.build.git import GitRepository
from membudget.build.git_submodules import clones, submodules
from membudget.build.revision import Commit
from membudget.core.threads import shielded
from membudget.engine.run_id import RunId, owner_lives

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
