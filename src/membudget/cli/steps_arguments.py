"""The arguments of `membudget history steps`. Imports nothing heavy."""

import argparse

from membudget.build.history_place import MOST_COMMITS
from membudget.cli.argument_values import duration, number_up_to
from membudget.cli.handler import Handler
from membudget.cli.shared_arguments import add_budgets, add_measuring_options, add_no_fetch, add_place

_EXAMPLES = """\
examples:
  %(prog)s                                    suspected steps, by arithmetic alone
  %(prog)s --confirm --time-budget 30m        measure each again, and search the commit
  %(prog)s --confirm --output steps.json      the same, for a job that has no token
  %(prog)s --tell issue --from steps.json --push
                                              open an issue for each confirmed step"""


def add_steps(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `membudget history steps`."""
    command = kinds.add_parser(
        "steps",
        help="find the commits after which a metric stayed higher",
        description="List suspected steps: commits of a branch after which a metric stayed higher. With --confirm,\n"
        "measure both sides of each step again, and search the commit that did it. With --tell, report the confirmed\n"
        'steps. Steps are found by Apache Otava: pip install "membudget[steps]".',
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("images", nargs="*", metavar="IMAGE", help="image to look at (default: all)")
    command.add_argument("--metric", action="append", metavar="NAME", help="metric to look at (repeatable)")
    command.add_argument(
        "--revision", default="HEAD", metavar="REV", help="newest commit of the branch (default: %(default)s)"
    )
    command.add_argument(
        "--last",
        type=number_up_to(MOST_COMMITS),
        default=500,
        metavar="N",
        help="look at the newest N commits of the branch (default: %(default)s)",
    )
    add_no_fetch(command)
    which = command.add_mutually_exclusive_group()
    which.add_argument(
        "--confirm", action="store_true", help="build and run the commits around each step that is not known yet"
    )
    which.add_argument(
        "--tell",
        choices=("issue", "commit", "nothing"),
        help="report the confirmed steps of --from: open an issue, comment on the commit, or only print. Reads"
        " GITHUB_TOKEN",
    )
    command.add_argument(
        "--time-budget", type=duration, metavar="TIME", help='with --confirm: when to stop, like "30m" (default: never)'
    )
    command.add_argument("--again", action="store_true", help="with --confirm: also measure what is known already")
    command.add_argument("--output", metavar="FILE", help="with --confirm: write the results to this file")
    command.add_argument("--from", dest="results", metavar="FILE", help="with --tell: the file that --output wrote")
    add_budgets(command)
    command.add_argument(
        "--push", action="store_true", help="push what came of the steps to `origin`, so that no other run repeats them"
    )
    add_place(command)
    add_measuring_options(command)
    command.set_defaults(handler=Handler("history_steps", "steps"))
