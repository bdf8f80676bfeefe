"""The arguments of `membudget init`. Imports nothing heavy."""

import argparse
import os

from membudget.core.errors import ExitCode


def add_init(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `membudget init`."""
    command = commands.add_parser(
        "init",
        help="write a budgets file and a workflow for this repository",
        description="Find the images that this repository builds, build and run each, and write a workflow and a"
        " budgets.toml that passes. Reads Dockerfiles, compose and bake files, workflows, Kubernetes manifests and Helm"
        " charts. Never asks, and never overwrites a file without --force.",
    )
    command.add_argument(
        "--budgets", default="budgets.toml", metavar="FILE", help="where to write the budgets (default: %(default)s)"
    )
    workflow = command.add_mutually_exclusive_group()
    workflow.add_argument(
        "--fork-safe",
        action="store_true",
        help="write two workflows, which also comment on pull requests from forks",
    )
    workflow.add_argument("--no-workflow", action="store_true", help="write the budgets file alone")
    command.add_argument(
        "--no-measure", action="store_true", help="build and run nothing; the budgets then have no maxima"
    )
    command.add_argument("--dry-run", action="store_true", help="print the files instead of writing them")
    command.add_argument("--force", action="store_true", help="overwrite files that are there")
    command.add_argument("--json", action="store_true", help="print the summary as JSON")
    command.add_argument(
        "--helper-image",
        metavar="IMAGE",
        default=os.environ.get("MEMBUDGET_HELPER_IMAGE"),
        help="image of membudget for helper containers (default: $MEMBUDGET_HELPER_IMAGE, or the engine's newest)",
    )
    command.set_defaults(handler=_init)


def _init(options: argparse.Namespace) -> ExitCode:
    from membudget.cli.init import init

    return init(options)
