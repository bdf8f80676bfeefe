"""What a GitHub workflow understands of a step: annotations, groups, outputs, the step summary.

Source: GitHub docs, "Workflow commands for GitHub Actions". Commands are lines of output, so whatever else a step
prints must not look like one: see `guarded`.
"""

import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from membudget.core.untrusted_text import printable
from membudget.publish.pull_request import Place

MOST_ANNOTATIONS = 10
"""GitHub shows ten of a kind a step."""
_LONGEST_ANNOTATION = 1000
_LONGEST_TITLE = 200
_OUTPUT_NAME = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)


def error_annotation(title: str, message: str, place: Place | None = None) -> str:
    """The line that makes an error annotation."""
    properties = [f"title={_property(printable(title, _LONGEST_TITLE))}"]
    if place is not None:
        file = _property(printable(place.path, _LONGEST_TITLE))
        properties = [f"file={file}", f"line={place.first}", f"endLine={place.last}", *properties]
    return f"::error {','.join(properties)}::{_data(printable(message, _LONGEST_ANNOTATION))}"


def open_group(title: str) -> str:
    """The line that opens a foldable group of the log."""
    return f"::group::{_data(printable(title))}"


CLOSE_GROUP = "::endgroup::"


@contextmanager
def guarded(stream: TextIO) -> Iterator[None]:
    """Print what others wrote: the runner obeys nothing until the random token comes."""
    token = secrets.token_hex(16)
    print(f"::stop-commands::{token}", file=stream, flush=True)
    try:
        yield
    finally:
        print(f"\n::{token}::", file=stream, flush=True)


def write_outputs(path: Path, outputs: Mapping[str, str]) -> None:
    """Append step outputs to the file that GITHUB_OUTPUT names. Raises OSError, and ValueError for what is no name."""
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
