"""The arguments of the commands that set membudget up. Imports nothing heavy."""

import argparse

from membudget.cli.handler import Handler
from membudget.cli.shared_arguments import add_budgets, add_helper_image, add_measuring_options
from membudget.core.errors import DoctorCheck


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
    add_budgets(command, "write the budgets to this file")
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
    add_helper_image(command)
    command.set_defaults(handler=Handler("init", "init"))


def add_doctor(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
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
    add_budgets(command)
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
