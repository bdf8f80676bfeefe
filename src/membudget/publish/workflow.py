"""How a workflow step communicates: commands in its log, and the files that the workflow reads."""

import os
import re
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from membudget.core.untrusted_text import json_without_commands, printable
from membudget.publish.pull_request import LinesOfFile

MOST_ANNOTATIONS = 10
"""GitHub shows ten annotations of a kind per step."""
_LONGEST_ANNOTATION = 1000
_LONGEST_TITLE = 200
_OUTPUT_NAME = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)


def error_annotation(title: str, message: str, place: LinesOfFile | None = None) -> str:
    """Return the log line that creates an error annotation."""
    properties = [f"title={_property(printable(title, _LONGEST_TITLE))}"]
    if place is not None:
        file = _property(printable(place.path, _LONGEST_TITLE))
        properties = [f"file={file}", f"line={place.first}", f"endLine={place.last}", *properties]
    return f"::error {','.join(properties)}::{_data(printable(message, _LONGEST_ANNOTATION))}"


def open_group(title: str) -> str:
    """Return the log line that opens a foldable group."""
    return f"::group::{_data(printable(title))}"


CLOSE_GROUP = "::endgroup::"


@contextmanager
def guarded(stream: TextIO) -> Iterator[None]:
    """Let the stream print text of others: the runner ignores commands until the random token appears."""
    token = secrets.token_hex(16)
    print(f"::stop-commands::{token}", file=stream, flush=True)
    try:
        yield
    finally:
        print(f"\n::{token}::", file=stream, flush=True)


def write_outputs(path: Path, outputs: Mapping[str, str]) -> None:
    """Append step outputs to the file that GITHUB_OUTPUT names. Raises OSError, and ValueError for an invalid name."""
    wrong = [name for name in outputs if not _OUTPUT_NAME.fullmatch(name)]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is no name of a step output")
    with path.open("a", encoding="utf-8") as file:
        for name, value in outputs.items():
            delimiter = f"membudget_{secrets.token_hex(16)}"
            file.write(f"{name}<<{delimiter}\n{value}\n{delimiter}\n")


def append_summary(path: Path, markdown: str) -> None:
    """Append to the step summary that GITHUB_STEP_SUMMARY names. Raises OSError."""
    with path.open("a", encoding="utf-8") as file:
        file.write(markdown)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def obeys_commands(environ: Mapping[str, str]) -> bool:
    """Return whether a runner reads commands from the log, as those of GitHub, Forgejo and Gitea do."""
    return environ.get("GITHUB_ACTIONS") == "true"


class WorkflowStep:
    """Writes to the step's summary, outputs and log, if they exist."""

    def __init__(
        self, environ: Mapping[str, str], stream: TextIO, warn: Callable[[str], None], *, annotates: bool = True
    ) -> None:
        self._summary = environ.get("GITHUB_STEP_SUMMARY")
        self._outputs = environ.get("GITHUB_OUTPUT")
        self._annotates = annotates and obeys_commands(environ)
        self._stream = stream
        self._warn = warn
        self._annotations = 0

    def summary(self, markdown: str) -> None:
        """Append to the step summary."""
        if self._summary:
            self._write("the step summary", lambda path: append_summary(path, markdown), self._summary)

    def outputs(self, values: Mapping[str, str]) -> None:
        """Set step outputs."""
        if self._outputs:
            self._write("the step outputs", lambda path: write_outputs(path, values), self._outputs)

    def annotate(self, title: str, message: str, place: LinesOfFile | None = None) -> None:
        """Add an error annotation, at lines of a file if they are known. Stops at the most that GitHub shows."""
        self._annotations += 1
        if self._annotates and self._annotations <= MOST_ANNOTATIONS:
            print(error_annotation(title, message, place), file=self._stream, flush=True)

    def _write(self, what: str, write: Callable[[Path], None], path: str) -> None:
        try:
            write(Path(path))
        except OSError as error:
            self._warn(f"{what} cannot be written: {error.strerror}")


if TYPE_CHECKING:
    from rich.console import RenderableType

_LOG_WIDTH = 160
_LONGEST_WARNING = 1000


def show(content: "RenderableType") -> None:
    """Print for people."""
    from rich.console import Console  # JSON output does not need this import

    console = Console(width=None if sys.stdout.isatty() else _LOG_WIDTH)
    with guarded_log(sys.stdout):
        console.print(content)


def show_lines(text: str) -> None:
    """Print lines for people as they are, of any length."""
    with guarded_log(sys.stdout):
        print(text, flush=True)


def show_folded(title: str, content: "RenderableType") -> None:
    """Print for people, in a group that a workflow's log shows folded."""
    print(open_group(title), flush=True)
    show(content)
    print(CLOSE_GROUP, flush=True)


def show_json(document: str) -> None:
    """Print for programs, without anything around the document.

    Halves of characters, which files and names may hold and no output can, become escapes of JSON.
    """
    print(json_without_commands(document.encode(errors="backslashreplace").decode()))


def warn(text: str) -> None:
    """Print a line on standard error, beside the output."""
    with guarded_log(sys.stderr):
        print(f"membudget: {printable(text, _LONGEST_WARNING)}", file=sys.stderr)


def guarded_log(stream: TextIO) -> AbstractContextManager[None]:
    """Guard the stream if a runner obeys commands in it."""
    return guarded(stream) if obeys_commands(os.environ) else nullcontext()
