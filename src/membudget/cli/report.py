"""Shows reports: `membudget report`, and the result of a check.

Separate from `commands`, because `membudget report` needs no engine.
"""

import argparse
import io
import os
import shlex
import stat
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, RenderableType

from membudget.core.errors import ConfigurationError, ExitCode
from membudget.core.files import DEFAULT_REPORT, STDOUT, write_text
from membudget.core.untrusted_text import json_without_commands
from membudget.publish import workflow
from membudget.publish.fit_file import read_check_or_fit
from membudget.publish.workflow import guarded_log, obeys_commands
from membudget.report.fit_report import FitReport
from membudget.report.formats import fit_report, judged_report, junit, markdown, openmetrics, sarif, terminal
from membudget.report.formats.terminal import Detail
from membudget.report.page import fit_page, page
from membudget.report.report import JudgedReport

_LOG_WIDTH = 160
_RENDERINGS: dict[str, Callable[[JudgedReport], str]] = {
    "markdown": markdown.render,
    "html": page.render,
    "json": judged_report.render,
    "junit": junit.render,
    "openmetrics": openmetrics.render,
    "prometheus": openmetrics.render_plain,
    "sarif": sarif.render,
}
_FOR_PEOPLE = ("terminal", "markdown")


def show(options: argparse.Namespace) -> ExitCode:
    """Run `membudget report`."""
    detail = detail_of(options)
    if options.format != "terminal" and detail is not Detail.SHORT:
        raise ConfigurationError("-v and -q are for --format terminal", fix="leave them out")
    path = Path(options.report)
    report = read_check_or_fit(path)
    output = options.output if options.output != STDOUT else None
    is_screen = output is None and sys.stdout.isatty()
    if isinstance(report, FitReport):
        text = _of_fit(report, options.format, detail, is_screen=is_screen)
    elif options.format == "terminal":
        text = _for_terminal(terminal.render(report.judged(), detail, _more_of(path)), is_screen=is_screen)
    else:
        text = _RENDERINGS[options.format](report.judged())
    if output is not None:
        write_text(text, Path(output), f"the report as {options.format}")
        return ExitCode.WITHIN_BUDGET
    # The report quotes output of builds and workloads, which must not contain commands for a workflow's runner. Formats
    # for programs escape them, and would be invalid with more lines around them.
    is_for_log = options.format in _FOR_PEOPLE and not _goes_to_file()
    with guarded_log(sys.stdout) if is_for_log else nullcontext():
        sys.stdout.write(text)
    return ExitCode.WITHIN_BUDGET


def detail_of(options: argparse.Namespace) -> Detail:
    """Return how much to show, by the options -v and -q."""
    return Detail.FULL if options.verbose else Detail.QUIET if options.quiet else Detail.SHORT


@dataclass(frozen=True, slots=True)
class Output:
    """What a check prints on standard output."""

    detail: Detail
    is_json: bool = False


def output_of(options: argparse.Namespace) -> Output:
    """Return what a check prints, by its options. Raises ConfigurationError if they contradict each other."""
    output = Output(detail_of(options), is_json=options.format == "json")
    if output.is_json and output.detail is Detail.FULL:
        raise ConfigurationError("-v is for --format terminal", fix="leave it out")
    return output


def show_result(result: JudgedReport, path: Path, how: Output) -> None:
    """Print the result of a check, whose report is at `path`. A workflow's log has the rest in a group below."""
    detail = how.detail
    if how.is_json:
        sys.stdout.write(judged_report.render(result))
    elif detail is Detail.SHORT and obeys_commands(os.environ):
        workflow.show(terminal.render(result, detail, "in the group below"))
        workflow.show_folded("All rows and figures", terminal.render(result, Detail.FULL))
    else:
        workflow.show(terminal.render(result, detail, _more_of(path)))


def _more_of(path: Path) -> str:
    """Return the command that shows the whole report."""
    return shlex.join(["membudget", "report", "-v", *([str(path)] if path != Path(DEFAULT_REPORT) else [])])


def _goes_to_file() -> bool:
    try:
        return stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)
    except (OSError, ValueError):
        return False


def _of_fit(report: FitReport, how: str, detail: Detail, *, is_screen: bool) -> str:
    """Return the report of a fit. Raises ConfigurationError if it has no such format."""
    if detail is not Detail.SHORT:
        raise ConfigurationError("the report of a fit has one length", fix="leave out -v and -q")
    match how:
        case "terminal":
            return _for_terminal(fit_report.render(report), is_screen=is_screen)
        case "markdown":
            return f"{fit_report.render_markdown(report)}\n"
        case "html":
            return fit_page.render(report)
        case "json":
            return f"{json_without_commands(report.model_dump_json(indent=1))}\n"
        case _:
            what = f"the report of a fit has no format {how}"
            raise ConfigurationError(what, fix="use terminal, markdown, html or json")


def _for_terminal(shown: RenderableType, *, is_screen: bool) -> str:
    width = Console().width if is_screen else _LOG_WIDTH
    console = Console(file=io.StringIO(), width=width, force_terminal=is_screen)
    with console.capture() as captured:
        console.print(shown)
    return captured.get()
