"""The entry point: parses the arguments, runs the command, and turns its result or error into an exit code.

Heavy modules are imported only when a command is known, so that `--help` answers immediately.
"""

import errno
import os
import sys
import traceback
from collections.abc import Sequence

from membudget.cli.arguments import make_parser
from membudget.cli.handler import CommandRun
from membudget.core.errors import ExitCode, MembudgetError, with_fix

_LONGEST_LINE = 2000
_FREE_SPACE = "free space where TMPDIR, the cache and the report lie, then run again (membudget doctor --only disk)"
_LACKS = {
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EROFS: "point TMPDIR, MEMBUDGET_CACHE_DIR and the report at a disk that can be written to",
    errno.EMFILE: "raise the limit of open files (ulimit -n), then run again",
    errno.ENFILE: "raise the machine's limit of open files (fs.file-max), then run again",
    errno.ENOMEM: "free memory on this machine, then run again",
}
"""What to do about each resource that a machine may run out of, by errno(3)."""


def main(arguments: Sequence[str] | None = None, program: str = "membudget") -> int:
    """Run one command. Never raises: every outcome is an exit code, with a message on standard error if it failed.

    `program` is the name of the command in help texts.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    # argparse cannot separate membudget's options from those of a command after optional positionals.
    before, separator, command = _split(given)
    parser = make_parser(program)
    options = parser.parse_args(before)
    handler: CommandRun = options.handler
    if separator and not getattr(options, "takes_command", False):
        parser.error("only measure, fit and fidelity scaling take a command after --")
    options.container_command = command
    try:
        from membudget.core.work import install_signal_handlers

        install_signal_handlers()
        code = handler(options)
        sys.stdout.flush()  # a closed pipe is noticed here, not when Python exits
        return code
    except MembudgetError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("interrupted", ExitCode.INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # otherwise Python complains when it exits
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last resort: reported as a bug
        lack = _lack(error)
        return _fail(lack, ExitCode.UNMEASURED) if lack is not None else _report_bug(error)


def _split(arguments: list[str]) -> tuple[list[str], bool, list[str]]:
    """Return the arguments before the first `--`, whether there is one, and the arguments after it."""
    if "--" not in arguments:
        return arguments, False, []
    cut = arguments.index("--")
    return arguments[:cut], True, arguments[cut + 1 :]


def _fail(message: str, code: ExitCode) -> ExitCode:
    from membudget.core.untrusted_text import printable_line
    from membudget.publish.workflow import guarded_log

    # The message may quote files of the pull request. They must not send commands to the terminal,
    text = "\n".join(printable_line(line, _LONGEST_LINE) for line in f"membudget: error: {message}".split("\n"))
    with guarded_log(sys.stderr):  # nor to the workflow's runner
        print(text, file=sys.stderr)
    return code


def _lack(error: Exception) -> str | None:
    """Return a message if the machine ran out of a resource, such as disk space. None for any other error."""
    if not isinstance(error, OSError) or error.errno not in _LACKS:
        return None
    place = f"{error.filename}: " if error.filename is not None else ""
    return with_fix(f"{place}{error.strerror}", _LACKS[error.errno])


def _report_bug(error: Exception) -> ExitCode:
    """Report an unexpected error. The traceback goes to a file, because it helps only membudget's developers."""
    import tempfile

    details = "".join(traceback.format_exception(error))
    try:
        with tempfile.NamedTemporaryFile("wb", prefix="membudget-bug-", suffix=".txt", delete=False) as file:
            file.write(details.encode(errors="backslashreplace"))
        proof = file.name
    except OSError:  # a full disk may be the cause
        proof = f"this:\n{details}"
    return _fail(
        with_fix(f"this is a bug in membudget: {type(error).__name__}: {error}", f"please report it with {proof}"),
        ExitCode.BUG,
    )
