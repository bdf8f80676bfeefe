"""The report on a terminal: the comment's content in the comment's order."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from membudget.analysis.metric_verdict import Verdict
from membudget.analysis.verdict import ImageJudgement, Judgement
from membudget.quantities import format_duration, format_size
from membudget.report.allowances import allowances, noise
from membudget.report.details import not_measured
from membudget.report.findings import findings, load_findings, soak_finding
from membudget.report.image_findings import cause_findings, hint_findings
from membudget.report.report import Report
from membudget.report.table import HEADINGS, SIGNS, TableRow, table_rows, trials_in_words, verdict_line
from membudget.report.untrusted_text import printable, printable_line

_STYLES = {
    Verdict.PASS: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red", Verdict.INCONCLUSIVE: "bold yellow",
}  # fmt: skip
_BLANK = Text()
_RIGHT_ALIGNED = {"base", "head", "delta", "headroom"}
_GOOD_BREAK = re.compile(r", | (?=\(|or )|(?<=by) ")
_AS_WIDE_AS_IT_LIKES = 10_000


def render(report: Report, judgement: Judgement) -> RenderableType:
    """The whole report for `rich`."""
    line = f"{SIGNS[judgement.verdict]} {verdict_line(report, judgement)}"
    parts: list[RenderableType] = [Text(line, style=_STYLES[judgement.verdict])]
    if report.comparison.no_base_reason is not None:
        parts.append(Text(f"No base revision ({printable(report.comparison.no_base_reason)}): no growth is judged."))
    parts += [Text(f"Note: {printable(note)}") for note in report.notes]
    parts += [Text(f"Note: {image.name}: {printable(note)}") for image in report.images for note in image.notes]
    explanations = list(_explanations(report, judgement))
    parts += [_BLANK, _FittingTable(table_rows(report, judgement)), _BLANK]
    parts += [*explanations, _BLANK] if explanations else []
    parts.append(Text("\n".join(_comparison(report)), style="dim"))
    return Group(*parts)


@dataclass(frozen=True, slots=True)
class _FittingTable:
    """The diff table. On a line too short for it, cells take several lines: nothing of them is ever cut off."""

    rows: Sequence[TableRow]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        whole = _table(self.rows, str)
        unbound = options.update(max_width=_AS_WIDE_AS_IT_LIKES)
        fits = console.measure(whole, options=unbound).maximum <= options.max_width
        yield whole if fits else _table(self.rows, _on_lines)


def _on_lines(cell: str) -> str:
    return _GOOD_BREAK.sub("\n", cell)


def _table(rows: Sequence[TableRow], cell: Callable[[str], str]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, collapse_padding=cell is _on_lines)
    for heading in HEADINGS:
        table.add_column(heading, justify="right" if heading in _RIGHT_ALIGNED else "left", overflow="fold")
    previous = None
    for row in rows:
        image = printable(row.image) if row.image != previous else ""
        previous = row.image
        style = _STYLES[row.verdict] if row.verdict else "dim"
        figures = [Text(cell(printable(figure))) for figure in row.cells[1:-1]]
        table.add_row(Text(image, style="bold"), *figures, Text(row.status, style=style))
    return table


def _explanations(report: Report, judgement: Judgement) -> Iterator[Text]:
    measured = {image.name: image for image in report.images}
    yield from (Text(finding.as_text()) for finding in (*allowances(report, judgement), *noise(judgement)))
    for image in judgement.images:
        measurement = measured[image.name]
        if measurement.base is not None and measurement.base.failure is not None:
            reason = printable(measurement.base.failure.reason)
            yield Text(f"{image.name}: its base could not be measured ({reason}): no growth is judged.")
        trials = measurement.head.trials if measurement.head is not None else ()
        sizes = [*cause_findings(measurement), *hint_findings(measurement)]
        seen = [*findings(trials), *soak_finding(measurement, image), *sizes]
        if image.verdict is Verdict.PASS:
            told = [finding for finding in seen if finding.is_grave]
            told += [finding for finding in (*soak_finding(measurement, image), *load_findings(trials), *sizes)
                     if not finding.is_grave]  # fmt: skip
            yield from (Text(f"{image.name}: {finding.as_text()}") for finding in told)
        else:
            yield _explanation(image)
            yield from (Text(f"  {finding.as_text()}") for finding in seen)
            failure = measurement.head.failure if measurement.head is not None else None
            if failure is not None and failure.log_tail:
                log = "\n".join(f"  │ {printable_line(line)}" for line in failure.log_tail)
                yield Text(f"  last lines of its {failure.stage} log:\n{log}", style="dim")


def _explanation(image: ImageJudgement) -> Text:
    text = Text.assemble((f"{image.name} {image.status}", _STYLES[image.verdict]))
    if image.reasons:
        text.append(f": {'; '.join(printable(str(reason)) for reason in image.reasons)}")
    if image.next_step:
        text.append(f"\n  → {image.next_step}")
    return text


def _comparison(report: Report) -> Iterator[str]:
    for names, labels, reason in not_measured(report.images):
        yield f"{', '.join(names)}: {labels} not measured: {printable(reason)}"
    comparison, environment = report.comparison, report.environment
    base = f"base {comparison.base.sha[:12]}" if comparison.base else "no base"
    yield f"{base} → head {comparison.head.sha[:12]} {printable(comparison.head.subject, 80)}"
    alike: dict[str, list[str]] = {}
    for image in report.images:
        alike.setdefault(f"{trials_in_words(image)}; limit {format_size(image.limit_bytes)}", []).append(image.name)
    for settings, names in alike.items():
        yield f"{', '.join(names)}: {settings}"
    yield (
        f"engine {printable(environment.engine)}, {printable(environment.platform)},"
        f" cgroup v{environment.cgroup_version} ({environment.cgroup_driver}),"
        f" sampled at {environment.rates} from {printable(environment.probe)};"
        f" took {format_duration(report.duration_ms)}"
    )
