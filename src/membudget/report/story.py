"""The content of a report in order, the same for the comment, the terminal, the page and JUnit.

Formats only lay it out. The verdict comes first, then what is wrong, why, and what to do about it. Details follow for
readers who want them.
"""

from collections.abc import Iterator, Sequence

from membudget.budgets.loosening import Approval
from membudget.core.metrics import Metric
from membudget.core.untrusted_text import Part, Parts, Quoted
from membudget.judge.bounds import Bound
from membudget.judge.image import ImageJudgement, ImageReason, OfRow, Status, untold_failure_of_base
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.metric import Inconclusive, Row, Verdict
from membudget.judge.whole import GroupJudgement, Judgement
from membudget.report.accepting import EXCEPTIONS_TITLE, accept_group, accept_image, exceptions_of
from membudget.report.allowances import (
    GAPS_NEXT_STEP,
    GAPS_TITLE,
    approval_step,
    exception_findings,
    failures_with_base_settings,
    gap_finding,
    group_findings,
    label_request,
    loosened_finding,
    noise,
)
from membudget.report.assumptions import port_finding, workload_findings
from membudget.report.costs import cost_step, costs_section
from membudget.report.details import (
    PEAK_HEADINGS,
    PHASE_HEADINGS,
    compared,
    compared_in_short,
    not_measured,
    peak_table,
    phase_rows,
)
from membudget.report.explanations import explanations, memory_is_in_trouble
from membudget.report.findings import Finding, FindingKind, circumstances, soak_finding, why
from membudget.report.fit_words import FITTED_TITLE, fitted_blocks
from membudget.report.growth_words import growth_findings, profiling_findings
from membudget.report.image_findings import cause_findings, hint_findings, size_is_in_trouble
from membudget.report.manifest_story import changes_section, manifest_problems
from membudget.report.memory_words import larger_items, memory_section
from membudget.report.report import JudgedReport
from membudget.report.row_words import broken_in_short, joined
from membudget.report.runtime_words import runtime_items, runtime_problems
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
from membudget.report.table import PICTURES, RowKind, TableRow, has_pictures, table_rows
from membudget.report.timeline import CHART_STEPS, Chart, timeline
from membudget.report.trend import trend_section
from membudget.report.verdicts import image_reason, next_step, status_mark, verdict_mark

_MOST_CHARTS = 6
"""The most charts, because GitHub draws each in a frame of its own."""
_GRAVEST_FIRST = (
    Status.OOM_KILLED, Status.OVER_BUDGET, Status.UNDER_BUDGET, Status.LEAKING, Status.WORKLOAD_FAILED,
    Status.BUILD_FAILED, Status.NOT_MEASURED, Status.BASE_NOT_MEASURED, Status.INCONCLUSIVE, Status.SOAK_TOO_SHORT,
    Status.SOMETIMES_OVER, Status.SOMETIMES_UNDER, Status.WARNING, Status.OFF_ITS_FIT,
)  # fmt: skip
_LEGEND = Legend((Finding.of(PICTURES),))
_ROWS_FIRST = {Verdict.FAIL: 0, Verdict.INCONCLUSIVE: 1, Verdict.WARN: 2, Verdict.PASS: 3, None: 3}


