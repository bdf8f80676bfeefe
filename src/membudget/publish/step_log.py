"""What commands print for people, on a terminal or into the log of a step.

It quotes what builds, workloads, images and servers said. In a workflow the runner reads the log as well, and must not
be commanded by that.
"""

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, TextIO

from membudget.core.untrusted_text import json_without_commands, printable
from membudget.publish.workflow import guarded

if TYPE_CHECKING:
    from rich.console import RenderableType

_LOG_WIDTH = 160
_LONGEST_WARNING = 1000


def show(content: "RenderableType") -> None:
    """Print for people."""
    from rich.console import Console  # what prints JSON does without

    console = Console(width=None if sys.stdout.isatty() else _LOG_WIDTH)
    with _guard(sys.stdout):
        console.print(content)


def show_json(document: str) -> None:
    """Print for programs: nothing may stand around it."""
    print(json_without_commands(document))


def warn(text: str) -> None:
    """Print a line beside the output."""
    with _guard(sys.stderr):
        print(f"membudget: {printable(text, _LONGEST_WARNING)}", file=sys.stderr)


def _guard(stream: TextIO) -> AbstractContextManager[None]:
    return guarded(stream) if os.environ.get("GITHUB_ACTIONS") == "true" else nullcontext()
