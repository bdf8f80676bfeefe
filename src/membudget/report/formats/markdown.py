"""The report as Markdown: the pull request's comment, and the step summary."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from membudget.core.untrusted_text import Part, Quoted, code_block, code_cell, code_span, in_markdown
from membudget.report.findings import Finding
from membudget.report.fit_curve import Curve
from membudget.report.formats.tables import markdown_table
from membudget.report.headline import headline
from membudget.report.report import JudgedReport
from membudget.report.story import story
from membudget.report.story_parts import (
    Block,
    Charts,
    ComparedRevisions,
    Figures,
    Item,
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
from membudget.report.table import TableRow
from membudget.report.timeline import Chart
from membudget.report.verdicts import whole_sign

_LOG_LINES = 20
_PASTED_LINES = 1000
_NO_BREAK = "\N{NO-BREAK SPACE}"
_GOOD_BREAK = re.compile(r"(?<=by|rn)\N{NO-BREAK SPACE}|\N{NO-BREAK SPACE}(?=\(|or|±)")
_LONGEST_KEY = 18
_ROW_HEADINGS = (
    ("status", ":--"), ("image, metric", ":--"), ("base", "--:"), ("head", "--:"), ("delta", "--:"),
    ("budget", ":--"), ("headroom", "--:"),
)  # fmt: skip
"""The status comes first, because phones show the left of a table. Image and metric share a column to save width."""
_FIGURE_HEADINGS = (("image", ":--"), ("metric", ":--"), ("base", "--:"), ("head", "--:"), ("delta", "--:"))


def elements(block: Block) -> list[str]:  # noqa: PLR0911 - one for each kind
    """Return the elements of a block in Markdown. Each may be left out."""
    match block:
        case Rows():
            return _lines(_ROW_HEADINGS, [_row(row) for row in block.elements])
        case Figures():
            return _lines(_FIGURE_HEADINGS, [_cells(row) for row in block.elements])
        case Sheet():
            return _lines(_sheet_columns(block.headings), [list(map(_cell, row)) for row in block.elements])
        case Remarks():
            return [f"> {finding.as_markdown()}" for finding in block.elements]
        case Items() | StoryProblem():
            return [_item(item) for item in block.elements]
        case Log():
            return [code_block(lines, most_lines=_LOG_LINES) for lines in block.elements]
        case Paste():
            return [code_block(lines, most_lines=_PASTED_LINES, language=block.language) for lines in block.elements]
        case Charts():
            return [_chart(name, chart) for name, chart in block.elements]
        case Legend() | ComparedRevisions():
            return [finding.as_markdown() for finding in block.elements]


def whole(block: Block, shown: Sequence[str], run_url: str | None) -> str:  # noqa: PLR0911 - one for each kind
    """Return a block in Markdown that consists of `shown`, which are some of its `elements`."""
    match block:
        case Rows():
            return "\n".join([*markdown_table(_ROW_HEADINGS, []), *shown])
        case Figures():
            return "\n".join([*markdown_table(_FIGURE_HEADINGS, []), *shown])
        case Sheet():
            return "\n".join([*markdown_table(_sheet_columns(block.headings), []), *shown])
        case Remarks() | Charts():
            return "\n\n".join(shown)
        case StoryProblem():
            return "\n".join([f"**{block.title}** → {block.next_step.as_markdown()}", "", *shown])
        case Items():
            return "\n".join([*([f"**{block.title}**", ""] if block.title else []), *shown])
        case Log() | Paste():
            return "\n".join(shown)
        case Legend():
            return "\n".join(f"<sub>{line}</sub>" for line in shown)
        case ComparedRevisions():
            link = f" · [run]({run_url})" if run_url is not None else ""
            return "\n".join(f"<sub>{line}{link}</sub>" for line in shown)


def folded(title: Finding, content: str, *, is_open: bool = False) -> str:
    """Return a section that readers can fold and unfold."""
    return f"<details{' open' if is_open else ''}><summary>{title.as_html()}</summary>\n\n{content}\n\n</details>"


def _lines(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a line of Markdown for each row, without the lines of the heading."""
    return markdown_table(columns, rows)[len(markdown_table(columns, [])) :]


def _sheet_columns(headings: Sequence[str]) -> list[tuple[str, str]]:
    return list(zip(headings, [":--", ":--", *["--:"] * (len(headings) - 2)], strict=True))


def _row(row: TableRow) -> list[str]:
    image, metric, *figures = _cells(row)
    return [_whole(row.status), f"{image}<br>{metric}", *figures, _whole(row.budget), _whole(row.headroom)]


def _cells(row: TableRow) -> list[str]:
    """Return the cells that rows with and without budgets have in common."""
    metric = _key(row.metric.text) if isinstance(row.metric, Quoted) else _whole(row.metric)
    base, head = _pictured(row.base, row.base_picture), _pictured(row.head, row.head_picture)
    return [_cell(row.image), metric, base, head, _whole(row.delta)]


def _cell(part: Part) -> str:
    """Return a cell that wraps at good places. Quoted text becomes a code span."""
    return code_cell(part.text) if isinstance(part, Quoted) else _whole(part)


def _key(key: str) -> str:
    """Return a key of the budgets file. A long one is split into two lines at a dot."""
    first, dot, rest = key[:_LONGEST_KEY].rpartition(".")
    if len(key) <= _LONGEST_KEY or not first:
        return code_cell(key)
    return f"{code_cell(first)}<br>{code_cell(f'{dot}{rest}{key[_LONGEST_KEY:]}')}"


def _pictured(figure: Part, picture: str) -> str:
    return f"{_cell(figure)}<br>{code_span(picture)}" if picture else _cell(figure)


