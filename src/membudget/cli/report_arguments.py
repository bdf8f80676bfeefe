"""The arguments about reports: where they are, and how much of them to show."""

import argparse

from membudget.cli.handler import Handler
from membudget.core.files import DEFAULT_REPORT


def add_report(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `membudget report`."""
    command = commands.add_parser(
        "report",
        help="show a report, or convert it to another format",
        description="Show the report of a check, or convert it: to Markdown (the text of the comment), an HTML page,"
        " JSON, test results (JUnit), metrics (OpenMetrics, or the text format of Prometheus) or findings in manifests"
        " and runtimes (SARIF). membudget computes the verdict again from the figures and budgets in the report. Exits"
        " with 0, whatever the verdict is. Also shows the report of `membudget fit --report`, as terminal, markdown,"
        " html or json.",
    )
    add_written_report(command)
    command.add_argument(
        "--format",
        choices=("terminal", "markdown", "html", "json", "junit", "openmetrics", "prometheus", "sarif"),
        default="terminal",
        help="format of the output (default: %(default)s)",
    )
    command.add_argument("--output", metavar="FILE", help="write to this file (default: standard output)")
    add_detail(command)
    command.set_defaults(handler=Handler("report", "show"))


def add_report_option(command: argparse.ArgumentParser) -> None:
    """Add the option that says where to write the report."""
    where = (
        "write the report to this file, after removing an older report there (default: %(default)s, which git ignores)"
    )
    command.add_argument("--report", default=DEFAULT_REPORT, metavar="FILE", help=where)


def add_written_report(command: argparse.ArgumentParser) -> None:
    """Add the argument that names the report to read."""
    written = "report that check or merge wrote (default: %(default)s)"
    command.add_argument("report", metavar="REPORT", nargs="?", default=DEFAULT_REPORT, help=written)


def add_format(command: argparse.ArgumentParser) -> None:
    """Add the options that say whether the result is printed for people or for programs."""
    command.add_argument(
        "--format",
        choices=("terminal", "json"),
        default="terminal",
        help="format of the result on standard output (default: %(default)s)",
    )
    command.add_argument("--json", action="store_const", dest="format", const="json", help="the same as --format json")


def add_detail(command: argparse.ArgumentParser) -> None:
    """Add the options -v and -q."""
    detail = command.add_mutually_exclusive_group()
    detail.add_argument("-v", "--verbose", action="store_true", help="show every row, figure and setting")
    detail.add_argument("-q", "--quiet", action="store_true", help="show only the verdict, without progress")
