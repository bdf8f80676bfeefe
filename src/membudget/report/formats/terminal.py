"""The report on a terminal and in a log: the same story as in the comment.

In short, it has the verdict, what needs somebody, why and what to do. In full, nothing is left out.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import StrEnum

from rich.console import Group, RenderableType
from rich.text import Text

from membudget.core.untrusted_text import Part, in_plain_text, printable_line
from membudget.judge.image import Status
from membudget.judge.metric import Verdict
from membudget.report.fit_curve import Curve
from membudget.report.formats.tables import TerminalTable
from membudget.report.headline import verdict_line
from membudget.report.report import JudgedReport
from membudget.report.story import story
from membudget.report.story_parts import (
    Block,
    Charts,
    ComparedRevisions,
    Figures,
    Items,
    Keep,
    Legend,
    Log,
    Paste,
    Remarks,
    Rows,
    Section,
    Sheet,
    StoryProblem,
)
from membudget.report.table import RowKind, TableRow
from membudget.report.usage import USAGE_HEADINGS, holders, next_step_without_base, usage_rows
from membudget.report.verdicts import status_mark, whole_sign

_STYLES = {
    Verdict.PASS: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red", Verdict.INCONCLUSIVE: "bold yellow",
}  # fmt: skip
_BLANK = Text()
_ROW_HEADINGS = ("status", "image", "metric", "base", "head", "delta", "budget", "headroom")
_FIGURE_HEADINGS = _ROW_HEADINGS[1:6]
_LEFT_ALIGNED = {"status", "image", "metric", "budget", "phase", "held by", "trials"}
_GOOD_BREAKS = (re.compile(", "), re.compile(r" (?=\(|or |±)|(?<=by) "))


_NEEDED = frozenset({Keep.REMARKS, Keep.URGENT_ROWS, Keep.LEGEND, Keep.WHY, Keep.ACCEPT, Keep.LOGS})
"""What the short form has of the story."""
_LAST_LINES = 10
"""How much of a log the short form has."""


class Detail(StrEnum):
    """How much to tell."""

    QUIET = "quiet"
    """The verdict alone."""
    SHORT = "short"
    """Also what needs somebody, why and what to do, and what else there is."""
    FULL = "full"


def render(result: JudgedReport, detail: Detail = Detail.FULL, where: str = "membudget report -v") -> RenderableType:
    """Return the report for rich. `where` says where the rest is, if the report is short."""
    line = f"{whole_sign(result.judgement)} {verdict_line(result)}"
    parts: list[RenderableType] = [Text(line, style=_STYLES[result.judgement.verdict])]
    if detail is Detail.QUIET:
        return parts[0]
    sections = story(result)
    for section in sections if detail is Detail.FULL else _in_short(sections):
        parts += _section(section)
    if result.report.comparison.base is None:
        parts += _usage(result, names_holders=detail is Detail.SHORT)
    if detail is Detail.SHORT:
        parts += [_BLANK, Text(f"{_what_else(sections)}: {where}", style="dim")]
    return Group(*parts)


def _in_short(sections: Sequence[Section]) -> Iterator[Section]:
    """Yield what needs somebody. A loosened budget always does, before or after it is merged."""
    for section in sections:
        if section.keep is Keep.LOGS:
            blocks = [Log((block.elements[0][-_LAST_LINES:],)) for block in section.blocks if isinstance(block, Log)]
            yield replace(section, blocks=tuple(blocks))
        elif section.keep in _NEEDED:
            yield section
        elif section.keep is Keep.OTHER_ROWS:
            loosened = tuple(row for row in _rows(section) if row.kind is RowKind.LOOSENED)
            yield replace(section, blocks=(Rows(loosened),), title=None)


def _rows(section: Section) -> list[TableRow]:
    return [row for block in section.blocks if isinstance(block, Rows | Figures) for row in block.elements]


def _what_else(sections: Sequence[Section]) -> str:
    """Return what the short form leaves out: "14 figures within budget, 37 without a budget"."""
    rows = [row for section in sections if section.keep is Keep.OTHER_ROWS for row in _rows(section)]
    rows = [row for row in rows if row.kind is not RowKind.LOOSENED]
    within = sum(row.verdict is Verdict.PASS for row in rows)
    unchanged = sum(row.mark == status_mark(Status.UNCHANGED) for row in rows if row.verdict is not Verdict.PASS)
    figures = sum(len(_rows(section)) for section in sections if section.keep is Keep.FIGURES)
    counts = (
        (within, "within budget"),
        (unchanged, "unchanged"),
        (len(rows) - within - unchanged, "not judged"),
        (figures, "without a budget"),
    )
    said = [(count, how) for count, how in counts if count]
    if not said:
        return "details"
    what = "figure" if said[0][0] == 1 else "figures"
    return ", ".join([f"{said[0][0]} {what} {said[0][1]}", *(f"{count} {how}" for count, how in said[1:])])


def _usage(result: JudgedReport, *, names_holders: bool) -> Iterator[RenderableType]:
    """Yield what a reader wants to know if there is nothing to compare with: peak, limit, what is unused.

    The full form names elsewhere what held the memory.
    """
    rows = usage_rows(result)
    if rows:
        yield _BLANK
        yield _table(USAGE_HEADINGS, [[Text(in_plain_text(cell)) for cell in row] for row in rows])
        held = [f"- {finding.as_text()}" for finding in holders(result)] if names_holders else []
        yield from (_BLANK, Text("\n".join(held))) if held else ()
    for number, finding in enumerate(next_step_without_base(result)):
        if number == 0:
            yield _BLANK
        yield Text(finding.as_text())


def _section(section: Section) -> Iterator[RenderableType]:
    """Yield the lines of a section. Memory over time is left out, because sparklines show the same here."""
    blocks = [
        block for block in section.blocks if block.elements and not (isinstance(block, Charts) and not _bars(block))
    ]
    for number, block in enumerate(blocks):
        yield _BLANK
        if number == 0 and section.title is not None:
            yield Text(f"{section.title.as_text()}:", style="bold")
        yield rendered(block)


def rendered(block: Block) -> RenderableType:  # noqa: C901, PLR0911 - one for each kind
    """Return a block for rich."""
    match block:
        case Rows():
            return _table(_ROW_HEADINGS, [_row(row) for row in _once_named(block.elements)])
        case Figures():
            return _table(_FIGURE_HEADINGS, [_cells(row) for row in _once_named(block.elements)])
        case Sheet():
            return _table(block.headings, [[Text(in_plain_text(cell)) for cell in row] for row in block.elements])
        case Remarks():
            return Text("\n".join(f"Note: {finding.as_text()}" for finding in block.elements))
        case StoryProblem():
            title = Text.assemble((str(block.title), "bold"), f" → {block.next_step.as_text()}")
            return Group(title, _items(block))
        case Items():
            return Group(*([Text(f"{block.title}:", style="bold")] if block.title else []), _items(block))
        case Log():
            return Text("\n".join(f"  │ {printable_line(line)}" for lines in block.elements for line in lines), "dim")
        case Paste():
            return Text("\n".join(printable_line(line) for lines in block.elements for line in lines))
        case Legend() | ComparedRevisions():
            return Text("\n".join(finding.as_text() for finding in block.elements), style="dim")
        case Charts():
            return Text("\n".join(_bars(block)))


def _bars(charts: Charts) -> list[str]:
    return [line for _, chart in charts.elements if isinstance(chart, Curve) for line in chart.as_bars()]


def _table(headings: Sequence[str], rows: Sequence[Sequence[Text]]) -> TerminalTable:
    return TerminalTable(headings, rows, frozenset(headings) - _LEFT_ALIGNED, _GOOD_BREAKS)


def _items(block: Items | StoryProblem) -> Text:
    lines = []
    for item in block.elements:
        lines.append(f"- {item.finding.as_text()}")
        lines += [f"  - {below.as_text()}" for below in item.below]
    return Text("\n".join(lines))


def _once_named(rows: Sequence[TableRow]) -> Iterator[tuple[TableRow, str]]:
    """Yield the rows. Only the first row of an image has its name."""
    previous = None
    for row in rows:
        yield row, in_plain_text(row.image) if row.image != previous else ""
        previous = row.image


def _row(named: tuple[TableRow, str]) -> list[Text]:
    row, _ = named
    status = Text(row.status, style=_STYLES[row.verdict] if row.verdict else "dim")
    return [status, *_cells(named), Text(row.budget), Text(row.headroom)]


def _cells(named: tuple[TableRow, str]) -> list[Text]:
    """Return the cells that rows with and without budgets have in common."""
    row, image = named
    figures = [_pictured(row.base, row.base_picture), _pictured(row.head, row.head_picture)]
    return [Text(image, style="bold"), Text(in_plain_text(row.metric)), *figures, Text(row.delta)]


def _pictured(figure: Part, picture: str) -> Text:
    return Text.assemble(in_plain_text(figure), *([("\n" + picture, "dim")] if picture else []))
