"""The arguments of `membudget fidelity` and its commands. Imports nothing heavy."""

import argparse

from membudget.cli.argument_values import number_up_to, numbers
from membudget.cli.handler import Handler
from membudget.cli.production_arguments import add_production
from membudget.cli.shared_arguments import add_budgets, add_measuring_options, add_timeout_of_unnamed

MOST_CPUS = 1024
"""As in core/quantities, which is too slow to import here."""
MOST_CONNECTIONS = 1_000_000

_EXAMPLES = """\
examples:
  %(prog)s scaling api --cpus 8 --connections 200
                                how much memory api needs with 8 CPUs and 200 connections
  %(prog)s production --prometheus https://prometheus.example.com
                                how much of production's peak the workload reaches in CI"""
_SCALING_EXAMPLES = """\
examples:
  %(prog)s                                   every image of budgets.toml
  %(prog)s api --cpus 8 --connections 200    the memory to expect in production
  %(prog)s api --loads 50,100,200            at three loads, to see whether memory grows linearly
  %(prog)s python:3.13 -- python job.py      at each number of CPUs only"""


def add_fidelity(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `membudget fidelity` and its commands."""
    command = commands.add_parser(
        "fidelity",
        help="say how the figures of CI relate to production",
        description="Say how the figures of CI relate to production, which has other CPUs and another load.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = command.add_subparsers(metavar="COMMAND", required=True)
    _add_scaling(kinds)
    add_production(kinds)


def _add_scaling(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `membudget fidelity scaling`."""
    command = kinds.add_parser(
        "scaling",
        help="measure how memory grows with CPUs and connections",
        description="Run the same workload with different numbers of CPUs, and HTTP requests over different numbers of"
        " connections.\nPrint how much memory each CPU and each connection takes, and what to expect in production."
        " IMAGE is an image of\nbudgets.toml, or one that the container engine has. COMMAND replaces the image's own"
        " command.",
        usage="%(prog)s [options] [IMAGE...] [-- COMMAND...]",
        epilog=_SCALING_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "images", nargs="*", metavar="IMAGE", help="image to measure (default: every image of the budgets file)"
    )
    add_budgets(command)
    command.add_argument(
        "--cpus",
        type=number_up_to(MOST_CPUS),
        metavar="N",
        help="number of CPUs that the service sees in production (default: the CPU limit in the manifests of the"
        " budgets file)",
    )
    command.add_argument(
        "--connections",
        type=number_up_to(MOST_CONNECTIONS),
        metavar="N",
        help="number of connections that the service has at once in production (default: those of the workload)",
    )
    command.add_argument(
        "--at-cpus",
        type=numbers(MOST_CPUS),
        metavar="N,N",
        help="numbers of CPUs to measure with (default: those of 1, 2 and 4 that the machine has)",
    )
    command.add_argument(
        "--loads",
        type=numbers(MOST_CONNECTIONS),
        metavar="N,N",
        help="numbers of connections to measure with (default: those of the workload, and twice as many)",
    )
    command.add_argument(
        "--trials",
        type=number_up_to(100),
        default=5,
        metavar="N",
        help="number of trials at each combination of CPUs and connections (default: %(default)s)",
    )
    command.add_argument("--format", choices=("table", "json"), default="table", help="default: %(default)s")
    add_timeout_of_unnamed(command)
    command.add_argument("-q", "--quiet", action="store_true", help="show no progress")
    add_measuring_options(command)
    command.set_defaults(handler=Handler("fidelity_scaling", "scaling"), takes_command=True)
