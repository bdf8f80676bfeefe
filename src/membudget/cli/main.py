"""The command line: parse, hand over to the command, and turn what comes back into an exit code.

Nothing heavy is imported before a command is known: `--help` answers at once.
"""

import errno
import os
import sys
import traceback
from collections.abc import Sequence

from membudget.cli.arguments import Handler, make_parser, measure
from membudget.core.errors import ExitCode, MembudgetError

_LONGEST_LINE = 2000
_FREE_SPACE = "free space where TMPDIR, the cache and the report lie, then run again"
_LACKS = {
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EROFS: "point TMPDIR, MEMBUDGET_CACHE_DIR and the report at a disk that can be written to",
    errno.EMFILE: "raise the limit of open files (ulimit -n), then run again",
    errno.ENFILE: "raise the machine's limit of open files (fs.file-max), then run again",
    errno.ENOMEM: "free memory on this machine, then run again",
}
"""What a machine may lack at any moment and in any place, by errno(3), and what to do about it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Never raises: every outcome is an exit code and, if need be, a message."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Cut here, not by argparse: it cannot tell options from a command's own where positionals are optional.
    before, separator, command = _split(given)
    parser = make_parser()
    options = parser.parse_args(before)
    handler: Handler = options.handler
    if separator and handler is not measure:
        parser.error("only measure takes a command after --")
    options.container_command = command
    try:
        from membudget.core.work import install_signal_handlers

        install_signal_handlers()
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
        lack = _lack(error)
        return _fail(lack, ExitCode.UNMEASURED) if lack is not None else _report_bug(error)


def _split(arguments: list[str]) -> tuple[list[str], bool, list[str]]:
    """The arguments before `--`, whether it is there, and those after it."""
    if "--" not in arguments:
        return arguments, False, []
    cut = arguments.index("--")
    return arguments[:cut], True, arguments[cut + 1 :]


def _fail(message: str, code: ExitCode) -> ExitCode:
    from membudget.core.untrusted_text import printable_line
    from membudget.publish.workflow import guarded_log

    # It may quote the pull request's files, which must not command the terminal.
    text = "\n".join(printable_line(line, _LONGEST_LINE) for line in f"membudget: error: {message}".split("\n"))
    with guarded_log(sys.stderr):  # nor the runner, which obeys what looks like a command
        print(text, file=sys.stderr)
    return code


def _lack(error: Exception) -> str | None:
    """The message where the machine ran out of something, such as space on a disk. None for any other error."""
    if not isinstance(error, OSError) or error.errno not in _LACKS:
        return None
    place = f"{error.filename}: " if error.filename is not None else ""
    return f"{place}{error.strerror}\n  fix: {_LACKS[error.errno]}"


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
