"""The arguments that several commands share, each with one name, one default and one text. Imports nothing heavy."""

import argparse
import os

from membudget.cli.argument_values import duration, jobs, number_up_to


def add_budgets(command: argparse.ArgumentParser, what: str = "budgets file") -> None:
    """Add the option that names the budgets file. `what` says what the command does with it."""
    command.add_argument("--budgets", default="budgets.toml", metavar="FILE", help=f"{what} (default: %(default)s)")


def add_jobs(command: argparse.ArgumentParser, does: str) -> None:
    """Add the option that says how many images the command measures at the same time. `does` is a verb."""
    command.add_argument(
        "--jobs",
        type=jobs,
        default="auto",
        metavar="N",
        help=f"{does} up to N images at the same time, if their limits fit into the free memory (default: auto, which"
        " is as many as the machine has CPUs for, at most 8)",
    )


def add_timeout(command: argparse.ArgumentParser, of_what: str = "of a trial") -> None:
    """Add the longest time of a trial for which no budgets file says another one."""
    command.add_argument(
        "--timeout", type=duration, default=60_000, metavar="TIME", help=f'longest time {of_what} (default: "60s")'
    )


def add_timeout_of_unnamed(command: argparse.ArgumentParser) -> None:
    """Add `--timeout` to a command that takes images of the budgets file and others."""
    add_timeout(command, "of a trial of an image that is not in the budgets file")


def add_no_fetch(command: argparse.ArgumentParser) -> None:
    """Add the option to read only this clone's history."""
    command.add_argument("--no-fetch", action="store_true", help="do not fetch the history first")


def add_place(command: argparse.ArgumentParser) -> None:
    """Add the option that says where the history is kept. It has the name of the action's input."""
    where = "where the history is kept: notes, notes:NAME, branch:NAME or folder:PATH (default: %(default)s)"
    command.add_argument("--history", dest="place", default="notes", metavar="PLACE", help=where)


def add_helper_image(command: argparse.ArgumentParser) -> None:
    """Add the option that names the image of helper containers."""
    command.add_argument(
        "--helper-image",
        metavar="IMAGE",
        default=os.environ.get("MEMBUDGET_HELPER_IMAGE"),
        help="image for helper containers, which read the cgroup files if membudget itself cannot"
        " (default: $MEMBUDGET_HELPER_IMAGE or membudget:VERSION)",
    )


def add_measuring_options(command: argparse.ArgumentParser) -> None:
    """Add the options that say how a command measures."""
    command.add_argument(
        "--probe",
        choices=("auto", "host", "container", "engine"),
        default="auto",
        help="where to measure: this machine's cgroup files (host), a helper container, or the engine's statistics"
        " once a second (default: auto, the first of these that works)",
    )
    add_helper_image(command)
    command.add_argument(
        "--rate",
        type=number_up_to(1000),
        default=100,
        metavar="HZ",
        help="samples per second while memory does not change; up to four times as many while it changes (default:"
        " %(default)s)",
    )
