"""The report as one HTML file with scripts and styles. It makes no network requests, and its policy forbids them.

The report is included as JSON in a block that browsers do not execute. membudget's scripts insert it as text, never as
HTML. The policy allows only those scripts, by their hashes, and forbids making HTML from strings.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from membudget.core.quantities import format_size
from membudget.core.untrusted_text import (
    Json,
    Quoted,
    in_json,
    in_plain_text,
    printable,
    printable_line,
)
from membudget.judge.image import ImageJudgement
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.metric import Verdict
from membudget.report.assumptions import port_finding, workload_finding
from membudget.report.details import PHASE_HEADINGS, last_fit_words, phase_rows
from membudget.report.findings import Finding, findings, soak_finding
from membudget.report.growth_words import growth_findings, profiling_findings
from membudget.report.headline import verdict_line
from membudget.report.image_findings import cause_findings, hint_findings
from membudget.report.page.contents_data import contents
from membudget.report.page.document import Document, as_json
from membudget.report.page.fitted_data import fitted_data
from membudget.report.page.profile_data import profile_data
from membudget.report.page.timeline_data import figures, lines, sides
from membudget.report.report import JudgedReport, Report, RevisionReport
from membudget.report.story import story
from membudget.report.story_parts import (
    ComparedRevisions,
    Item,
    Items,
    Keep,
    Log,
    Paste,
    Remarks,
    Section,
    StoryProblem,
)
from membudget.report.table import HEADINGS, RowKind, TableRow, table_rows
from membudget.report.trial_counts import trials_in_words
from membudget.report.verdicts import SIGNS, status_mark

_LOG_LINES = 40
_MOST_NOTES = 100


def overview(result: JudgedReport, sections: Sequence[Section], most_rows: int) -> dict[str, Json]:
    """Return the data of the page's upper part, which is about the whole check."""
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
        **_told([section for section in sections if section.keep is not Keep.FITTED], most_rows),  # has its own
        "started": f"started {result.report.started_at.isoformat(timespec='seconds')}",
    }


def _told(sections: Sequence[Section], most: int) -> dict[str, Json]:
    """Return the story without its tables and charts, because the page has interactive ones."""
    remarks: list[Json] = []
    problems: list[Json] = []
    also: list[Json] = []
    logs: list[Json] = []
    more: list[Json] = []
    compared: list[str | list[str]] = []
    for section in sections:
        for block in section.blocks:
            match block:
                case Remarks():
                    remarks += (finding.as_json() for finding in block.elements[:_MOST_NOTES])
                case StoryProblem():
                    problems.append({
                        "verdict": block.verdict.value,
                        "title": str(block.title),
                        "next": block.next_step.as_json(),
                        "items": _items(block.elements[:most]),
                    })  # fmt: skip
                case Items() if section.title is None:
                    also += _items(block.elements[:most])
                case Items() if section.title is not None and block.elements:
                    more.append([section.title.as_text(), _items(block.elements[:_MOST_NOTES])])
                case Log() if section.title is not None:
                    lines = [printable_line(line) for line in block.elements[0][-_LOG_LINES:]]
                    logs.append([section.title.as_json(), section.is_open, lines])
                case Paste() if section.title is not None and block.elements:
                    logs.append([section.title.as_json(), False, list(map(printable_line, block.elements[0]))])
                case ComparedRevisions():
                    compared = block.elements[0].as_json()
                case _:
                    pass
    return {
        "remarks": remarks, "problems": problems, "also": also, "logs": logs[:most], "more": more, "compared": compared,
    }  # fmt: skip


def _items(items: Iterable[Item]) -> list[Json]:
    return [[item.finding.as_json(), [below.as_json() for below in item.below]] for item in items]


def _told_above(sections: Sequence[Section]) -> frozenset[Finding]:
    """Return the findings below the verdict, so that the details of images do not repeat them."""
    problems = [block for section in sections for block in section.blocks if isinstance(block, StoryProblem)]
    return frozenset(below for problem in problems for item in problem.elements for below in item.below)


def _seen(image: ImageMeasurement, judged: ImageJudgement, told: AbstractSet[Finding]) -> list[Json]:
    """Return what the trials and layers of an image showed, without the findings in `told`."""
    assumed = (*workload_finding(image.trials), *port_finding(image.trials))
    said = (*findings(image.trials), *soak_finding(image, judged))
    profiled = (*growth_findings(image, judged), *profiling_findings(image))
    found = (*assumed, *said, *profiled, *cause_findings(image), *hint_findings(image))
    return [finding.as_json() for finding in found if finding not in told]


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


