"""The page's upper part: the verdict, the rows, why, and what was compared; in the comment's words and order."""

from collections.abc import Iterator, Sequence

from membudget.core.quantities import format_duration, format_size
from membudget.core.untrusted_text import in_plain_text, printable, printable_line
from membudget.judge.image import ImageJudgement, untold_failure_of_base
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.metric import Verdict
from membudget.judge.whole import Judgement
from membudget.report.allowances import GAPS_NEXT_STEP, GAPS_TITLE, allowances, gap_finding, noise, old_ways
from membudget.report.details import not_measured
from membudget.report.findings import Finding, cause_findings, findings, hint_findings, soak_finding
from membudget.report.page.parts import Json, Parts, ours, parts_of, quoted
from membudget.report.reasons import image_reason
from membudget.report.report import JudgedReport, Report, RevisionReport
from membudget.report.table import HEADINGS, RowKind, TableRow, table_rows, trials_in_words, verdict_line
from membudget.report.verdicts import SIGNS, next_step, status_mark

_LOG_LINES = 40
_MOST_NOTES = 100


def overview(result: JudgedReport, most_rows: int) -> dict[str, Json]:
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
        "remarks": list(_remarks(result.report))[:_MOST_NOTES],
        "headings": HEADINGS,
        "rows": [_row(row) for row in chosen],
        "rowCount": len(rows),
        "why": list(_why(result))[:most_rows],
        "said": [parts_of(finding) for finding in _said(result)][:_MOST_NOTES],
        "next": _next_steps(result.judgement),
        "facts": [[label, parts] for label, parts in _facts(result.report)],
        "notMeasured": [
            [*_listed(names), f": {labels} not measured: ", quoted(reason)]
            for names, labels, reason in not_measured(result.report.images)[:_MOST_NOTES]
        ],
    }  # fmt: skip


def _said(result: JudgedReport) -> list[Finding]:
    return [*map(gap_finding, result.judgement.gaps), *allowances(result), *noise(result.judgement)]


def seen(image: ImageMeasurement, judged: ImageJudgement) -> list[Parts]:
    """What an image's trials and layers showed."""
    found = (*findings(image.trials), *soak_finding(image, judged), *cause_findings(image), *hint_findings(image))
    return [parts_of(finding) for finding in found]


def _row(row: TableRow) -> list[Json]:
    cells = [in_plain_text(cell) for cell in row.cells]
    return [
        cells,
        row.verdict.value if row.verdict is not None else None,
        row.needs_attention,
        row.kind is RowKind.LOOSENED,
    ]


def _revision(revision: RevisionReport) -> list[str]:
    return [revision.sha[:12], printable(revision.subject, 120)]


def _remarks(report: Report) -> Iterator[Parts]:
    if report.comparison.no_base_reason is not None:
        reason = quoted(report.comparison.no_base_reason)
        yield ["No base revision (", reason, "): only absolute budgets are judged, no growth."]
    yield from map(parts_of, old_ways(report))
    for note in report.notes:
        yield [quoted(note)]
    for image in report.images:
        for note in image.notes:
            yield [quoted(image.name), ": ", quoted(note)]


def _why(result: JudgedReport) -> Iterator[Json]:
    """An item for each image that needs attention."""
    measured = result.measured
    for judged in result.judgement.images:
        image = measured[judged.name]
        base_failure = untold_failure_of_base(image, judged.rows)
        found = seen(image, judged)
        if base_failure is not None:
            found.insert(0, ["its base could not be measured (", quoted(base_failure.reason), "): no growth is judged"])
        if judged.verdict is Verdict.PASS:
            found = found[:1] if base_failure is not None else []
            grave = (*findings(image.trials), *soak_finding(image, judged))
            found += [parts_of(finding) for finding in grave if finding.is_grave]
            if not found:
                continue
        failure = image.failure
        yield {
            "image": judged.name,
            "verdict": judged.verdict.value,
            "status": status_mark(judged.status).words,
            "reasons": list(_reasons(judged)) if judged.verdict is not Verdict.PASS else [],
            "found": found,
            "stage": failure.stage.value if failure is not None else None,
            "log": [printable_line(line) for line in failure.log_tail[-_LOG_LINES:]] if failure is not None else [],
        }


def _reasons(judged: ImageJudgement) -> Iterator[Parts]:
    for reason in judged.reasons:
        yield parts_of(Finding(image_reason(reason)))


def _next_steps(judgement: Judgement) -> list[list[str]]:
    steps = {image.status: step for image in judgement.images if (step := next_step(image.status))}
    covering = [[GAPS_TITLE, GAPS_NEXT_STEP]] if judgement.gaps else []
    return [*covering, *([status_mark(status).words, step] for status, step in steps.items())]


def _listed(names: Sequence[str]) -> Parts:
    parts: Parts = []
    for number, name in enumerate(names):
        parts += [", "] if number else []
        parts.append(quoted(name))
    return parts


def _facts(report: Report) -> Iterator[tuple[str, Parts]]:
    """What was compared, where and how."""
    environment = report.environment
    for name, revision in (("head", report.comparison.head), ("base", report.comparison.base)):
        if revision is not None:
            yield name, [quoted(revision.sha), " ", quoted(revision.subject, 120)]
    alike: dict[str, list[str]] = {}
    for image in report.images:
        alike.setdefault(f"{trials_in_words(image)}; limit {format_size(image.limit_bytes)}", []).append(image.name)
    for settings, names in list(alike.items())[:_MOST_NOTES]:
        more = [f" and {len(names) - 20} more"] if len(names) > 20 else []
        yield "trials", [*_listed(names[:20]), *more, f": {settings}"]
    yield "engine", [quoted(environment.engine), " on ", quoted(environment.platform)]
    yield "kernel", [quoted(environment.kernel)]
    yield "cgroup", ours(f"v{environment.cgroup_version}, driver {environment.cgroup_driver}")
    yield "machine", ours(f"{environment.cpus} CPUs, {format_size(environment.memory_bytes)} memory")
    yield "sampled", [f"at {environment.rates} from ", quoted(environment.probe)]
    yield "started", ours(report.started_at.isoformat(timespec="seconds"))
    yield "took", ours(format_duration(report.duration_ms))
    yield "membudget", [quoted(report.membudget_version)]
