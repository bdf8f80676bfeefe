"""The report as Markdown: the pull request's comment, and the step summary."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from tabulate import tabulate

from membudget.analysis.measurement import Failure
from membudget.analysis.metric_verdict import Verdict
from membudget.analysis.verdict import ImageJudgement, Judgement
from membudget.quantities import format_duration, format_size
from membudget.report.allowances import allowances, noise
from membudget.report.details import PHASE_HEADINGS, not_measured, phase_rows
from membudget.report.findings import findings, soak_finding
from membudget.report.image_findings import cause_findings, hint_findings, size_is_in_trouble
from membudget.report.report import Report, RevisionReport
from membudget.report.table import HEADINGS, SIGNS, TableRow, table_rows, trials_in_words, verdict_line
from membudget.report.untrusted_text import code_block, code_cell, code_span

LONGEST_COMMENT = 60_000
"""Characters. GitHub refuses more than 65,536."""
LONGEST_SUMMARY = 260_000
"""Characters: at up to four bytes each, within the mebibyte that GitHub takes a step (workflow commands)."""

_LOG_LINES = 20
_TITLE = "membudget"
_NO_BREAK = "\N{NO-BREAK SPACE}"


def render(report: Report, judgement: Judgement, longest: int = LONGEST_COMMENT) -> str:
    """The whole report, verdict first, in at most `longest` characters.

    What does not fit goes by whole parts: first the logs, then the rows that pass and what was compared, then the
    explanations, and the failing rows last.
    """
    rows = table_rows(report, judgement)
    urgent = [row for row in rows if row.needs_attention]
    everything = _folded(f"All {len(rows)} rows", _table(rows))
    compared = _folded("What was compared", "\n".join(_comparison(report)))
    seen = _seen(report, judgement)
    left_out = _left_out(len(rows) - len(urgent))
    most = ((True, (everything, *seen, compared)), (False, (everything, *seen, compared)))
    for logs, details in (*most, (False, (everything, compared)), (False, (left_out,))):
        text = _page(report, judgement, urgent, details, logs=logs)
        if len(text) <= longest:
            return text

    def short(shown: int) -> str:
        return _short_page(report, judgement, urgent[:shown], len(rows) - shown)

    shown = bisect_right(range(len(urgent) + 1), longest, key=lambda count: len(short(count))) - 1
    return short(max(shown, 0))[:longest]


def _page(
    report: Report, judgement: Judgement, urgent: Sequence[TableRow], details: Sequence[str], *, logs: bool
) -> str:
    parts = [_headline(report, judgement)]
    parts += [f"> {note}" for note in _remarks(report)]
    if urgent:
        parts.append(_table(urgent))
    parts += _explanations(report, judgement, logs=logs)
    return "\n\n".join([*parts, *details]) + "\n"


def _seen(report: Report, judgement: Judgement) -> list[str]:
    """The folded part on how memory was used: phases, causes, and what was not measured."""
    parts = []
    rows = phase_rows(report.images)
    if rows:
        cells = [(code_cell(row[0]) if row[0] else "", *map(_well_broken, row[1:])) for row in rows]
        alignment = ("left", "left", *["right"] * (len(PHASE_HEADINGS) - 2))
        parts.append(tabulate(cells, PHASE_HEADINGS, tablefmt="pipe", colalign=alignment, disable_numparse=True))
    lines = [
        f"- {code_span(image.name)}: {finding.as_markdown()}"
        for image in report.images
        if image.head is not None
        for finding in findings(image.head.trials)
    ]
    lines += [
        f"- {code_span(image.name)}: {finding.as_markdown()}"
        for image, judged in zip(report.images, judgement.images, strict=True)
        for finding in soak_finding(image, judged)
    ]
    lines += [f"- {finding.as_markdown()}" for finding in noise(judgement)]
    for names, labels, reason in not_measured(report.images):
        lines.append(f"- {', '.join(map(code_span, names))}: {labels} not measured ({code_span(reason)})")
    if lines:
        parts.append("\n".join(lines))
    folded = [_folded("How memory was used", "\n\n".join(parts))] if parts else []
    bytes_of = [
        f"- {code_span(image.name)}: {finding.as_markdown()}"
        for image, judged in zip(report.images, judgement.images, strict=True)
        for finding in (*(() if size_is_in_trouble(judged) else cause_findings(image)), *hint_findings(image))
    ]
    return [*folded, _folded("Where the bytes are", "\n".join(bytes_of))] if bytes_of else folded


def _short_page(report: Report, judgement: Judgement, urgent: Sequence[TableRow], left_out: int) -> str:
    parts = [_headline(report, judgement)]
    if urgent:
        parts.append(_table(urgent))
    return "\n\n".join([*parts, _left_out(left_out)]) + "\n"


def _left_out(count: int) -> str:
    rows = "1 row is" if count == 1 else f"{count} rows are"
    return f"{rows} left out here: the job's summary shows more, `report.json` has all."


def _headline(report: Report, judgement: Judgement) -> str:
    return f"### {SIGNS[judgement.verdict]} {_TITLE}: {verdict_line(report, judgement)}"


def _table(rows: Sequence[TableRow]) -> str:
    cells = [
        (code_cell(row.image), *map(code_cell, row.cells[1:4]), *map(_well_broken, row.cells[4:]))
        if row.is_quoted
        else (code_cell(row.image), *map(_well_broken, row.cells[1:]))
        for row in rows
    ]
    alignment = ("left", "left", "right", "right", "right", "left", "right", "left")
    return tabulate(cells, HEADINGS, tablefmt="pipe", colalign=alignment, disable_numparse=True)


def _well_broken(cell: str) -> str:
    """A cell that breaks where it reads well, not between a number and its unit."""
    unbroken = cell.replace(", ", "<br>").replace(" ", _NO_BREAK)
    for before, after in (("", "("), ("", "±"), ("", "or"), ("by", "")):
        unbroken = unbroken.replace(f"{before}{_NO_BREAK}{after}", f"{before} {after}")
    return unbroken


def _remarks(report: Report) -> Iterator[str]:
    if report.comparison.no_base_reason is not None:
        reason = code_span(report.comparison.no_base_reason)
        yield f"**No base revision** ({reason}): only absolute budgets are judged, no growth."
    yield from map(code_span, report.notes)
    for image in report.images:
        yield from (f"{code_span(image.name)}: {code_span(note)}" for note in image.notes)


def _explanations(report: Report, judgement: Judgement, *, logs: bool) -> list[str]:
    """One item an image that needs attention: why. Then what next, each advice once, and the logs that help."""
    measured = {image.name: image for image in report.images}
    lines: list[str] = []
    next_steps: dict[str, str] = {}
    blocks: list[str] = []
    for image in judgement.images:
        measurement = measured[image.name]
        base_failure = measurement.base.failure if measurement.base is not None else None
        if base_failure is not None:
            lines.append(
                f"- {code_span(image.name)}: its base could not be measured ({code_span(base_failure.reason)}),"
                " so the head is judged by absolute budgets alone"
            )
        seen = list(findings(measurement.head.trials)) if measurement.head is not None else []
        seen += soak_finding(measurement, image)
        if size_is_in_trouble(image):
            seen += cause_findings(measurement)
        if image.verdict is Verdict.PASS:
            lines += [f"- {code_span(image.name)}: {finding.as_markdown()}" for finding in seen if finding.is_grave]
            continue
        lines.append(_explanation(image))
        lines += [f"  - {finding.as_markdown()}" for finding in seen]
        if image.next_step:
            next_steps[image.status] = image.next_step
        failure = measurement.head.failure if measurement.head is not None else None
        if logs and failure is not None and failure.log_tail:
            blocks.append(_log(image, failure))
    lines += [f"- {finding.as_markdown()}" for finding in allowances(report, judgement)]
    advice = "<br>\n".join(f"→ {status}: {step}" for status, step in next_steps.items())
    return [part for part in ("\n".join(lines), advice, *blocks) if part]


def _explanation(image: ImageJudgement) -> str:
    reasons = "; ".join(
        ": ".join(part for part in (reason.ours, code_span(reason.quoted) if reason.quoted else "") if part)
        for reason in image.reasons
    )
    return f"- {code_span(image.name)} **{image.status}**{f': {reasons}' if reasons else ''}"


def _log(image: ImageJudgement, failure: Failure) -> str:
    block = code_block(failure.log_tail, most_lines=_LOG_LINES)
    return _folded(f"{image.name}: last lines of its {failure.stage} log", block)


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{content}\n\n</details>"


def _comparison(report: Report) -> Iterator[str]:
    comparison, environment = report.comparison, report.environment
    yield f"- head {_revision(comparison.head)}"
    yield f"- base {_revision(comparison.base)}" if comparison.base else "- no base revision"
    for image in report.images:
        settings = f"limit {format_size(image.limit_bytes)}; workload: {code_span(image.workload)}"
        yield f"- {code_span(image.name)}: {trials_in_words(image)}; {settings}"
    yield (
        f"- engine {code_span(environment.engine)}, {code_span(environment.platform)}, cgroup"
        f" v{environment.cgroup_version} ({environment.cgroup_driver}), kernel {code_span(environment.kernel)},"
        f" {environment.cpus} CPUs, {format_size(environment.memory_bytes)} memory"
    )
    yield f"- sampled at {environment.rates} from {code_span(environment.probe)}"
    machine = next(_settings(report), None)
    if machine is not None:
        yield f"- {machine}; log driver {code_span(environment.log_driver)}; {environment.jobs} at a time"
    yield f"- membudget {code_span(report.membudget_version)}, took {format_duration(report.duration_ms)}"


def _settings(report: Report) -> Iterator[str]:
    """The machine's settings as trials found them; they were the same in all, or the verdict says otherwise."""
    for image in report.images:
        for trial in image.head.trials if image.head is not None else ():
            settings = trial.settings
            huge = code_span(settings.transparent_huge_pages or "unknown")
            swap = format_size(settings.swap_bytes) if settings.swap_bytes is not None else "unknown"
            nodes = code_span(settings.numa_nodes or "unknown")
            yield f"transparent huge pages {huge}; swap {swap}, swappiness {settings.swappiness}; NUMA nodes {nodes}"


def _revision(revision: RevisionReport) -> str:
    return f"{revision.sha[:12]} {code_span(revision.subject, 100)}"