def story(result: JudgedReport) -> tuple[Section, ...]:
    """Return the sections after the headline. Sections without content are left out."""
    measured = result.measured
    rows = table_rows(result)
    urgent = _gravest_first([row for row in rows if row.needs_attention])
    calm = [row for row in rows if not row.needs_attention]
    others = [row for row in calm if row.kind is not RowKind.FIGURE]
    figures = [row for row in calm if row.kind is RowKind.FIGURE]
    sections = [
        Section(Keep.REMARKS, (Remarks(tuple(_remarks(result))),)),
        Section(Keep.URGENT_ROWS, (Rows(tuple(urgent)),)),
        *([Section(Keep.LEGEND, (_LEGEND,))] if has_pictures(urgent) else []),
        Section(Keep.WHY, (*_outcomes(result, measured), Items(tuple(_also(result.judgement, measured)), "Also"))),
        cost_step(result.report.images),
        memory_section(result.judgement.memory),
        trend_section(result),
        changes_section(result.judgement.manifests),
        _exceptions(result),
        *_logs(result.judgement, measured),
        _other_rows(others, some_are_urgent=bool(urgent), has_legend=has_pictures(others) and not has_pictures(urgent)),
        _charts(result.judgement, measured),
        Section(Keep.FITTED, tuple(fitted_blocks(result.report.images)), Finding.of(FITTED_TITLE)),
        Section(Keep.DETAILS, tuple(_used(result, measured)), Finding.of("How memory was used")),
        costs_section(result.report.images),
        Section(Keep.DETAILS, (Items(tuple(_bytes(result.judgement, measured))),), Finding.of("Where the bytes are")),
        _figures(figures, has_legend=has_pictures(figures) and not has_pictures([*urgent, *others])),
        Section(Keep.DETAILS, (Items(tuple(map(Item, compared(result.report)))),), Finding.of("What was compared")),
        Section(Keep.COMPARED, (ComparedRevisions((compared_in_short(result.report),)),)),
    ]
    return tuple(section for section in sections if any(block.elements for block in section.blocks))


def _gravest_first(rows: Sequence[TableRow]) -> list[TableRow]:
    """Return the rows sorted: failures before inconclusive results, images with OOM kills first."""
    killed = {row.image for row in rows if row.outcome is Status.OOM_KILLED}
    places = {name: place for place, name in enumerate(dict.fromkeys(row.image for row in rows))}

    def urgency(row: TableRow) -> tuple[int, bool, int, bool]:
        is_kill = row.outcome is Status.OOM_KILLED
        return _ROWS_FIRST[row.verdict], row.image not in killed, places[row.image], not is_kill

    return sorted(rows, key=urgency)


def _remarks(result: JudgedReport) -> Iterator[Finding]:
    if result.report.comparison.no_base_reason is not None:
        reason = Quoted(result.report.comparison.no_base_reason)
        yield Finding(("no base (", reason, "): maximums are judged, growth is not"))
    if result.judgement.images and all(image.status is Status.UNCHANGED for image in result.judgement.images):
        yield Finding.of("base and head are the same images, so no trials were run")
    if result.report.is_local and result.report.approval is Approval.MISSING:
        as_ci = ("judged as CI judges a pull request without the label ", Quoted(result.report.approval_label))
        yield Finding((*as_ci, " → to see the result with it, add ", Quoted("--approved")))
    if result.report.lacks_base_rules:
        yield label_request("the base's budgets are not known → repair its file", result.report.looser)
    yield from failures_with_base_settings(result.report.images, result.report.looser)
    yield from (Finding((Quoted(note),)) for note in result.report.notes)
    for image in result.report.images:
        yield from workload_findings(image)
        yield from (Finding((Quoted(image.name), ": ", Quoted(note))) for note in image.notes)


