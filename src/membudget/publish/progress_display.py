"""Progress displays: bars on a terminal, plain lines in a log, foldable groups in a GitHub workflow."""

import math
import threading
import time
from collections.abc import Iterator, Sequence
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

from membudget.core.untrusted_text import printable, printable_line
from membudget.core.work import Live, nothing
from membudget.publish.workflow import CLOSE_GROUP, guarded, open_group

_ASKED_EVERY_S = 0.5
_MOST_SHOWN = 3


class _LiveColumn(ProgressColumn):
    """The current phase and memory. Asked for only twice a second, because asking costs the sampler time."""

    def __init__(self, live: Live) -> None:
        super().__init__()
        self._live = live
        self._asked_at = -math.inf
        self._words = ""

    def render(self, task: Task) -> Text:
        """Return the last answer."""
        del task
        if time.monotonic() - self._asked_at >= _ASKED_EVERY_S:
            words = printable(self._live())
            self._words = f"· {words}" if words else ""
            self._asked_at = time.monotonic()
        return Text(self._words, style="cyan", no_wrap=True)


class TerminalProgress:
    """Shows one bar per stage, with the current step beside it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars: Progress | None = None
        self._task: TaskID | None = None
        self._at_work: list[str] = []
        self._lock = threading.Lock()

    @contextmanager
    def stage(self, title: str, total: int, live: Live = nothing) -> Iterator[None]:
        """Show a bar of `total` steps."""
        columns = (SpinnerColumn(), TextColumn(title), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn())
        described = (TextColumn("{task.description}"), _LiveColumn(live))
        with Progress(*columns, *described, console=self._console, transient=True) as bars:
            self._bars, self._task = bars, bars.add_task("", total=total)
            yield
        self._bars = self._task = None

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Name the step beside the bar, and advance the bar when the step is done."""
        with self._lock:
            self._at_work.append(what)
            self._show(0)
        try:
            yield
        finally:
            with self._lock:
                self._at_work.remove(what)
                self._show(1)

    def _show(self, advance: int) -> None:
        if self._bars is not None and self._task is not None:
            words = _in_one_line(self._at_work) if self._at_work else None  # between two steps, the last one stays
            self._bars.update(self._task, description=words, advance=advance)

    def output(self, line: str) -> None:
        """Ignore the line."""
        del line  # there is no room for it, and the report contains the log of a failed build

    def note(self, text: str) -> None:
        """Print a note above the bar."""
        self._console.print(printable(text, 1000), style="yellow", markup=False)


def _in_one_line(at_work: Sequence[str]) -> str:
    """Return the current steps, as many as fit on a line."""
    shown = " | ".join(map(printable, at_work[:_MOST_SHOWN]))
    more = len(at_work) - _MOST_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


class LogProgress:
    """Prints one line per step, and no output of builds."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    @contextmanager
    def stage(self, title: str, total: int, live: Live = nothing) -> Iterator[None]:
        """Print the number of steps."""
        del live  # logs are read afterwards
        self._print(f"{title}: {_steps(total)}")
        yield

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Print a line when the step begins."""
        self._print(f"  {printable(what)}")
        yield

    def output(self, line: str) -> None:
        """Ignore the line."""

    def note(self, text: str) -> None:
        """Print a note on a line of its own."""
        self._print(f"  note: {printable(text, 1000)}")

    def _print(self, text: str) -> None:
        with self._lock:
            print(text, file=self._stream, flush=True)


class WorkflowProgress:
    """Prints groups in a GitHub workflow's log, with the output of builds, which cannot give the runner commands."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._guard = ExitStack()
        self._is_guarded = False
        self._lock = threading.RLock()

    @contextmanager
    def stage(self, title: str, total: int, live: Live = nothing) -> Iterator[None]:
        """Open a group."""
        del live
        self._say(open_group(f"{title} ({_steps(total)})"))
        try:
            yield
        finally:
            self._say(CLOSE_GROUP)

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Print a line when the step begins. The budgets file allows only plain names."""
        self._say(f"{printable(what)}")
        yield

    def output(self, line: str) -> None:
        """Print a line of a build's output. The runner does not interpret it."""
        with self._lock:
            if not self._is_guarded:
                self._guard.enter_context(guarded(self._stream))
                self._is_guarded = True
            print(f"  {printable_line(line, 2000)}", file=self._stream, flush=True)

    def note(self, text: str) -> None:
        """Print a note. The runner does not interpret it, because it may quote strangers."""
        with self._lock, nullcontext() if self._is_guarded else guarded(self._stream):
            print(f"note: {printable(text, 1000)}", file=self._stream, flush=True)

    def _say(self, text: str) -> None:
        with self._lock:
            if self._is_guarded:
                self._guard.close()
                self._is_guarded = False
            print(text, file=self._stream, flush=True)


def _steps(total: int) -> str:
    return "1 step" if total == 1 else f"{total} steps"
