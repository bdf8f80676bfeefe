"""The arguments of the commands that advise on limits. Imports nothing heavy."""

import argparse

from membudget.cli.argument_values import limit, number_up_to
from membudget.cli.handler import Handler
from membudget.cli.shared_arguments import add_budgets, add_jobs, add_measuring_options, add_timeout_of_unnamed
from membudget.core.files import DEFAULT_REPORT

_EXAMPLES = """\
examples:
  %(prog)s                       fit every image of budgets.toml
  %(prog)s api worker --write    fit two images, and write their limits to budgets.toml
  %(prog)s api --confirm 59      confirm the limit with 59 trials instead of 10
  %(prog)s python:3.13 -- python -c "x = bytes(50 << 20)"

^C stops and shows what was found so far. The same command continues from there."""


def add_fit(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `membudget fit`."""
    command = commands.add_parser(
        "fit",
        help="find the smallest memory limit that works",
        description="Run images under different memory limits. Find the smallest limit at which the workload passes and"
        " the kernel kills\nnothing. Confirm it with more trials. Then find the smallest limit at which the workload is"
        " not slower than without\na limit. IMAGE is an image of budgets.toml, or one that the container engine has."
        " COMMAND replaces the image's own\ncommand.",
        usage="%(prog)s [options] [IMAGE...] [-- COMMAND...]",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "images", nargs="*", metavar="IMAGE", help="image to fit (default: every image of the budgets file)"
    )
    add_budgets(command)
    command.add_argument(
        "--confirm",
        type=number_up_to(1000),
        default=10,
        metavar="N",
        help="number of trials that must pass at the limit (default: %(default)s). If 10 pass, at most 26%% of runs"
        " fail at this limit, with 95%% confidence. If 30 pass: 9.5%%. If 59 pass: 5%%",
    )
    command.add_argument(
        "--at-most", type=limit, metavar="SIZE", help="largest limit to try (default: the machine's free memory)"
    )
    command.add_argument(
        "--only-survives",
        action="store_true",
        help="find only the smallest limit that works, not the smallest one without a slowdown",
    )
    command.add_argument(
        "--write",
        action="store_true",
        help="write `limit`, `budgets.peak_rss.max` and the results to the budgets file; keep its comments and order",
    )
    command.add_argument(
        "--shard",
        metavar="I/N",
        help="fit only part I of N of the images in the budgets file; combine the reports of all parts with --from",
    )
    command.add_argument("--report", metavar="FILE", help="also write the result as JSON to this file")
    command.add_argument(
        "--from",
        action="append",
        dest="reports",
        metavar="REPORT",
        help="run no trials; show the results of earlier fits, and write their limits with --write; REPORT is a file"
        " that --report wrote, or a folder with such files (repeatable)",
    )
    command.add_argument("--format", choices=("text", "json", "markdown"), default="text", help="default: %(default)s")
    add_jobs(command, "fit")
    add_timeout_of_unnamed(command)
    command.add_argument("--no-cache", action="store_true", help="reuse no trials of earlier fits")
    command.add_argument("-q", "--quiet", action="store_true", help="show no progress")
    add_measuring_options(command)
    command.set_defaults(handler=Handler("fit", "fit"), takes_command=True)


_ADVISE_EXAMPLES = """\
examples:
  %(prog)s                      every image of the last check
  %(prog)s api --format yaml    the resources of one image, to paste into a manifest
  %(prog)s --hpa-target 70      for an autoscaler with a target of 70 %%"""


def add_advise(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `membudget advise`."""
    command = commands.add_parser(
        "advise",
        help="say which memory request and limit to deploy with, and what they cost",
        description="Read the report of a check. Print which memory request and limit to deploy each image with, and"
        " whether a horizontal\npod autoscaler (HPA) on memory can ever remove a pod. With a table [cost] in the"
        " budgets file, also print what the\nmemory costs. Runs no image and needs no engine.",
        epilog=_ADVISE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("images", nargs="*", metavar="IMAGE", help="image of the report (default: all)")
    command.add_argument(
        "--report", default=DEFAULT_REPORT, metavar="FILE", help="report of a check (default: %(default)s)"
    )
    command.add_argument(
        "--hpa-target",
        type=number_up_to(500),
        default=80,
        metavar="PERCENT",
        help="the autoscaler's memory target (averageUtilization), in percent of the request (default: %(default)s)",
    )
    command.add_argument(
        "--format", choices=("text", "json", "markdown", "yaml"), default="text", help="default: %(default)s"
    )
    command.set_defaults(handler=Handler("advise", "advise"))
