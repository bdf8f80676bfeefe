"""Tables made by tabulate, in Markdown and on terminals of any width."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich.console import Console, ConsoleOptions, RenderableType
from rich.style import Style
from rich.text import Text
from tabulate import DataRow, TableFormat, tabulate

_WIDE, _NARROW = 2, 1
"""The spaces between columns on a terminal."""


def markdown_table(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table: the headings, the alignment (":--", "--:"), then a line per row.

    Cells must be Markdown. They are not padded, because the length of a comment is limited.
    """
    rule = f"|{'|'.join(alignment for _, alignment in columns)}|"
    line = DataRow("|", "|", "|")
    compact = TableFormat(None, lambda _widths, _alignments: rule, None, None, line, line, 1, None)
    headings = [heading for heading, _ in columns]
    return tabulate(rows, headings, compact, disable_numparse=True, stralign=None).splitlines()


@dataclass(frozen=True, slots=True)
class TerminalTable:
    """A table for rich. If the terminal is too narrow, cells wrap. Nothing is ever cut off."""

    headings: Sequence[str]
    rows: Sequence[Sequence[Text]]
    right: frozenset[str]
    """The headings of the columns with figures."""
    good_breaks: Sequence[re.Pattern[str]] = ()
    """Where cells are wrapped if they have to be, best first."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        rows = [[Text(heading, style="bold") for heading in self.headings], *map(list, self.rows)]
        room = self._room(options, _WIDE)
        for good_break, column in self._chances(_widths(rows)):
            if sum(_widths(rows)) <= room:
                break
            for row in rows[1:]:
                row[column] = _on_lines(row[column], good_break)
        if sum(_widths(rows)) <= room:
            yield self._table(console, rows, _WIDE)
            return
        most = _widest_that_fits(_widths(rows), self._room(options, _NARROW))
        yield self._table(console, [[_wrapped(cell, console, most) for cell in row] for row in rows], _NARROW)

    def _room(self, options: ConsoleOptions, spaces: int) -> int:
        return options.max_width - spaces * (len(self.headings) - 1)

    def _table(self, console: Console, rows: Sequence[Sequence[Text]], spaces: int) -> Text:
        line = DataRow("", " " * spaces, "")
        plain = TableFormat(None, None, None, None, line, line, 0, None)
        alignment = ["right" if heading in self.right else "left" for heading in self.headings]
        cells = [[_ansi(cell, console) for cell in row] for row in rows]
        height = max(map(len, cells[0]))
        cells[0] = [[""] * (height - len(heading)) + heading for heading in cells[0]]  # just above the column
        lines = [line for row in cells for line in zip_longest(*row, fillvalue="")]
        made = tabulate(lines, (), plain, disable_numparse=True, colalign=alignment, preserve_whitespace=True)
        return Text.from_ansi(made)

    def _chances(self, widths: Sequence[int]) -> Iterator[tuple[re.Pattern[str], int]]:
        """Yield where to wrap which column, in this order, until the table fits: at the best places, widest first."""
        widest_first = sorted(range(len(widths)), key=lambda column: -widths[column])
        for good_break in self.good_breaks:
            yield from ((good_break, column) for column in widest_first)


def _on_lines(cell: Text, good_break: re.Pattern[str]) -> Text:
    return Text(good_break.sub("\n", cell.plain), style=cell.style) if good_break.search(cell.plain) else cell


def _widths(rows: Sequence[Sequence[Text]]) -> list[int]:
    return [max(line.cell_len for cell in column for line in _lines(cell)) for column in zip(*rows, strict=True)]


def _lines(cell: Text) -> list[Text]:
    return list(cell.split(allow_blank=True))


def _widest_that_fits(widths: Sequence[int], room: int) -> int:
    """Return how wide the widest columns may be so that all columns fit."""
    return next((most for most in range(max(widths), 1, -1) if sum(min(width, most) for width in widths) <= room), 1)


def _wrapped(cell: Text, console: Console, most: int) -> Text:
    return Text("\n").join(cell.wrap(console, most, overflow="fold"))


def _ansi(cell: Text, console: Console) -> list[str]:
    """Return the lines of a cell, each with its own colour codes, because lines of a table cross several cells."""
    return [_ansi_line(line, console) for line in _lines(cell)]


def _ansi_line(line: Text, console: Console) -> str:
    segments = Text().join([line]).render(console)  # joined, because otherwise its own style is ignored
    return "".join((segment.style or Style.null()).render(segment.text) for segment in segments)