def _whole(cell: str) -> str:
    """Return a cell that wraps at good places, but not between a number and its unit."""
    return _GOOD_BREAK.sub(" ", cell.replace(", ", "<br>").replace(" ", _NO_BREAK))


def _item(item: Item) -> str:
    return "\n".join([f"- {item.finding.as_markdown()}", *(f"  - {below.as_markdown()}" for below in item.below)])


def _chart(name: Quoted, chart: Chart | Curve) -> str:
    return f"{in_markdown(name)}: {chart.legend}\n\n```mermaid\n{chart.as_mermaid()}\n```"


LONGEST_COMMENT = 60_000
"""The length limit in characters. GitHub refuses more than 65,536."""
LONGEST_SUMMARY = 260_000
"""The length limit in characters. At four bytes each, it is below GitHub's limit of 1 MiB for a step's summary."""

_TITLE = "membudget"


def render(
    result: JudgedReport,
    longest: int = LONGEST_COMMENT,
    *,
    run_url: str | None = None,
    history: str | None = None,
) -> str:
    """Return the report, verdict first, in at most `longest` characters.

    What does not fit is left out by whole elements (rows, explanations, logs), in the order of `Keep`, the last of a
    kind first. `run_url` is where the rest can be read. `history` is Markdown about earlier runs, which is never
    shortened.
    """
    return Told.of(result).text(longest, run_url=run_url, history=history)


@dataclass(frozen=True, slots=True)
class Told:
    """A report as rendered elements. Texts of several lengths show as many of them as fit."""

    first: str
    """The headline."""
    parts: "tuple[_Part, ...]"
    units: "tuple[_Unit, ...]"
    """The elements of all parts, the most important first."""

    @classmethod
    def of(cls, result: JudgedReport) -> "Told":
        """Render everything that a text may show."""
        parts = tuple(_Part.of(section) for section in story(result))
        units = sorted(unit for number, part in enumerate(parts) for unit in part.units(number))
        first = f"### {whole_sign(result.judgement)} {_TITLE}: {headline(result).as_markdown()}"
        return cls(first, parts, tuple(units))

    def text(self, longest: int, *, run_url: str | None = None, history: str | None = None) -> str:
        """Return the text in at most `longest` characters, as `render` does."""
        return self._longest(lambda text: len(text) <= longest, run_url, history)[:longest]

    def within_bytes(self, most_bytes: int) -> str:
        """Return the text in at most `most_bytes` bytes of UTF-8."""
        text = self._longest(lambda text: len(text.encode()) <= most_bytes)
        return text.encode()[:most_bytes].decode(errors="ignore")

    def _longest(self, fits: Callable[[str], bool], run_url: str | None = None, history: str | None = None) -> str:
        """Return the text with the most elements that fits, or without any element if none fits."""

        def page(count: int) -> str:
            left_out = _left_out(self.units[count:], self.parts, run_url)
            return _page(self.first, self.parts, self.units[:count], left_out, (history, run_url))

        text = page(len(self.units))
        if fits(text):
            return text
        too_many = bisect_left(range(len(self.units)), True, key=lambda count: not fits(page(count)))
        return page(max(too_many - 1, 0))


@dataclass(frozen=True, slots=True, order=True)
class _Unit:
    """An element with its importance."""

    importance: int
    """The element with the lowest value is kept longest."""
    part: int
    block: int
    element: int


@dataclass(frozen=True, slots=True)
class _Part:
    """A section with rendered elements."""

    section: Section
    blocks: tuple[tuple[Block, list[str]], ...]

    @classmethod
    def of(cls, section: Section) -> "_Part":
        return cls(section, tuple((block, elements(block)) for block in section.blocks))

    def units(self, number: int) -> Iterator[_Unit]:
        for index, (_, rendered) in enumerate(self.blocks):
            yield from (_Unit(-self.section.keep, number, index, element) for element in range(len(rendered)))


def _page(
    first: str,
    parts: Sequence[_Part],
    shown: Sequence[_Unit],
    left_out: str | None,
    beside: tuple[str | None, str | None],
) -> str:
    history, run_url = beside
    counts: dict[tuple[int, int], int] = {}
    for unit in shown:
        counts[unit.part, unit.block] = counts.get((unit.part, unit.block), 0) + 1
    texts = [first]
    for number, part in enumerate(parts):
        blocks = [
            whole(block, rendered[: counts[number, index]], run_url)
            for index, (block, rendered) in enumerate(part.blocks)
            if (number, index) in counts
        ]
        if part.section.keep is Keep.COMPARED:
            texts += [text for text in (history, left_out) if text]
        if blocks:
            content, title = "\n\n".join(blocks), part.section.title
            texts.append(folded(title, content, is_open=part.section.is_open) if title is not None else content)
    return "\n\n".join(texts) + "\n"


def _left_out(gone: Sequence[_Unit], parts: Sequence[_Part], run_url: str | None) -> str | None:
    """Return what was left out, and where to find it."""
    if not gone:
        return None
    rows = sum(isinstance(parts[unit.part].blocks[unit.block][0], Rows | Figures | Sheet) for unit in gone)
    more = len(gone) - rows
    summary = f"[job's summary]({run_url})" if run_url is not None else "job's summary"
    said = [f"{_count(rows, 'figure')} left out here"] if rows else []
    said += [f"{_count(more, 'other part')}{'' if rows else ' left out here'}"] if more else []
    return f"{', and '.join(said)}: the {summary} shows more, `report.json` has all."


def _count(number: int, what: str) -> str:
    return f"1 {what} is" if number == 1 else f"{number} {what}s are"
