"""The arguments of the commands that show the history in a file. Imports nothing heavy."""

import argparse

from membudget.build.history_place import MOST_COMMITS
from membudget.cli.argument_values import number_up_to
from membudget.cli.handler import Handler
from membudget.cli.shared_arguments import add_no_fetch


def add_badge(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """Add `membudget history badge`."""
    command = kinds.add_parser(
        "badge",
        help="make a badge of an image's newest figure and its budget",
        description="Make a badge of the newest figure of an image on the branch, with the budget that it had. It"
        " is red if the figure breaks the budget, orange if at most 10 % are left, green otherwise, blue without a"
        " budget, and grey without a figure.",
    )
    command.add_argument("image", metavar="IMAGE", help="image that the badge is about")
    command.add_argument("--metric", default="peak_rss", metavar="NAME", help="metric (default: %(default)s)")
    command.add_argument(
        "--format",
        choices=("svg", "shields"),
        default="svg",
        help="an SVG file, or JSON for an endpoint badge of shields.io (default: %(default)s)",
    )
    command.add_argument("--label", metavar="TEXT", help="text on the left (default: the metric's name)")
    _add_branch(command)
    command.add_argument("--output", metavar="FILE", help="write to this file (default: standard output)")
    command.set_defaults(handler=Handler("history_badge", "badge"))
    return command


def add_page(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """Add `membudget history page`."""
    command = kinds.add_parser(
        "page",
        help="write the history as one HTML file with charts",
        description="Write the history as one HTML file: each image and metric over the commits of a branch, with"
        " budgets, releases and steps. The file needs no server and makes no request.",
    )
    command.add_argument("images", nargs="*", metavar="IMAGE", help="image to show (default: all)")
    command.add_argument(
        "--metric", action="append", metavar="NAME", help="metric to show, such as peak_rss (repeatable; default: all)"
    )
    _add_branch(command)
    command.add_argument(
        "--last",
        type=number_up_to(MOST_COMMITS),
        default=2000,
        metavar="N",
        help="show the newest N commits of the branch (default: %(default)s)",
    )
    command.add_argument(
        "--commit-pages",
        metavar="URL",
        help="web address that the ID of a commit is added to, such as https://git.example.com/shop/commit/"
        " (default: that of the job's server or of the remote `origin`, if it is known)",
    )
    command.add_argument(
        "--output", default="trend.html", metavar="FILE", help="file to write, or - to print it (default: %(default)s)"
    )
    command.set_defaults(handler=Handler("history_page", "page"))
    return command


def _add_branch(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--revision", default="HEAD", metavar="REV", help="newest commit of the branch (default: %(default)s)"
    )
    add_no_fetch(command)