REPORT = Document(
    scripts=(
        "dom.js",
        "theme.js",
        "figures.js",
        "table.js",
        "canvas.js",
        "timeline_drawing.js",
        "timeline.js",
        "fitted.js",
        "scatter.js",
        "treemap.js",
        "flames.js",
        "image.js",
        "overview.js",
    ),
    styles=("page.css",),
    instead="membudget report report.json",
)
"""What shows a report, of a check or of a fit."""
LARGEST_PAGE_BYTES = 500_000
_GRAVITY = {Verdict.FAIL: 0, Verdict.INCONCLUSIVE: 1, Verdict.WARN: 2, Verdict.PASS: 3}


@dataclass(frozen=True, slots=True)
class _DetailLevel:
    """One amount of detail."""

    points: int
    """The most samples of a trial that is shown first."""
    other_points: int
    """The most samples of every other trial."""
    listed: int
    """The most folders, packages, layers and files, each."""
    images: int
    """The most images with charts, those with problems first."""
    rows: int
    """The most rows of the table, those with problems first."""


_LEVELS = (
    _DetailLevel(points=800, other_points=300, listed=300, images=40, rows=1500),
    _DetailLevel(points=500, other_points=160, listed=200, images=40, rows=1500),
    _DetailLevel(points=400, other_points=100, listed=120, images=40, rows=1000),
    _DetailLevel(points=300, other_points=60, listed=80, images=40, rows=1000),
    _DetailLevel(points=200, other_points=40, listed=50, images=40, rows=600),
    _DetailLevel(points=160, other_points=24, listed=30, images=20, rows=600),
    _DetailLevel(points=120, other_points=16, listed=20, images=10, rows=400),
    _DetailLevel(points=80, other_points=0, listed=10, images=4, rows=200),
    _DetailLevel(points=40, other_points=0, listed=5, images=1, rows=100),
    _DetailLevel(points=0, other_points=0, listed=0, images=0, rows=40),
)
"""All levels, from most to least detail."""


def render(result: JudgedReport, largest: int = LARGEST_PAGE_BYTES) -> str:
    """Return the page, with as much detail as fits into `largest` bytes. The page says what was left out."""
    around = len(REPORT.page_of("").encode())
    sections = story(result)
    for level in _LEVELS:
        data = as_json(_data(result, sections, level))
        if around + len(data.encode()) <= largest:
            break
    return REPORT.page_of(data)


def _data(result: JudgedReport, sections: Sequence[Section], level: _DetailLevel) -> dict[str, Json]:
    judged = {image.name: image for image in result.judgement.images}
    worst_first = sorted(result.report.images, key=lambda image: _GRAVITY[judged[image.name].verdict])
    detailed = {image.name for image in worst_first[: level.images]}
    shown = [image for image in result.report.images if image.name in detailed]
    told = _told_above(sections)
    return {
        **overview(result, sections, level.rows),
        "images": [_image(image, judged[image.name], level, told) for image in shown],
        "imageCount": len(result.report.images),
        "cuts": _cuts(result.report, level, shown),
    }


def _image(
    image: ImageMeasurement, judged: ImageJudgement, level: _DetailLevel, told: AbstractSet[Finding]
) -> dict[str, Json]:
    return {
        "name": image.name,
        "verdict": judged.verdict.value,
        "sign": SIGNS[judged.verdict],
        "status": status_mark(judged.status).words,
        "limit": image.limit_bytes,
        "about": [
            f"{trials_in_words(image)}; limit {format_size(image.limit_bytes)}{last_fit_words(image)}; workload: ",
            in_json(Quoted(image.workload)),
        ],
        "found": _seen(image, judged, told),
        "sides": sides(image, level.points, level.other_points),
        "lines": lines(image),
        "figures": figures(image, judged),
        "fitted": fitted_data(image),
        "phaseHeadings": PHASE_HEADINGS[1:],
        "phases": [[in_plain_text(cell) for cell in row[1:]] for row in phase_rows([image])],
        "contents": contents(image, level.listed),
        "profile": profile_data(image, 4 * level.listed),
    }  # fmt: skip


def _cuts(report: Report, level: _DetailLevel, shown: Sequence[ImageMeasurement]) -> list[Json]:
    """Return what the page does not show of the report, in words."""
    said = []
    trials = [
        trial for image in shown for side in (image.base, image.head) if side is not None for trial in side.trials
    ]
    longest = max((len(trial.series.time_us) for trial in trials), default=0)
    if longest > level.points:
        said.append(
            f"Of each trial that is drawn first at most {level.points:,} samples are drawn, of the others"
            f" {level.other_points:,}, every extreme among them; the report has up to {longest:,}."
        )
    if len(shown) < len(report.images):
        said.append(f"{len(shown):,} of {len(report.images):,} images are shown in detail, those in trouble first.")
    parts = [
        side.contents for image in shown for side in (image.base, image.head) if side is not None and side.contents
    ]
    if any(max(len(one.folders), len(one.packages), len(one.layers)) > level.listed for one in parts):
        said.append(f"Folders, packages, layers and files: the {level.listed:,} largest of each.")
    return [[words] for words in said]
