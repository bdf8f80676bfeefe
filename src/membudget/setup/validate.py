"""Validates budgets files and workflows, without an engine. All problems of all files come at once."""

import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from membudget.budgets import file as budgets_file
from membudget.budgets.faults import placed
from membudget.budgets.key_path import Guesses
from membudget.budgets.named_files import existing
from membudget.check.pods import faults_of_plain_files
from membudget.core.errors import BudgetsFileError, ConfigurationError, Problem
from membudget.core.files import repository_top
from membudget.setup import workflow_inputs
from membudget.setup.finding import SetupFinding, Validation
from membudget.setup.named_parts import unknown_services, unknown_targets
from membudget.setup.workflow_files import (
    UnreadableWorkflow,
    WorkflowFile,
    Workflows,
    is_workflow,
    read_workflow,
    read_workflows,
)
from membudget.setup.workflow_rules import Complaint, complaints

_BUDGETS = "budgets.toml"
MOST_FINDINGS, MOST_IN_ALL = 200, 2000
"""Of one file, and of all. A hostile file may have a problem for each of its bytes."""


def validate(files: Sequence[str], folder: Path) -> Validation:
    """Validate `files`. Without any: budgets.toml, and the workflows of the repository that use membudget.

    Names are relative to `folder`, which may lie anywhere in the repository.
    """
    run = _Run(folder, repository_top(folder))
    if not files:
        run.budgets(_BUDGETS)
        run.repository()
    for name in files:
        if name.endswith(".toml"):
            run.budgets(name)
        elif name.endswith((".yml", ".yaml")):
            run.workflow(name)
        else:
            what = "is neither a budgets file (.toml) nor a workflow (.yml, .yaml)"
            run.findings[name] = [SetupFinding(Problem(name, "", what))]
    of_files = (_first(found, name, MOST_FINDINGS) for name, found in run.findings.items())
    findings = [finding for found in of_files for finding in found]
    return Validation(tuple(run.findings), tuple(_first(findings, ".", MOST_IN_ALL)))


def _first(findings: Sequence[SetupFinding], name: str, most: int) -> Sequence[SetupFinding]:
    """Return the findings, or the first of very many with a last one that says so."""
    if len(findings) <= most:
        return findings
    what = f"more than {most:,} problems: the others are not listed"
    return [*findings[:most], SetupFinding(Problem(name, "", what), fix="correct these first")]


@dataclass(slots=True)
class _Run:
    folder: Path
    top: Path
    findings: dict[str, list[SetupFinding]] = field(default_factory=dict)
    """The findings by the name of the file. Files without findings are in it, too."""
    names: dict[Path, tuple[str, ...] | None] = field(default_factory=dict)
    """The names of the images, by budgets file. None for a file that is no TOML."""
    others: Workflows | None = None
    """The workflows of the repository. None before they are read."""
    of_all: dict[str, list[Complaint]] = field(default_factory=dict)
    """What is wrong with the way in which these use membudget, by their path from the top."""

    def budgets(self, name: str) -> None:
        """Validate a budgets file, once."""
        if name in self.findings:
            return
        self.findings[name] = findings = []
        path = self.folder / name
        try:
            text = budgets_file.read(path)
            budgets = budgets_file.parse_budgets(text, name, self.top)
        except BudgetsFileError as error:
            findings += [SetupFinding(problem) for problem in error.problems]
        except ConfigurationError as error:
            findings.append(SetupFinding(Problem(name, "", error.what), fix=error.fix))
        else:
            guesses = Guesses()
            faults, broken = unknown_services(budgets, self.top, guesses)
            faults += unknown_targets(budgets, self.top, guesses)
            faults += faults_of_plain_files(budgets, self.top)
            findings += [SetupFinding(problem) for problem in (placed(faults, text, name) if faults else ())] + broken

    def repository(self) -> None:
        """Validate the workflows of the repository that use membudget, and the budgets files that these name."""
        found = self.others = read_workflows(self.top)
        every: list[WorkflowFile | UnreadableWorkflow] = [*found.files, *found.unreadable]
        for file in every:
            self._workflow(file, self._shown(file.path), names_budgets=True)

    def workflow(self, name: str) -> None:
        """Validate one workflow."""
        path = Path(os.path.relpath(os.path.normpath((self.folder / name).absolute()), self.top)).as_posix()
        if not is_workflow(path) and (self.folder / name).exists():
            self.findings[name] = [SetupFinding(Problem(name, "", "is no workflow: it is not in .github/workflows"))]
            return
        found = read_workflow(self.top, path)
        if found is None:
            self.findings[name] = []
        else:
            self._workflow(found, name, names_budgets=False)

    def _workflow(self, file: WorkflowFile | UnreadableWorkflow, name: str, *, names_budgets: bool) -> None:
        def images_of(budgets: str) -> tuple[str, ...] | None:
            return self._images_of(budgets, is_validated=names_budgets)

        if isinstance(file, UnreadableWorkflow):
            self.findings[name] = [workflow_inputs.of_unreadable(file, name)]
        else:
            faults = workflow_inputs.of_workflow(file, name, images_of, Guesses())
            found = [*islice(faults, MOST_FINDINGS + 1)]  # with aliases, a small file may have millions
            found += [workflow_inputs.of_complaint(one, name) for one in self._complaints(file)]
            self.findings[name] = sorted(found, key=lambda one: (one.problem.line or 0, one.problem.column or 0))

    def _complaints(self, file: WorkflowFile) -> list[Complaint]:
        """Return what is wrong with the way in which a workflow uses membudget, seen beside the other workflows."""
        if self.others is None:
            self.others = read_workflows(self.top)
        if file.path not in self.of_all:
            all_files = (file, *(other for other in self.others.files if other.path != file.path))
            self.of_all |= {one.path: [] for one in all_files}
            for complaint in dict.fromkeys(complaints(Workflows(all_files))):
                self.of_all[complaint.path].append(complaint)
        return self.of_all[file.path]

    def _images_of(self, budgets: str, *, is_validated: bool) -> tuple[str, ...] | None:
        if existing(self.top, budgets, Path.is_file) is None:
            raise FileNotFoundError(budgets)
        path = self.top / budgets
        if is_validated:
            self.budgets(self._shown(budgets))
        if path not in self.names:
            self.names[path] = _image_names(path)
        return self.names[path]

    def _shown(self, path: str) -> str:
        """Return the name of a file of the repository, relative to the working folder."""
        return os.path.relpath(self.top / path, self.folder.resolve())


def _image_names(path: Path) -> tuple[str, ...] | None:
    """Return the images of a budgets file, which may be broken. None if it is no TOML."""
    try:
        images = tomllib.loads(budgets_file.read(path)).get("images")
    except (ConfigurationError, ValueError, RecursionError):
        return None
    return tuple(images) if isinstance(images, dict) else ()