def _outcomes(result: JudgedReport, measured: dict[str, ImageMeasurement]) -> Iterator[StoryProblem]:
    """Yield the problems, grouped by outcome, gravest first."""
    looser = result.report.looser
    items: dict[Status, list[Item]] = {status: [] for status in _GRAVEST_FIRST}
    rows: dict[Status, list[Row]] = {status: [] for status in _GRAVEST_FIRST}
    verdicts: dict[Status, Verdict] = {}
    for image in result.judgement.images:
        if image.verdict is not Verdict.PASS:
            below = (
                *explanations(measured[image.name], image),
                *accept_image(measured[image.name], image, result.report),
            )
            items[image.status].append(Item(_reasons(image), below, image.name, image.reasons))
            verdicts[image.status] = image.verdict
            rows[image.status] += image.all_rows
    for group in result.judgement.groups:
        if group.verdict is not None and group.verdict is not Verdict.PASS:
            status = _group_status(group, group.verdict)
            below = tuple(accept_group(group, result.report))
            items[status] += [
                Item(finding, below, f"group {group.name}", (OfRow(row),)) for row, finding in group_findings(group)
            ]
            verdicts[status] = group.verdict
            rows[status] += group.rows
    if looser.unapproved:
        yield StoryProblem(
            verdict_mark(Verdict.FAIL, "loosened"),
            approval_step(looser),
            (Item(loosened_finding(looser)),),
            Verdict.FAIL,
        )
    if result.judgement.gaps:
        findings = tuple(Item(gap_finding(gap), reasons=(gap,)) for gap in result.judgement.gaps)
        mark = verdict_mark(Verdict.INCONCLUSIVE, GAPS_TITLE)
        yield StoryProblem(mark, Finding.of(GAPS_NEXT_STEP), findings, Verdict.INCONCLUSIVE)
    yield from manifest_problems(result.judgement.manifests)
    yield from runtime_problems(result.judgement.runtimes)
    for status, explained in items.items():
        if explained:
            step = Finding.of(next_step(status, rows[status]) or "")
            yield StoryProblem(status_mark(status), step, tuple(explained), verdicts[status])


_GROUP_STATUS = {
    Verdict.FAIL: Status.OVER_BUDGET,
    Verdict.INCONCLUSIVE: Status.INCONCLUSIVE,
    Verdict.WARN: Status.WARNING,
}


def _group_status(group: GroupJudgement, verdict: Verdict) -> Status:
    return Status.NOT_MEASURED if group.inconclusive is Inconclusive.NOT_MEASURED else _GROUP_STATUS[verdict]


def _reasons(image: ImageJudgement) -> Finding:
    reasons = joined(map(_reason, image.reasons), "; ")
    return Finding((Quoted(image.name), *((": ", *reasons) if reasons else ())))


def _reason(reason: ImageReason) -> Parts:
    """Return a reason without the figures that stand in the table."""
    in_short = broken_in_short(reason.row) if isinstance(reason, OfRow) else None
    return in_short or image_reason(reason)


def _also(judgement: Judgement, measured: dict[str, ImageMeasurement]) -> Iterator[Item]:
    """Yield what is always visible although it fails nothing."""
    for judged in judgement.images:
        image = measured[judged.name]
        base_failure = untold_failure_of_base(image, judged.rows)
        if base_failure is not None:
            quoted = Quoted(base_failure.reason)
            said = "), so no growth is judged"
            parts = (Quoted(image.name), ": its base could not be measured (", quoted, said)
            yield Item(Finding(parts), about=image.name)
        if judged.verdict is Verdict.PASS:
            told = (*why(image.trials), *soak_finding(image, judged))
            yield from (_of(image, finding) for finding in told if finding.is_grave)
    yield from map(Item, exception_findings(judgement))


def _logs(judgement: Judgement, measured: dict[str, ImageMeasurement]) -> Iterator[Section]:
    """Yield the logs. A single one is unfolded, because readers want it next."""
    failures = [(image.name, measured[image.name].failure) for image in judgement.images if not image.verdict.passes]
    told = [(name, failure) for name, failure in failures if failure is not None and failure.log_tail]
    for name, failure in told:
        title = Finding((Quoted(name), f": last lines of its {failure.stage} log"))
        yield Section(Keep.LOGS, (Log((failure.log_tail,)),), title, is_open=len(told) == 1)


def _exceptions(result: JudgedReport) -> Section:
    lines = exceptions_of(result)
    return Section(Keep.ACCEPT, (Paste((lines,) if lines else ()),), Finding.of(EXCEPTIONS_TITLE))


