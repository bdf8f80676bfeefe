"""The arguments of the commands that set membudget up. Imports nothing heavy."""

import argparse
from collections.abc import Callable

from membudget.cli.handler import Handler
from membudget.core.errors import DoctorCheck

AddMeasuringOptions = Callable[[argparse.ArgumentParser], None]


def add_doctor(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", add_measuring_options: AddMeasuringOptions
) -> None:
    """Add `membudget doctor`."""
    command = commands.add_parser(
        "doctor",
        help="check this machine, its engine, the repository and its workflows",
        description="Check everything that membudget needs, and show how to fix problems. A self-test measures a"
        " program with known memory use. Exits with 3 if a check fails.",
        epilog=f"checks: {', '.join(DoctorCheck)}",
    )
    command.add_argument(
        "--only",
        action="append",
        choices=tuple(map(str, DoctorCheck)),
        metavar="CHECK",
        help="run only this check (repeatable)",
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    command.add_argument(
        "--budgets", default="budgets.toml", metavar="FILE", help="budgets file (default: %(default)s)"
    )
    command.add_argument("--base", metavar="REV", help="compare with the merge base of HEAD and REV")
    add_measuring_options(command)
    command.set_defaults(handler=Handler("doctor", "doctor"))


_VALIDATE_EXAMPLES = """\
examples:
  %(prog)s                    check budgets.toml and the workflows that use membudget
  %(prog)s ci/budgets.toml    check one file
  %(prog)s --json             print the result as JSON

The pre-commit hook membudget-validate runs it on each commit."""


def add_validate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `membudget validate`."""
    command = commands.add_parser(
        "validate",
        help="check budgets.toml and the workflows for mistakes",
        description="Check budgets files and workflows, and print all mistakes with file, line and column.\nNeeds no"
        " engine. Exits with 2 if there is an error.",
        epilog=_VALIDATE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help="budgets file (.toml) or workflow (.yml, .yaml) (default: budgets.toml and the workflows that use"
        " membudget)",
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(handler=Handler("validate", "validate"))


_COMPLETION_EXAMPLES = """\
examples:
  bash   %(prog)s bash > ~/.local/share/bash-completion/completions/membudget
  zsh    %(prog)s zsh > ~/.zfunc/_membudget    (with fpath+=~/.zfunc before compinit)
  tcsh   %(prog)s tcsh > ~/.membudget.tcsh     (with source ~/.membudget.tcsh in ~/.tcshrc)"""


def add_completion(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `membudget completion`."""
    command = commands.add_parser(
        "completion",
        help="print a script that completes commands and options in your shell",
        description="Print a script for your shell. It completes membudget's commands, options and their values.",
        epilog=_COMPLETION_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("shell", choices=("bash", "zsh", "tcsh"), metavar="SHELL", help="bash, zsh or tcsh")
    command.set_defaults(handler=Handler("completion", "completion"))
