"""What `membudget validate` found, and how it is told: one line a finding, as linters write it, or JSON."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from membudget.core.errors import ExitCode, Problem
from membudget.core.untrusted_text import printable

_LONGEST_LINE = 1000


@dataclass(frozen=True, slots=True)
class SetupFinding:
    """A problem, and how grave it is."""

    problem: Problem
    is_warning: bool = False
    """Whether the file works nevertheless. Warnings do not change the exit code."""
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class Validation:
    """The result of a validation."""

    files: tuple[str, ...]
    """The files that were looked at."""
    findings: tuple[SetupFinding, ...]

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(not finding.is_warning for finding in self.findings)

    @property
    def warnings(self) -> int:
        """How many findings are warnings."""
        return sum(finding.is_warning for finding in self.findings)

    @property
    def exit_code(self) -> ExitCode:
        """0 without errors, 2 with errors."""
        return ExitCode.CONFIGURATION if self.errors else ExitCode.WITHIN_BUDGET


def as_text(validation: Validation) -> str:
    """Return the validation for people and editors, with `FILE:LINE:COLUMN:` in front of each finding."""
    return "".join(
        f"{printable(line, _LONGEST_LINE) if not indent else indent + printable(line, _LONGEST_LINE)}\n"
        for indent, line in _lines(validation)
    )


def _lines(validation: Validation) -> Iterator[tuple[str, str]]:
    for finding in validation.findings:
        problem = finding.problem
        place = problem.file if problem.line is None else f"{problem.file}:{problem.line}:{problem.column}"
        key = f"{problem.key}: " if problem.key else ""
        yield "", f"{place}: {'warning' if finding.is_warning else 'error'}: {key}{problem.message}"
        if problem.allowed:
            yield "  ", f"allowed: {problem.allowed}"
        if finding.fix:
            yield "  ", f"fix: {finding.fix}"
    checked = _counted(len(validation.files), "file")
    if not validation.findings:
        yield "", f"{checked} checked, no problems found"
        return
    counts = [_counted(validation.errors, "error")] if validation.errors else []
    counts += [_counted(validation.warnings, "warning")] if validation.warnings else []
    yield "", f"{checked} checked: {' and '.join(counts)}"


def as_json(validation: Validation) -> str:
    """Return the validation as JSON."""
    problems = [
        {
            "file": finding.problem.file,
            "line": finding.problem.line,
            "column": finding.problem.column,
            "severity": "warning" if finding.is_warning else "error",
            "key": finding.problem.key or None,
            "message": finding.problem.what,
            "found": finding.problem.found,
            "allowed": finding.problem.allowed,
            "guess": finding.problem.guess,
            "fix": finding.fix,
        }
        for finding in validation.findings
    ]
    document = {
        "files": validation.files,
        "errors": validation.errors,
        "warnings": validation.warnings,
        "problems": problems,
    }
    return json.dumps(document, indent=1, ensure_ascii=False)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"
