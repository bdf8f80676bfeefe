"""The arguments of `membudget history`. Imports nothing heavy."""

import argparse

from membudget.build.history_place import MOST_COMMITS
from membudget.cli.argument_values import days, duration, number_up_to
from membudget.cli.handler import Handler
from membudget.cli.history_shown_arguments import add_badge, add_page
from membudget.cli.shared_arguments import add_budgets, add_jobs, add_measuring_options, add_no_fetch, add_place
from membudget.cli.steps_arguments import add_steps
from membudget.core.errors import ExitCode
from membudget.core.files import DEFAULT_REPORT

_EXAMPLES = """\
examples:
  %(prog)s list                             the newest commits of every image
  %(prog)s list api --metric peak_rss --format chart
  %(prog)s list api --metric peak_rss --format csv --output api.csv
  %(prog)s page --output trend.html         charts of every image and metric, as one HTML file
  %(prog)s badge api --output badge.svg     the newest peak RSS of an image, and its budget
  %(prog)s steps                            commits after which a metric stayed higher
  %(prog)s record --push                    keep the figures of the last check, and push them
  %(prog)s import old-reports/ --push       keep the figures of older reports"""


def add_history(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `membudget history` and its commands."""
    command = commands.add_parser(
        "history",
        help="keep the figures of the main branch, and show how they changed",
        description="Keep the figures of the main branch in the repository, and show how they changed. The history is"
        " kept in git notes\n(refs/notes/membudget), on a branch, or in a folder. To measure earlier commits, run"
        " `membudget backfill`.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = command.add_subparsers(metavar="COMMAND", required=True)
    _add_list(kinds)
    _add_record(kinds)
    _add_import(kinds)
    add_place(add_page(kinds))
    add_place(add_badge(kinds))
    add_steps(kinds)
    push = kinds.add_parser(
        "push",
        help="push lines that were recorded without --push",
        description="Push the lines that only this clone has to the remote `origin`.",
    )
    add_place(push)
    push.set_defaults(handler=Handler("history", "push"))


def add_backfill(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `membudget backfill`."""
    command = commands.add_parser(
        "backfill",
        help="measure earlier commits, and keep their figures",
        description="Build and measure earlier commits of the branch as check does, with the budgets file of today, and"
        " keep their figures in the history. Images whose figures this kind of machine has already are skipped. With"
        " --stale, measure images again that nobody changed for a while: their base images and packages may have.",
    )
    command.add_argument("images", nargs="*", metavar="IMAGE", help="image to measure (default: all)")
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("--since", metavar="REV", help="oldest commit to measure, such as a tag")
    which.add_argument(
        "--stale",
        type=days,
        metavar="AGE",
        help='measure only the newest commit, and only images whose last figure is older, like "7d"; oldest first',
    )
    command.add_argument(
        "--time-budget",
        type=duration,
        metavar="TIME",
        help='for --stale: begin no image that would end later, like "30m"; at least one is measured (default: all)',
    )
    command.add_argument(
        "--every", type=number_up_to(MOST_COMMITS), default=1, metavar="N", help="measure every Nth commit (default: 1)"
    )
    add_jobs(command, "measure")
    add_budgets(command)
    add_no_fetch(command)
    _add_push(command)
    add_place(command)
    add_measuring_options(command)
    command.set_defaults(handler=_backfill)


def _backfill(options: argparse.Namespace) -> ExitCode:
    from membudget.core.errors import ConfigurationError

    if options.stale is not None:
        from membudget.cli.stale import refresh

        return refresh(options)
    if options.time_budget is not None:
        raise ConfigurationError("--time-budget is for --stale", where="membudget backfill", fix="leave it out")
    from membudget.cli.backfill import backfill

    return backfill(options)


def _add_list(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    listed = kinds.add_parser(
        "list",
        help="show the figures of the newest commits",
        description="Show what was measured at the commits of a branch. Damaged lines are skipped and counted on"
        " standard error.",
    )
    listed.add_argument("images", nargs="*", metavar="IMAGE", help="image to show (default: all)")
    listed.add_argument(
        "--metric", action="append", metavar="NAME", help="metric to show, such as peak_rss (repeatable)"
    )
    listed.add_argument(
        "--revision", default="HEAD", metavar="REV", help="newest commit to show (default: %(default)s)"
    )
    listed.add_argument(
        "--last",
        type=number_up_to(MOST_COMMITS),
        default=100,
        metavar="N",
        help="look at the newest N commits of the branch (default: %(default)s)",
    )
    listed.add_argument(
        "--format",
        choices=("table", "chart", "csv", "json", "openmetrics"),
        default="table",
        help="format of the output; csv is the form that Apache Otava reads (default: %(default)s)",
    )
    listed.add_argument("--output", metavar="FILE", help="write to this file (default: standard output)")
    add_no_fetch(listed)
    add_place(listed)
    listed.set_defaults(handler=Handler("history", "show"))


def _add_record(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    record = kinds.add_parser(
        "record",
        help="keep the figures of a report",
        description="Keep the figures of the head of a report. The report has to be about the commit HEAD, or about"
        " the one that --commit names.",
    )
    record.add_argument(
        "report", metavar="REPORT", nargs="?", default=DEFAULT_REPORT, help="report of a check (default: %(default)s)"
    )
    record.add_argument(
        "--commit", default="HEAD", metavar="REV", help="commit that was measured (default: %(default)s)"
    )
    _add_push(record)
    add_place(record)
    record.set_defaults(handler=Handler("history", "record"))


def _add_import(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    imported = kinds.add_parser(
        "import",
        help="keep the figures of older reports",
        description="Keep the figures of older reports, each for the commit that it names as its head. Reports about"
        " commits that are not on the branch are skipped.",
    )
    imported.add_argument(
        "reports", nargs="+", metavar="REPORT", help="report.json of a check, or a folder with such files"
    )
    imported.add_argument(
        "--revision", default="HEAD", metavar="REV", help="newest commit of the branch (default: %(default)s)"
    )
    _add_push(imported)
    add_place(imported)
    imported.set_defaults(handler=Handler("history", "import_reports"))


def _add_push(command: argparse.ArgumentParser) -> None:
    what = "push the lines to the remote `origin`; lines that others push at the same time are kept"
    command.add_argument("--push", action="store_true", help=what)
