"""The arguments of the commands that set membudget up. Imports nothing heavy."""

import argparse
from collections.abc import Callable

from membudget.core.errors import DoctorCheck, ExitCode

AddMeasuringOptions = Callable[[argparse.ArgumentParser], None]


def add_doctor(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", add_measuring_options: AddMeasuringOptions
) -> None:
    """Add `membudget doctor`."""
    command = commands.add_parser(
        "doctor",
        help="check this machine, its engine, the repository and its workflows",
        description="Check what membudget needs, one line a check, and say how to fix what is wrong. A self-test"
        " measures a program whose memory is known. Exits with 3 if a check failed.",
        epilog=f"checks: {', '.join(DoctorCheck)}",
    )
    command.add_argument(
        "--only",
        action="append",
        choices=tuple(map(str, DoctorCheck)),
        metavar="CHECK",
        help="make this check only (may be repeated)",
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    command.add_argument(
        "--budgets", default="budgets.toml", metavar="FILE", help="budgets file (default: %(default)s)"
    )
    command.add_argument("--base", metavar="REV", help="compare with the merge base of HEAD and REV")
    add_measuring_options(command)
    command.set_defaults(handler=_doctor)


def _doctor(options: argparse.Namespace) -> ExitCode:
    from membudget.cli.doctor import doctor

    return doctor(options)
