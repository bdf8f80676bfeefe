"""Progress as it is shown: bars on a terminal, plain lines in a log, foldable groups in a GitHub workflow."""

import math
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from membudget.progress import Live, nothing
from membudget.publishing.workflow_commands import CLOSE_GROUP, guarded, open_group
from membudget.report.untrusted_text import printable, printable_line

_ASKED_EVERY_S = 0.5


class _LiveColumn(ProgressColumn):
    """What happens now, asked for twice a second: to ask costs the one who samples."""

    def __init__(self, live: Live) -> None:
        super().__init__()
        self._live = live
        self._asked_at = -math.inf
        self._words = ""

    def render(self, task: Task) -> Text:
        """As last said."""
        del task
        if time.monotonic() - self._asked_at >= _ASKED_EVERY_S:
            words = printable(self._live())
            self._words = f"· {words}" if words else ""
            self._asked_at = time.monotonic()
        return Text(self._words, style="cyan", no_wrap=True)


class TerminalProgress:
    """One bar a stage, with the current step beside it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars: Progress | None = None
        self._task: TaskID | None = None
        self._begun = False

    @contextmanager
    def stage(self, title: str, total: int, live: Live = nothing) -> Iterator[None]:
        """Show a bar of `total` steps."""
        columns = (SpinnerColumn(), TextColumn(title), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn())
        described = (TextColumn("{task.description}"), _LiveColumn(live))
        with Progress(*columns, *described, console=self._console, transient=True) as bars:
            self._bars, self._task, self._begun = bars, bars.add_task("", total=total), False
            yield
        self._bars = self._task = None

    def step(self, what: str) -> None:
        """Advance the bar."""
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, description=printable(what), advance=1 if self._begun else 0)
            self._begun = True

    def output(self, line: str) -> None:
        """Not shown."""
        del line  # a bar has no room for it; the log of a failed build is in the report

    def note(self, text: str) -> None:
        """Print above the bar."""
        self._console.print(printable(text, 1000), style="yellow", markup=False)


class LogProgress:
    """One line a step, and none of what builds print."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @contextmanager
    def stage(self, title: str, total: int, live: Live = nothing) -> Iterator[None]:
        """Say how much is to come."""
        del live  # a log is read afterwards
        self._print(f"{title}: {_steps(total)}")
        yield

    def step(self, what: str) -> None:
        """Print a line."""
        self._print(f"  {printable(what)}")

    def output(self, line: str) -> None:
        """Not shown."""

    def note(self, text: str) -> None:
        """Print a line."""
        self._print(f"  note: {printable(text, 1000)}")

    def _print(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


class WorkflowProgress:
    """Groups in a GitHub workflow's log, with what builds print inside, kept from commanding the runner."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._guard = ExitStack()
        self._is_guarded = False

    @contextmanager
    def stage(self, title: str, total: int, live: Live = nothing) -> Iterator[None]:
        """Open a group."""
        del live
        self._say(open_group(f"{title} ({_steps(total)})"))
        try:
            yield
        finally:
            self._say(CLOSE_GROUP)

    def step(self, what: str) -> None:
        """Print a line."""
        self._say(f"{printable(what)}")

    def output(self, line: str) -> None:
        """Print what a build printed, guarded."""
        if not self._is_guarded:
            self._guard.enter_context(guarded(self._stream))
            self._is_guarded = True
        print(f"  {printable_line(line, 2000)}", file=self._stream, flush=True)

    def note(self, text: str) -> None:
        """Print a line, guarded: it may quote what others wrote."""
        with nullcontext() if self._is_guarded else guarded(self._stream):
            print(f"note: {printable(text, 1000)}", file=self._stream, flush=True)

    def _say(self, text: str) -> None:
        if self._is_guarded:
            self._guard.close()
            self._is_guarded = False
        print(text, file=self._stream, flush=True)


def _steps(total: int) -> str:
    return "1 step" if total == 1 else f"{total} steps"
