"""The command line: parse, hand over to the command, and turn what comes back into an exit code.

Nothing heavy is imported before a command is known: `--help` answers at once.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence

from membudget.errors import ExitCode, MembudgetError

_LONGEST_LINE = 2000

Handler = Callable[[argparse.Namespace], ExitCode]

_EXIT_CODES = """\
exit codes: 0 within budget; 1 over budget; 2 wrong configuration or arguments; 3 the environment failed, or the
answer is inconclusive; 70 a bug in membudget; 130 interrupted"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Never raises: every outcome is an exit code and, if need be, a message."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Cut here, not by argparse: it cannot tell options from a command's own where positionals are optional.
    before, separator, command = _split(given)
    parser = _parser()
    options = parser.parse_args(before)
    handler: Handler = options.handler
    if separator and handler is not _measure:
        parser.error("only measure takes a command after --")
    options.container_command = command
    try:
        from membudget import interruption

        interruption.install()
        code = handler(options)
        sys.stdout.flush()  # a reader that is gone is noticed here, not at Python's exit
        return code
    except MembudgetError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("interrupted", ExitCode.INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at its exit
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last resort, which says so
        return _report_bug(error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="membudget",
        description="Memory budgets for container images, enforced on every pull request.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_VersionAction, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_check(commands)
    _add_measure(commands)
    _add_publish(commands)
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
        help="build base and head, measure them, judge them by budgets.toml",
        description="Build every image of budgets.toml at base and head, run each under its limit with its workload,"
        " compare, judge, write report.json and print the table.",
    )
    command.add_argument(
        "--budgets", default="budgets.toml", metavar="FILE", help="budgets file (default: %(default)s)"
    )
    base = command.add_mutually_exclusive_group()
    base.add_argument(
        "--base", metavar="REV", help="compare with where HEAD left REV (default: origin/HEAD, main or master)"
    )
    base.add_argument("--no-base", action="store_true", help="compare with nothing: absolute budgets only")
    command.add_argument("--image", action="append", metavar="NAME", help="check this image only (may be repeated)")
    command.add_argument(
        "--report", default="report.json", metavar="FILE", help="where to write it (default: %(default)s)"
    )
    command.add_argument(
        "--jobs",
        type=_jobs,
        default=1,
        metavar="N",
        help="measure up to N images side by side, each on CPUs of its own, as memory allows (default: %(default)s)",
    )
    command.add_argument(
        "--fail-on", choices=("fail", "warn", "never"), default="fail", help="what exits with 1 (default: %(default)s)"
    )
    command.add_argument("--allow-inconclusive", action="store_true", help="exit with 0 when the answer is open")
    command.add_argument("--no-cache", action="store_true", help="run every trial, also of what was measured before")
    label = "the label that lets a pull request loosen its budgets (default: %(default)s)"
    command.add_argument("--approval-label", default="memory-budget-approved", metavar="LABEL", help=label)
    _add_measuring_options(command)
    command.set_defaults(handler=_check)


def _add_measure(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "measure",
        help="measure one image, without a budgets file",
        description="Run an image that is in the engine, and print what its memory did. COMMAND replaces the image's"
        " own; without it that one is run to its end.",
        usage="membudget measure [options] IMAGE [-- COMMAND...]",
    )
    command.add_argument("image", metavar="IMAGE", help="an image in the engine")
    command.add_argument("--limit", type=_limit, metavar="SIZE", help='memory limit, like "256MiB" (default: none)')
    command.add_argument(
        "--trials", type=_trials, default=3, metavar="N", help="measured trials (default: %(default)s)"
    )
    command.add_argument(
        "--timeout", type=_duration, default=60_000, metavar="TIME", help='time a trial may take (default: "60s")'
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    _add_measuring_options(command)
    command.set_defaults(handler=_measure)


def _add_publish(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "publish",
        help="post a report to the pull request and the workflow",
        description="Keep one comment on the pull request of the current GitHub event, write the step summary, the"
        " step outputs and the annotations. Reads GITHUB_TOKEN, GITHUB_API_URL, GITHUB_EVENT_PATH and their like.",
    )
    command.add_argument("report", metavar="REPORT", help="a report.json that check wrote")
    command.add_argument("--key", default="default", help="which comment: workflows with other keys keep their own")
    command.set_defaults(handler=_publish)


def _add_schema(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("schema", help="print the JSON schema of budgets.toml, for editors")
    command.set_defaults(handler=_schema)


def _add_action(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("action", help="what the GitHub Action runs: check, then publish")
    command.set_defaults(handler=_action)


def _add_measuring_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--probe",
        choices=("auto", "host", "container", "engine"),
        default="auto",
        help="where to measure from: this machine's own cgroup files, a helper container, or the engine's statistics,"
        " once a second (default: the first that works)",
    )
    command.add_argument(
        "--helper-image",
        metavar="IMAGE",
        default=os.environ.get("MEMBUDGET_HELPER_IMAGE"),
        help="image of membudget for helper containers (default: $MEMBUDGET_HELPER_IMAGE, or the engine's newest)",
    )
    command.add_argument(
        "--rate",
        type=_rate,
        default=100,
        metavar="HZ",
        help="looks a second while memory rests; four times as many while it moves (default: %(default)s)",
    )


def _limit(text: str) -> int:
    from membudget.budgets.fields import LARGEST_SIZE, LARGEST_SIZE_BYTES
    from membudget.budgets.possible import SMALLEST_LIMIT_BYTES

    limit = _quantity(text, "parse_size")
    if limit > LARGEST_SIZE_BYTES:
        raise argparse.ArgumentTypeError(f"{LARGEST_SIZE} or less")
    if limit < SMALLEST_LIMIT_BYTES:
        raise argparse.ArgumentTypeError("at least 8MiB: the container runtime itself needs 4 to 7 MiB to start")
    return limit


def _duration(text: str) -> int:
    from membudget.budgets.fields import LONGEST_DURATION, LONGEST_DURATION_MS

    duration = _quantity(text, "parse_duration")
    if duration > LONGEST_DURATION_MS:
        raise argparse.ArgumentTypeError(f"{LONGEST_DURATION} or less")
    return duration


def _quantity(text: str, parser: str) -> int:
    from membudget import quantities

    parse: Callable[[str], int] = getattr(quantities, parser)
    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _trials(text: str) -> int:
    return _whole_number(text, 1, 1000)


def _jobs(text: str) -> int:
    return _whole_number(text, 1, 64)


def _rate(text: str) -> int:
    return _whole_number(text, 1, 1000)


def _whole_number(text: str, least: int, most: int) -> int:
    if not text.isdecimal() or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"a whole number from {least} to {most}")
    return int(text)


def _check(options: argparse.Namespace) -> ExitCode:
    from membudget.commands import check

    return check(options)


def _measure(options: argparse.Namespace) -> ExitCode:
    from membudget.commands import measure

    return measure(options)


def _publish(options: argparse.Namespace) -> ExitCode:
    from membudget.commands import publish

    return publish(options)


def _schema(options: argparse.Namespace) -> ExitCode:
    del options
    from membudget.commands import schema

    return schema()


def _action(options: argparse.Namespace) -> ExitCode:
    del options
    from membudget.commands import action

    return action()


def _split(arguments: list[str]) -> tuple[list[str], bool, list[str]]:
    """The arguments before `--`, whether it is there, and those after it."""
    if "--" not in arguments:
        return arguments, False, []
    cut = arguments.index("--")
    return arguments[:cut], True, arguments[cut + 1 :]


def _fail(message: str, code: ExitCode) -> ExitCode:
    from membudget.report.untrusted_text import printable_line

    # It may quote the pull request's files, which must not command the terminal.
    text = "\n".join(printable_line(line, _LONGEST_LINE) for line in f"membudget: error: {message}".split("\n"))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        # Nor the runner, which obeys what looks like a command.
        from membudget.publishing.workflow_commands import guarded

        with guarded(sys.stderr):
            print(text, file=sys.stderr)
    else:
        print(text, file=sys.stderr)
    return code


def _report_bug(error: Exception) -> ExitCode:
    """A failure nobody expected. The traceback goes to a file: it is for us, not for who ran into it."""
    import tempfile

    details = "".join(traceback.format_exception(error))
    try:
        with tempfile.NamedTemporaryFile("wb", prefix="membudget-bug-", suffix=".txt", delete=False) as file:
            file.write(details.encode(errors="backslashreplace"))
        proof = file.name
    except OSError:  # no disk may be the very cause
        proof = f"this:\n{details}"
    return _fail(
        f"this is a bug in membudget: {type(error).__name__}: {error}\n  fix: please report it with {proof}",
        ExitCode.BUG,
    )
