"""The arguments of `membudget init`. Imports nothing heavy."""

import argparse
import os

from membudget.cli.handler import Handler

HELPER_IMAGE_HELP = (
    "image for helper containers, which read the cgroup files if membudget itself cannot"
    " (default: $MEMBUDGET_HELPER_IMAGE or membudget:VERSION)"
)


def add_init(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `membudget init`."""
    command = commands.add_parser(
        "init",
        help="write a budgets file and a workflow for this repository",
        description="Find the images of this repository. Build and run each image. Write a budgets.toml with"
        " budgets that the images keep today, and a workflow. init reads Dockerfiles, compose and bake files,"
        " workflows, Kubernetes manifests and Helm charts. It asks no questions, and overwrites files only with"
        " --force.",
    )
    command.add_argument(
        "--budgets",
        default="budgets.toml",
        metavar="FILE",
        help="write the budgets to this file (default: %(default)s)",
    )
    workflow = command.add_mutually_exclusive_group()
    workflow.add_argument(
        "--fork-safe",
        action="store_true",
        help="write two workflows, which can also comment on pull requests from forks",
    )
    workflow.add_argument("--no-workflow", action="store_true", help="write only the budgets file")
    command.add_argument(
        "--no-measure", action="store_true", help="do not build or run images; the budgets then have no maxima"
    )
    command.add_argument("--dry-run", action="store_true", help="print the files instead of writing them")
    command.add_argument("--force", action="store_true", help="overwrite existing files")
    command.add_argument("--json", action="store_true", help="print the summary as JSON")
    command.add_argument(
        "--helper-image",
        metavar="IMAGE",
        default=os.environ.get("MEMBUDGET_HELPER_IMAGE"),
        help=HELPER_IMAGE_HELP,
    )
    command.set_defaults(handler=Handler("init", "init"))