def _other_rows(rows: Sequence[TableRow], *, some_are_urgent: bool, has_legend: bool) -> Section:
    title = f"{_count(rows, 'more figure' if some_are_urgent else 'figure')} with a budget"
    return Section(Keep.OTHER_ROWS, (Rows(tuple(rows)), *([_LEGEND] if has_legend else [])), Finding.of(title))


def _figures(rows: Sequence[TableRow], *, has_legend: bool) -> Section:
    return Section(
        Keep.FIGURES,
        (Figures(tuple(rows)), *([_LEGEND] if has_legend else [])),
        Finding.of(f"{_count(rows)} without a budget"),
    )


def _count(rows: Sequence[TableRow], what: str = "figure") -> str:
    return f"1 {what}" if len(rows) == 1 else f"{len(rows)} {what}s"


def _charts(judgement: Judgement, measured: dict[str, ImageMeasurement]) -> Section:
    """Return charts, images that need attention first."""
    urgent_first = sorted(judgement.images, key=lambda image: image.verdict is Verdict.PASS)
    ran = [image for image in urgent_first if measured[image.name].trials and not measured[image.name].is_unchanged]
    charts = []
    for judged in ran[:_MOST_CHARTS]:
        image = measured[judged.name]
        seen = timeline(image, CHART_STEPS)
        if seen is not None and seen.head:
            charts.append((Quoted(image.name), Chart(seen, _drawn_bounds(judged), image.limit_bytes)))
    of = f" of {len(charts)} of {len(ran)} images" if len(charts) < len(ran) else ""
    return Section(Keep.CHARTS, (Charts(tuple(charts)),), Finding.of(f"Memory over time{of}"))


def _drawn_bounds(judged: ImageJudgement) -> tuple[Bound, ...]:
    """Return the bounds of peak RSS, which the chart shows over time."""
    rows = (row for row in judged.rows if row.metric is Metric.PEAK_RSS and row.phase is None and not row.is_own)
    return next((row.bounds for row in rows), ())


def _used(result: JudgedReport, measured: dict[str, ImageMeasurement]) -> Iterator[Block]:
    """Yield how memory was used: phases, what held it at the peak, and missing values."""
    yield Sheet(PHASE_HEADINGS, tuple(phase_rows(result.report.images)))
    yield Sheet(PEAK_HEADINGS, tuple(peak_table(result.report.images)))
    items = []
    for judged in result.judgement.images:
        image = measured[judged.name]
        if not memory_is_in_trouble(judged):  # otherwise it is always visible
            calm = (finding for finding in why(image.trials) if not finding.is_grave)
            items += [
                _of(image, finding) for finding in calm if finding.kind is not FindingKind.AT_PEAK
            ]  # in the table
            items += [_of(image, finding) for finding in growth_findings(image, judged)]
        if judged.verdict is Verdict.PASS:
            items += [_of(image, finding) for finding in soak_finding(image, judged) if not finding.is_grave]
        items += [_of(image, finding) for finding in (*port_finding(image.trials), *circumstances(image.trials))]
        items += [_of(image, finding) for finding in profiling_findings(image)]
        items += [*runtime_items(image), *larger_items(image)]
    items += map(Item, noise(result.judgement))
    for names, labels, reason in not_measured(result.report.images):
        parts: list[Part] = []
        for name in names:
            parts += [", "] if parts else []
            parts.append(Quoted(name))
        items.append(Item(Finding((*parts, f": {labels} not measured (", Quoted(reason), ")"))))
    yield Items(tuple(items))


def _bytes(judgement: Judgement, measured: dict[str, ImageMeasurement]) -> Iterator[Item]:
    for judged in judgement.images:
        image = measured[judged.name]
        causes = () if size_is_in_trouble(judged) else cause_findings(image)
        yield from (_of(image, finding) for finding in (*causes, *hint_findings(image)))


def _of(image: ImageMeasurement, finding: Finding) -> Item:
    return Item(Finding((Quoted(image.name), ": ", *finding.parts)), about=image.name)
