"""`membudget report`: renders an existing report. Separate from `commands`, because it needs no engine."""

import argparse
import io
import os
import stat
import sys
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console

from membudget.core.errors import ExitCode
from membudget.core.files import write_text
from membudget.publish.report_file import read_report
from membudget.publish.workflow import guarded_log
from membudget.report.formats import judged_report, junit, markdown, openmetrics, terminal
from membudget.report.page import page
from membudget.report.report import JudgedReport

_LOG_WIDTH = 160
_FOR_PEOPLE = ("terminal", "markdown")


def show(options: argparse.Namespace) -> ExitCode:
    """Run `membudget report`."""
    report = read_report(Path(options.report))
    is_screen = options.output is None and sys.stdout.isatty()
    text = _render(options.format, report.judged(), is_screen=is_screen)
    if options.output is not None:
        write_text(text, Path(options.output), f"the report as {options.format}")
        return ExitCode.WITHIN_BUDGET
    # The report quotes output of builds and workloads, which must not contain commands for a workflow's runner. Formats
    # for programs escape them, and would be invalid with more lines around them.
    is_for_log = options.format in _FOR_PEOPLE and not _goes_to_file()
    with guarded_log(sys.stdout) if is_for_log else nullcontext():
        sys.stdout.write(text)
    return ExitCode.WITHIN_BUDGET


def _goes_to_file() -> bool:
    try:
        return stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)
    except (OSError, ValueError):
        return False


def _render(how: str, result: JudgedReport, *, is_screen: bool) -> str:
    match how:
        case "markdown":
            return markdown.render(result)
        case "html":
            return page.render(result)
        case "json":
            return judged_report.render(result)
        case "junit":
            return junit.render(result)
        case "openmetrics":
            return openmetrics.render(result)
        case _:
            width = Console().width if is_screen else _LOG_WIDTH
            console = Console(file=io.StringIO(), width=width, force_terminal=is_screen)
            with console.capture() as captured:
                console.print(terminal.render(result))
            return captured.get()
