"""Progress on a terminal: one line an image, redrawn only when it says something new."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from membudget.core.progress import Live, ProgressStep, Running, Stage, nothing
from membudget.core.quantities import format_size
from membudget.core.untrusted_text import printable
from membudget.publish.progress_words import elapsed_words, left_words, share_words, step_words
from membudget.publish.steady_lines import SteadyLines
from membudget.publish.time_left import TimeLeft

_LOOK_EVERY_S = 0.25
"""How often the lines may change. Nothing is drawn for what is over sooner."""
_ASK_EVERY_S = 0.5
"""How often the sampler is asked, because answering costs it time."""
_LEAST_HEIGHT = 4
_MOST_LINES = 12

_STYLES = ("bold", "", "cyan", "dim")
_NARROW_STYLES = ("bold", "", "dim")

ProgressLine = tuple[str, str, str, str]
"""The name of the image, what is being done, the memory now, and the time."""


@dataclass(slots=True)
class _Shown:
    """An image as its line shows it."""

    began: float | None = None
    ended: float | None = None
    step: ProgressStep | None = None


class StageLines:
    """The lines of one stage, as text."""

    def __init__(
        self,
        stage: Stage,
        images: Sequence[str],
        live: Live,
        remembered_ms: Mapping[str, int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stage = stage
        self._live = live
        self._clock = clock
        self._images = {name: _Shown() for name in images}
        self._time_left = TimeLeft(images, remembered_ms, clock) if stage is Stage.MEASURING else None
        self._asked_at = clock()
        self._running: dict[str, Running] = {}
        self._lock = threading.Lock()

    @contextmanager
    def image(self, name: str) -> Iterator[None]:
        """Show an image as being worked on."""
        with self._lock:
            shown = self._images.setdefault(name, _Shown())
            shown.began = self._clock()
            if self._time_left is not None:
                self._time_left.begin(name)
        try:
            yield
        finally:
            with self._lock:
                shown.ended, shown.step = self._clock(), None
                if self._time_left is not None:
                    self._time_left.end(name)

    @contextmanager
    def step(self, step: ProgressStep) -> Iterator[None]:
        """Show a step on the line of its image. After the step it stays until the next one begins."""
        with self._lock:
            if (shown := self._images.get(step.image)) is not None:
                shown.step = step
            if self._time_left is not None:
                self._time_left.begin_step(step)
        try:
            yield
        finally:
            with self._lock:
                if self._time_left is not None:
                    self._time_left.end_step(step)

    def ask(self) -> None:
        """Ask for the memory of the running trials, if the last time is long enough ago."""
        if self._clock() - self._asked_at >= _ASK_EVERY_S:
            running = {trial.image: trial for trial in self._live()}
            with self._lock:
                self._asked_at, self._running = self._clock(), running

    def heading(self) -> str:
        """Return the line above the images. Empty if there is only one image, whose line says it all."""
        with self._lock:
            if len(self._images) <= 1:
                return ""
            done = sum(shown.ended is not None for shown in self._images.values())
            left = self._time_left.of_all() if self._time_left is not None else None
            words = share_words(self._stage, done, len(self._images))
            return f"{words}, {left_words(left)}" if left is not None else words

    def lines(self, most: int) -> list[ProgressLine]:
        """Return at most `most` lines: those of all images, or of those at work if there are too many."""
        with self._lock:
            names = list(self._images)
            if len(names) > most:
                names = [name for name in names if self._is_at_work(name)][:most]
            return [self._line(name, self._images[name]) for name in names]

    def _is_at_work(self, name: str) -> bool:
        shown = self._images[name]
        return shown.began is not None and shown.ended is None

    def _line(self, name: str, shown: _Shown) -> ProgressLine:
        if shown.began is None:
            return printable(name), "waiting", "", ""
        if shown.ended is not None:
            return printable(name), "done", "", elapsed_words(shown.ended - shown.began)
        running = self._running.get(name)
        memory = f"RSS {format_size(running.rss_bytes)}, {printable(running.phase)}" if running is not None else ""
        left = self._time_left.of_image(name) if self._time_left is not None else None
        took = left_words(left) if left is not None else elapsed_words(self._clock() - shown.began)
        return printable(name), step_words(shown.step) if shown.step is not None else "", memory, took


class TerminalProgress:
    """Draws the lines of the current stage, and removes them when it ends."""

    def __init__(self, console: Console, remembered_ms: Mapping[str, int] | None = None) -> None:
        """Draw on `console`. `remembered_ms` says how long measuring an image took the last time."""
        self._console = console
        self._remembered_ms = remembered_ms or {}
        self._stage: StageLines | None = None

    @contextmanager
    def stage(self, stage: Stage, images: Sequence[str], live: Live = nothing) -> Iterator[None]:
        """Draw the lines of a stage while it lasts."""
        self._stage = StageLines(stage, images, live, self._remembered_ms)
        over = threading.Event()
        drawing = threading.Thread(target=self._draw, args=(self._stage, over), name="membudget-progress", daemon=True)
        drawing.start()
        try:
            yield
        finally:
            over.set()
            drawing.join()
            self._stage = None

    @contextmanager
    def image(self, name: str) -> Iterator[None]:
        """Show that an image is worked on."""
        if self._stage is None:
            yield
            return
        with self._stage.image(name):
            yield

    @contextmanager
    def step(self, step: ProgressStep) -> Iterator[None]:
        """Show a step on the line of its image."""
        if self._stage is None:
            yield
            return
        with self._stage.step(step):
            yield

    def output(self, line: str) -> None:
        """Ignore the line."""
        del line  # there is no room for it, and the report contains the log of a failed build

    def note(self, text: str) -> None:
        """Print a note above the lines."""
        self._console.print(printable(text, 1000), style="yellow", markup=False, highlight=False)

    def _draw(self, stage: StageLines, over: threading.Event) -> None:
        """Draw whatever is new until the stage is over, then remove it."""
        drawn = None
        widths = [0] * len(_STYLES)
        lines = SteadyLines(self._console)
        try:
            while not over.wait(_LOOK_EVERY_S):
                stage.ask()
                size = self._console.size
                new = (size.width, stage.heading(), stage.lines(_room(size.height)))
                if new != drawn and (new[1] or new[2]):
                    widths = _grown(widths, new[2])
                    fits = sum(widths) + 2 * (len(widths) - 1) < size.width
                    shown = [_padded(line, widths) if fits else _without_memory(line) for line in new[2]]
                    lines.draw(_table(new[1], shown), len(shown) + (1 if new[1] else 0))
                    drawn = new
        finally:
            lines.remove()


def _room(height: int) -> int:
    """Return how many images have room on a terminal below the heading, with a line for the cursor."""
    return min(_MOST_LINES, max(height, _LEAST_HEIGHT) - 2)


def _grown(widths: Sequence[int], lines: Sequence[ProgressLine]) -> list[int]:
    """Return the widths of the columns, never less than before: lines would jump if a column shrank."""
    return [max([width, *map(cell_len, cells)]) for width, *cells in zip(widths, *lines, strict=True)]


def _padded(line: ProgressLine, widths: Sequence[int]) -> list[str]:
    return [cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True)]


def _without_memory(line: ProgressLine) -> list[str]:
    """Return a line for a narrow terminal."""
    name, doing, _, took = line
    return [name, doing, took]


def _table(heading: str, lines: Sequence[Sequence[str]]) -> Table:
    """Return the lines as a table that is never wider than the terminal. No cell wraps."""
    table = Table.grid(padding=(0, 2, 0, 0))
    is_narrow = any(len(line) < len(_STYLES) for line in lines)
    for style in _NARROW_STYLES if is_narrow else _STYLES:
        table.add_column(style=style, no_wrap=True, overflow="ellipsis")
    for line in lines:
        table.add_row(*map(Text, line))
    if not heading:
        return table
    whole = Table.grid()
    whole.add_column(no_wrap=True, overflow="ellipsis")
    whole.add_row(Text(heading))
    whole.add_row(table)
    return whole
