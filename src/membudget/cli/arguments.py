"""The arguments of most commands, and their values.

Heavy modules are imported only when a command is known, so that `--help` answers immediately.
"""

import argparse

from membudget.cli.advise_arguments import add_advise, add_fit
from membudget.cli.argument_values import limit, number_up_to
from membudget.cli.fidelity_arguments import add_fidelity
from membudget.cli.handler import Handler
from membudget.cli.history_arguments import add_backfill, add_history
from membudget.cli.image_arguments import add_base_variants, add_diff, add_inspect
from membudget.cli.metrics_arguments import add_metrics
from membudget.cli.report_arguments import add_detail, add_format, add_report, add_report_option, add_written_report
from membudget.cli.setup_arguments import add_completion, add_doctor, add_init, add_validate
from membudget.cli.shared_arguments import (
    add_budgets,
    add_jobs,
    add_measuring_options,
    add_no_fetch,
    add_place,
    add_timeout,
)
from membudget.core.errors import ExitCode

_EXIT_CODES = """\
exit codes:
  0    within budget
  1    over budget
  2    invalid configuration or arguments
  3    inconclusive, or the environment failed
  70   a bug in membudget
  130  interrupted"""


def make_parser(program: str = "membudget") -> argparse.ArgumentParser:
    """Return the parser of the whole command line. Each command sets a `handler`, which imports modules when called."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Memory budgets for container images, enforced on every pull request.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-V", "--version", action=_VersionAction, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    add_init(commands)
    add_validate(commands)
    _add_check(commands)
    _add_measure(commands)
    add_fit(commands)
    add_advise(commands)
    add_inspect(commands)
    add_diff(commands)
    _add_plan(commands)
    _add_merge(commands)
    add_report(commands)
    add_metrics(commands)
    _add_publish(commands)
    add_history(commands)
    add_backfill(commands)
    add_fidelity(commands)
    add_doctor(commands)
    add_completion(commands)
    _add_schema(commands)
    _add_action(commands)
    return parser


class _VersionAction(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from membudget.version import VERSION

        print(f"membudget {VERSION}")
        parser.exit()


def _add_check(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "check",
        help="build and measure base and head, and compare them with budgets.toml",
        description="Build every image of budgets.toml at base and head. Run each under its limit with its workload."
        " Compare the figures with the budgets, print the result and write report.json.",
    )
    add_budgets(command)
    base = command.add_mutually_exclusive_group()
    base.add_argument(
        "--base",
        metavar="REV",
        help="compare with the merge base of HEAD and REV (default: the default branch, which is origin/HEAD, main or"
        " master; on the default branch itself, compare with the previous commit)",
    )
    base.add_argument("--no-base", action="store_true", help="measure only HEAD, and skip budgets that need a base")
    command.add_argument("--image", action="append", metavar="NAME", help="check only this image (repeatable)")
    command.add_argument(
        "--shard",
        metavar="I/N",
        help="check only part I of N of the images; combine the reports with `membudget merge`",
    )
    add_report_option(command)
    command.add_argument(
        "--sarif", metavar="FILE", help="also write the findings in manifests and runtimes to this file, as SARIF"
    )
    add_jobs(command, "measure")
    _add_exit_policy(command)
    add_format(command)
    add_detail(command)
    add_base_variants(command)
    add_place(command)
    command.add_argument("--no-cache", action="store_true", help="build all images, and reuse no cached results")
    label = "label that approves looser budgets (default: %(default)s)"
    command.add_argument("--approval-label", default="memory-budget-approved", metavar="LABEL", help=label)
    profile = "run base and head of every image that runs once more with a profiler, even if no budget is broken"
    command.add_argument("--profile", action="store_true", help=profile)
    approved = "outside of CI, accept looser budgets, as if the pull request had the approval label"
    command.add_argument("--approved", action="store_true", help=approved)
    by_name = (
        "a budgets file may use only the secrets named here (repeatable; default: any secret, but new ones need the"
        " approval label)"
    )
    command.add_argument("--allow-secret", action="append", default=[], metavar="NAME", help=by_name)
    add_measuring_options(command)
    command.set_defaults(handler=Handler("commands", "check"))


def _add_measure(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "measure",
        help="measure an image, or compare several images, without a budgets file",
        description="Run images that the container engine already has, and print their memory use. With several images,"
        " compare how much memory they need. COMMAND replaces the image's own command and runs to its end. Without"
        " COMMAND, a job runs to its end. A service is left idle for 5 seconds once it is ready.",
        usage="%(prog)s [options] IMAGE [IMAGE...] [-- COMMAND...]",
    )
    command.add_argument("images", metavar="IMAGE", nargs="+", help="image in the engine (never pulled)")
    command.add_argument("--limit", type=limit, metavar="SIZE", help='memory limit, like "256MiB" (default: none)')
    command.add_argument(
        "--trials",
        type=number_up_to(1000),
        metavar="N",
        help="number of measured trials of each image (default: 3, or 5 to compare images)",
    )
    add_timeout(command)
    add_format(command)
    quiet = "print only the peak, how much of the limit is unused, and the next step"
    command.add_argument("-q", "--quiet", action="store_true", help=quiet)
    add_measuring_options(command)
    command.set_defaults(handler=Handler("measure", "measure"), takes_command=True)


def _add_exit_policy(command: argparse.ArgumentParser, what: str = "exit with 1 on") -> None:
    command.add_argument(
        "--fail-on",
        choices=("fail", "warn", "never"),
        default="fail",
        help=f"{what}: fail (a broken budget), warn (also on a warning) or never (default: %(default)s)",
    )
    passes = "pass if noise is the only reason for an inconclusive result; a missing measurement never passes"
    command.add_argument("--allow-inconclusive", action="store_true", help=passes)


def _add_plan(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "plan",
        help="distribute the images over several runners",
        description="Distribute the images over at most N jobs of a workflow, and print the matrix for these jobs."
        " All jobs should take about the same time, judged by how long each image took in earlier checks: as the"
        " history of the main branch says, or this machine's cache. An image of which nothing is known counts as the"
        " median. Each job runs check with the `shard` and `images` of its entry in the matrix.",
    )
    command.add_argument(
        "--fit",
        action="store_true",
        help="distribute the images over jobs that run `membudget fit`, by how long the last fits took",
    )
    command.add_argument("--shards", type=number_up_to(256), required=True, metavar="N", help="largest number of jobs")
    add_budgets(command)
    add_no_fetch(command)
    add_place(command)
    command.set_defaults(handler=Handler("plan", "plan"))


def _add_merge(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "merge",
        help="combine the reports of `check --shard`",
        description="Combine the reports of all shards (parts of one check) into one report. Print the result, and exit"
        " like check. If a shard or an image is missing or occurs twice, or if a report belongs to another check, the"
        " result is inconclusive.",
    )
    command.add_argument(
        "reports", nargs="+", metavar="REPORT", help="report.json of a shard, or a folder with such files"
    )
    add_report_option(command)
    _add_exit_policy(command)
    add_format(command)
    add_detail(command)
    command.set_defaults(handler=Handler("commands", "merge"))


def _add_publish(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "publish",
        help="post a report to the pull request",
        description="Create or update the comment on the pull request of the current GitHub event. Write the step"
        " summary, the step outputs and the annotations. Reads GITHUB_TOKEN, GITHUB_API_URL, GITHUB_EVENT_PATH and"
        " similar.",
    )
    add_written_report(command)
    command.add_argument("--key", default="default", help="name of the comment; each key has its own comment")
    command.add_argument(
        "--comment",
        choices=("always", "changes", "failures", "off"),
        default="changes",
        help="when to create a comment: always; changes (a measured value changed, or the check warned or did not"
        " pass); failures (the check did not pass); off. An existing comment is updated, except with off (default:"
        " %(default)s)",
    )
    command.add_argument(
        "--status",
        choices=("none", "status", "check"),
        default="none",
        help="add a commit status or a check run to the head commit (default: %(default)s)",
    )
    _add_exit_policy(command, what="fail the status on")
    command.set_defaults(handler=Handler("commands", "publish"))


def _add_schema(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "schema",
        help="print the JSON schema of budgets.toml",
        description="Print the JSON schema (draft-07) of budgets.toml. Editors use it to complete keys and to mark"
        " mistakes.",
    )
    command.set_defaults(handler=_schema)


def _add_action(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "action",
        help="run as the GitHub Action: check, then publish",
        description="Run as the GitHub Action: check, then publish. Reads the inputs of action.yml from the variables"
        " INPUT_NAME, which the runner sets.",
    )
    command.set_defaults(handler=_action)


def _schema(options: argparse.Namespace) -> ExitCode:
    del options
    from membudget.cli.commands import schema

    return schema()


def _action(options: argparse.Namespace) -> ExitCode:
    del options
    from membudget.cli.commands import action

    return action(make_parser().parse_args)
