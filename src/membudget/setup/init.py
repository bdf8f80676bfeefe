"""Use case: look at a repository, build and run what it builds, and write a budgets file and a workflow that pass.

It never asks, and never overwrites what is there unless it is told to.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from membudget.budgets import file as budgets_file
from membudget.core.errors import ConfigurationError
from membudget.core.files import NewFile, left_by_killed_runs, write_all
from membudget.core.untrusted_text import printable
from membudget.setup.budgets_text import ImageEntry, budgets_text
from membudget.setup.workflow_text import WorkflowText, workflow_files


@dataclass(frozen=True, slots=True)
class InitWanted:
    """What the user asked for."""

    budgets: Path
    """Where to write the budgets file."""
    has_workflow: bool = True
    fork_safe: bool = False
    force: bool = False
    """Whether files that are there may be overwritten."""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file to write."""

    path: Path
    name: str
    """The path as people see it."""
    text: str = ""
    is_kept: bool = False
    """Whether a file is there, which is not overwritten."""


class InitDestination:
    """Where the files go. It is looked at before anything is measured, so that nothing is measured in vain."""

    def __init__(self, top: Path, wanted: InitWanted) -> None:
        """Raises ConfigurationError if the budgets file is there already, or a file would end up elsewhere."""
        self._top = top.resolve()
        self._wanted = wanted
        if not wanted.dry_run and not wanted.force and os.path.lexists(wanted.budgets):
            raise ConfigurationError(
                "there is a budgets file already",
                where=str(wanted.budgets),
                fix="pass --force to overwrite it, or write another file with --budgets FILE",
            )
        self._check_workflows()

    def _check_workflows(self) -> None:
        """Raise ConfigurationError if the folder of the workflows is a link that leads out of the repository."""
        for workflow in self._workflows():
            folder = (self._top / workflow.path).parent
            with suppress(OSError, RuntimeError):
                if folder.resolve().is_relative_to(self._top):
                    continue
            raise ConfigurationError(
                "the folder of the workflows leads out of the repository", where=workflow.path, fix="pass --no-workflow"
            )

    def _workflows(self) -> tuple[WorkflowText, ...]:
        if not self._wanted.has_workflow:
            return ()
        budgets = self._wanted.budgets.absolute()
        try:
            inside = budgets.parent.resolve().joinpath(budgets.name).relative_to(self._top).as_posix()
        except ValueError:  # a check reads it from where it is, and a workflow cannot
            inside = "budgets.toml"
        return workflow_files(inside, fork_safe=self._wanted.fork_safe)

    def leftovers(self) -> list[str]:
        """Return what an earlier run left beside the files, because it was killed while it wrote them."""
        workflows = [self._top / workflow.path for workflow in self._workflows()]
        found = (left for path in (self._wanted.budgets, *workflows) for left in left_by_killed_runs(path))
        return [printable(str(path)) for path in found]

    def files(self, entries: Sequence[ImageEntry]) -> list[PlannedFile]:
        """Return the files to write. Raises ConfigurationError if the budgets file would not be valid."""
        text = budgets_text(entries)
        if any(entry.failure is None for entry in entries):
            budgets_file.parse_budgets(text, str(self._wanted.budgets), self._top)
        planned = [PlannedFile(self._wanted.budgets, str(self._wanted.budgets), text)]
        for workflow in self._workflows():
            path = self._top / workflow.path
            is_kept = os.path.lexists(path) and not self._wanted.force
            planned.append(PlannedFile(path, workflow.path, workflow.text, is_kept))
        return planned

    def write(self, planned: Sequence[PlannedFile]) -> None:
        """Write all files, or none. What came into being meanwhile is not overwritten. Raises EnvironmentFault."""
        overwrites = self._wanted.force
        new = [file for file in planned if not file.is_kept]
        write_all([NewFile(file.path, file.name, file.text.encode(), overwrites=overwrites) for file in new])


def repository_name(top: Path) -> str:
    """Return the name of the repository's folder, which names an image that nothing else names."""
    return printable(top.name) or "image"
