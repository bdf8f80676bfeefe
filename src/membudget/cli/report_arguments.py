"""The arguments of `membudget report`. Nothing heavy is imported for them."""

import argparse

from membudget.core.errors import ExitCode


def add_report(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    command = commands.add_parser(
        "report",
        help="show a report again, or make it a page, or what other programs read",
        description="Judge a report.json again and render it: the table, the comment, a page to look into, or for"
        " programs the judgement as JSON, as test results (JUnit), or as figures for a database (OpenMetrics). Exits"
        " with 0 whatever the verdict is.",
    )
    command.add_argument("report", metavar="REPORT", help="a report.json that check wrote")
    command.add_argument(
        "--format",
        choices=("terminal", "markdown", "html", "json", "junit", "openmetrics"),
        default="terminal",
        help="how (default: %(default)s)",
    )
    command.add_argument("--output", metavar="FILE", help="where to write it (default: standard output)")
    command.set_defaults(handler=_report)


def _report(options: argparse.Namespace) -> ExitCode:
    from membudget.cli.report import show

    return show(options)
