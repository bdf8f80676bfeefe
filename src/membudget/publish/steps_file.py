"""Reads and writes the report of `history steps`. When reading, a stranger may have written the file."""

from collections.abc import Iterator
from pathlib import Path

from membudget.core.files import write_text
from membudget.history.step_line import StepOutcome
from membudget.publish.report_file import READING, fitting, json_text
from membudget.publish.strict_json import ReportReading, parse_model, read_bounded
from membudget.report.report import LARGEST_REPORT_BYTES, Report
from membudget.report.steps_report import MOST_STEPS, StepsReport

_PARTS = MOST_STEPS + 1
"""The comparisons of so many steps fit into the file, with room for the rest of it."""


def fitted(report: Report) -> Report | None:
    """Return the report of a comparison, with few enough details for its share of the file. None if it is too large."""
    found = fitting(report, LARGEST_REPORT_BYTES // _PARTS, _PARTS)
    return found[0] if found is not None else None


def write_steps(report: StepsReport, path: Path) -> None:
    """Write the whole file or nothing. Raises EnvironmentFault."""
    write_text(json_text(report, is_brief=True), path, "the report of the steps")


def read_steps(path: Path) -> StepsReport:
    """Read the report. Raises ConfigurationError, without quoting the file, if it is not exactly one."""
    return parse_model(read_bounded(path, _READING), str(path), _READING)


def _inconsistencies(report: StepsReport) -> Iterator[str]:
    """Yield what `history steps` never writes."""
    for step in report.steps:
        if (step.outcome is StepOutcome.CONFIRMED) != (step.report is not None):
            yield "a step is confirmed without a comparison, or has one without being confirmed"
        if step.since == step.until:
            yield "a step begins where it ends"
        if step.report is not None:
            yield from READING.inconsistencies(step.report)


_READING = ReportReading(
    StepsReport,
    _inconsistencies,
    LARGEST_REPORT_BYTES,
    "report of steps",
    "history steps --confirm --output FILE",
    "confirm and tell",
)
