"""The arguments of the commands that show the history in a file: `history badge`. Imports nothing heavy."""

import argparse

from membudget.core.errors import ExitCode


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
    command.set_defaults(handler=_badge)
    return command


def _add_branch(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--revision", default="HEAD", metavar="REV", help="newest commit of the branch (default: %(default)s)"
    )
    command.add_argument("--no-fetch", action="store_true", help="do not fetch the history first")


def _badge(options: argparse.Namespace) -> ExitCode:
    from membudget.cli.history_badge import badge

    return badge(options)
