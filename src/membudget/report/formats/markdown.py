"""The report as Markdown: the pull request's comment, and the step summary."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from membudget.judge.whole import Judgement
from membudget.report.formats.markdown_parts import elements, folded, whole
from membudget.report.headline import headline
from membudget.report.report import Report
from membudget.report.signs import sign
from membudget.report.story import story
from membudget.report.story_parts import Block, Figures, Keep, Rows, Section, Sheet

LONGEST_COMMENT = 60_000
"""Characters. GitHub refuses more than 65,536."""
LONGEST_SUMMARY = 260_000
"""Characters: at up to four bytes each, within the mebibyte that GitHub takes a step (workflow commands)."""

_TITLE = "membudget"


def render(
    report: Report,
    judgement: Judgement,
    longest: int = LONGEST_COMMENT,
    *,
    run_url: str | None = None,
    history: str | None = None,
) -> str:
    """The whole report, verdict first, in at most `longest` characters.

    What does not fit goes by whole elements (rows, explanations, logs), in the order of `Keep`, the last ones of a kind
    first: of what fails, the rows go last.
    `run_url`: where the rest can be read. `history`: Markdown of the runs before this one, which stays whole.
    """
    first = f"### {sign(judgement)} {_TITLE}: {headline(report, judgement).as_markdown()}"
    parts = [_Part.of(section) for section in story(report, judgement)]
    units = sorted(unit for number, part in enumerate(parts) for unit in part.units(number))

    def page(count: int) -> str:
        left_out = _left_out(units[count:], parts, run_url)
        return _page(first, parts, units[:count], left_out, (history, run_url))

    text = page(len(units))
    if len(text) <= longest:
        return text
    shown = bisect_right(range(len(units)), longest, key=lambda count: len(page(count))) - 1
    return page(max(shown, 0))[:longest]


@dataclass(frozen=True, slots=True, order=True)
class _Unit:
    """An element, in the order of importance."""

    importance: int
    """The lowest is kept longest."""
    part: int
    block: int
    element: int


@dataclass(frozen=True, slots=True)
class _Part:
    """A section whose elements are rendered."""

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
    """How much is not there, and where it is."""
    if not gone:
        return None
    rows = sum(isinstance(parts[unit.part].blocks[unit.block][0], Rows | Figures | Sheet) for unit in gone)
    more = len(gone) - rows
    summary = f"[job's summary]({run_url})" if run_url is not None else "job's summary"
    said = [f"{_count(rows, 'row')} left out here"] if rows else []
    said += [f"{_count(more, 'other part')}{'' if rows else ' left out here'}"] if more else []
    return f"{', and '.join(said)}: the {summary} shows more, `report.json` has all."


def _count(number: int, what: str) -> str:
    return f"1 {what} is" if number == 1 else f"{number} {what}s are"
