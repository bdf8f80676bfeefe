"""The page's upper part: the verdict, the rows, and the story, in the comment's words and order."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from membudget.core.untrusted_text import in_plain_text, printable, printable_line
from membudget.judge.image import ImageJudgement
from membudget.judge.measurement import ImageMeasurement
from membudget.report.findings import Finding, cause_findings, findings, hint_findings, soak_finding
from membudget.report.page.parts import Json, Parts, parts_of
from membudget.report.report import JudgedReport, RevisionReport
from membudget.report.story_parts import Compared, Item, Items, Log, Problem, Remarks, Section
from membudget.report.table import HEADINGS, RowKind, TableRow, table_rows, verdict_line
from membudget.report.verdicts import SIGNS

_LOG_LINES = 40
_MOST_NOTES = 100


def overview(result: JudgedReport, sections: Sequence[Section], most_rows: int) -> dict[str, Json]:
    """All that is said of the whole."""
    rows = table_rows(result)
    urgent_first = sorted(range(len(rows)), key=lambda number: not rows[number].needs_attention)
    chosen = [rows[number] for number in sorted(urgent_first[:most_rows])]
    comparison = result.report.comparison
    return {
        "verdict": result.judgement.verdict.value,
        "sign": SIGNS[result.judgement.verdict],
        "line": verdict_line(result),
        "head": _revision(comparison.head),
        "base": _revision(comparison.base) if comparison.base is not None else None,
        "headings": HEADINGS,
        "rows": [_row(row) for row in chosen],
        "rowCount": len(rows),
        **_told(sections, most_rows),
        "started": f"started {result.report.started_at.isoformat(timespec='seconds')}",
    }


def _told(sections: Sequence[Section], most: int) -> dict[str, Json]:
    """The story but for its tables and charts: those of the page can be sorted and touched."""
    remarks: list[Json] = []
    problems: list[Json] = []
    also: list[Json] = []
    logs: list[Json] = []
    more: list[Json] = []
    compared: Parts = []
    for section in sections:
        for block in section.blocks:
            match block:
                case Remarks():
                    remarks += map(parts_of, block.elements[:_MOST_NOTES])
                case Problem():
                    problems.append({
                        "verdict": block.verdict.value,
                        "title": str(block.title),
                        "next": parts_of(block.next_step),
                        "items": _items(block.elements[:most]),
                    })  # fmt: skip
                case Items() if section.title is None:
                    also += _items(block.elements[:most])
                case Items() if section.title is not None and block.elements:
                    more.append([section.title.as_text(), _items(block.elements[:_MOST_NOTES])])
                case Log() if section.title is not None:
                    lines = [printable_line(line) for line in block.elements[0][-_LOG_LINES:]]
                    logs.append([parts_of(section.title), section.is_open, lines])
                case Compared():
                    compared = parts_of(block.elements[0])
                case _:
                    pass
    return {
        "remarks": remarks, "problems": problems, "also": also, "logs": logs[:most], "more": more, "compared": compared,
    }  # fmt: skip


def _items(items: Iterable[Item]) -> list[Json]:
    return [[parts_of(item.finding), [parts_of(below) for below in item.below]] for item in items]


def told_above(sections: Sequence[Section]) -> frozenset[Finding]:
    """What the page says under its verdict, so that no image's details say it again."""
    problems = [block for section in sections for block in section.blocks if isinstance(block, Problem)]
    return frozenset(below for problem in problems for item in problem.elements for below in item.below)


def seen(image: ImageMeasurement, judged: ImageJudgement, told: AbstractSet[Finding]) -> list[Parts]:
    """What an image's trials and layers showed beside what is `told`."""
    found = (*findings(image.trials), *soak_finding(image, judged), *cause_findings(image), *hint_findings(image))
    return [parts_of(finding) for finding in found if finding not in told]


def _row(row: TableRow) -> list[Json]:
    cells = [in_plain_text(cell) for cell in row.cells]
    return [
        cells,
        row.verdict.value if row.verdict is not None else None,
        row.needs_attention,
        row.kind is RowKind.LOOSENED,
    ]


def _revision(revision: RevisionReport) -> list[str]:
    return [revision.sha[:12], printable(revision.subject, 120), revision.sha]
