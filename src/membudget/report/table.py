"""The diff table, with the same cells for the comment, the summary and the terminal."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from membudget.budgets.loosening import Approval, Loosening
from membudget.budgets.rules import Tolerance
from membudget.core.definition import Better
from membudget.core.metric_words import format_reading, format_spread, format_value
from membudget.core.metrics import Metric
from membudget.core.quantities import format_percent
from membudget.core.untrusted_text import Part, Quoted
from membudget.judge.bounds import BoundKind, tolerated_growth
from membudget.judge.image import ImageJudgement, Status, broken_status, is_lost, lacks_base, sometimes_status
from membudget.judge.manifests import ManifestFinding
from membudget.judge.measurement import ImageMeasurement, Presence
from membudget.judge.metric import Inconclusive, Row, Verdict
from membudget.judge.whole import GapKind, GroupJudgement
from membudget.report.manifest_words import LABELS, cells
from membudget.report.report import JudgedReport
from membudget.report.row_words import headroom_words, key_of, row_label
from membudget.report.timeline import SPARKLINE_STEPS, sparkline, timeline
from membudget.report.verdicts import Mark, approval_mark, neutral_mark, status_mark, verdict_mark

HEADINGS = ("image", "metric", "base", "head", "delta", "budget", "headroom", "status")

_NO_VALUE = "–"
_SMALLEST_PERCENT = 0.05
"""A smaller change would be shown as zero percent."""


class RowKind(StrEnum):
    """The kind of a row."""

    JUDGED = "judged"
    """A metric with a budget, or metrics that were not measured."""
    FIGURE = "figure"
    """A metric without a budget."""
    LOOSENED = "loosened"
    """A loosened rule of the budgets file, before and after."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row in words. Quoted text may come from strangers."""

    image: Quoted
    """The name of the image or group."""
    metric: Part
    base: Part
    head: Part
    delta: str
    budget: str
    headroom: str
    mark: Mark
    verdict: Verdict | None
    needs_attention: bool
    """Whether the row is among those shown first."""
    kind: RowKind = RowKind.JUDGED
    base_picture: str = ""
    """A sparkline of RSS over time for the base, on the same scale as the head's."""
    head_picture: str = ""
    reason: Quoted | None = None
    """Why there are no values, if the row stands for several budgets."""
    outcome: Status | None = None
    """The status of the row. None if its verdict says everything."""
    judged: Row | None = None
    """The judged row that is shown. None if the row shows several, or none."""

    @property
    def status(self) -> str:
        """The sign and the words of the row's status."""
        return str(self.mark)

    @property
    def cells(self) -> tuple[Part, ...]:
        """The cells in the order of HEADINGS."""
        return (
            self.image, self.metric, self.base, self.head, self.delta, self.budget, self.headroom, self.status,
        )  # fmt: skip


PICTURES = "bars: RSS over time, with one scale for base and head; a dot means that the container had ended"
"""The legend of the sparklines."""


def has_pictures(rows: Iterable[TableRow]) -> bool:
    """Return whether any row has a sparkline, so that they need a legend."""
    return any(row.base_picture or row.head_picture for row in rows)


def table_rows(result: JudgedReport) -> list[TableRow]:
    """Return all rows, in the order of the report's images."""
    judged = {image.name: image for image in result.judgement.images}
    rows = [row for image in result.report.images for row in _image_rows(image, judged[image.name])]
    rows += [_group_row(group, row) for group in result.judgement.groups for row in group.rows]
    rows += [_gap_row(gap.image, gap.kind) for gap in result.judgement.gaps if gap.image is not None]
    rows += [_manifest_row(one) for one in result.judgement.manifests.findings if not one.verdict.passes]
    return rows + [_loosening_row(loosening, result.report.approval) for loosening in result.report.loosened]


def _image_rows(image: ImageMeasurement, judgement: ImageJudgement) -> Iterable[TableRow]:
    if judgement.status is Status.REMOVED:
        return [_whole_row(image.name, "present", "removed", status_mark(Status.REMOVED))]
    if image.is_unchanged:
        known = [_table_row(image, row) for row in judgement.rows if row.head.value is not None]
        return known or [_whole_row(image.name, "unchanged", "unchanged", status_mark(Status.UNCHANGED))]
    lost = [row for row in judgement.all_rows if row.verdict is not None and is_lost(image, row, image.failure)]
    rows = [_table_row(image, row) for row in judgement.all_rows if _says_something(row) and row not in lost]
    nothing = not judgement.rows and not judgement.verdict.passes
    return [*rows, *([_lost_row(image, judgement, lost)] if lost or nothing else [])]


def _lost_row(image: ImageMeasurement, judgement: ImageJudgement, lost: Sequence[Row]) -> TableRow:
    """Return one row for all budgets without a value for the same reason."""
    row = _whole_row(image.name, _NO_VALUE, "not measured", status_mark(judgement.status))
    metric = row_label(lost[0]) if len(lost) == 1 else f"{len(lost)} budgets" if lost else row.metric
    reason = Quoted(str(image.failure)) if image.failure is not None else None
    return replace(
        row, metric=metric, verdict=Verdict.INCONCLUSIVE, needs_attention=True, reason=reason, outcome=judgement.status
    )


def _says_something(row: Row) -> bool:
    """Return whether to show a metric without a budget: not if it is missing (see the details) or stays zero."""
    if row.budget.is_set:
        return True
    return row.head.value is not None and bool(row.head.value or (row.base is not None and row.base.value))


def _goes_without_saying(row: Row) -> bool:
    """Return whether the row only says that nothing was killed, by the budget that every image has."""
    return row.metric is Metric.OOM_KILLS and row.verdict in (Verdict.PASS, None) and not row.head.value


def _whole_row(image: str, base: str, head: str, mark: Mark) -> TableRow:
    return TableRow(
        image=Quoted(image),
        metric="all",
        base=base,
        head=head,
        delta=_NO_VALUE,
        budget=_NO_VALUE,
        headroom=_NO_VALUE,
        mark=mark,
        verdict=None,
        needs_attention=False,
    )


def _loosening_row(loosening: Loosening, approval: Approval) -> TableRow:
    return TableRow(
        image=Quoted(f"group {loosening.subject}" if loosening.is_group else loosening.subject),
        metric=Quoted(loosening.key),
        base=Quoted(loosening.before),
        head=Quoted(loosening.after),
        delta="loosened",
        budget=_NO_VALUE,
        headroom=_NO_VALUE,
        mark=approval_mark(approval),
        verdict=None if approval.counts else Verdict.FAIL,
        needs_attention=approval is not Approval.NOT_ASKED,
        kind=RowKind.LOOSENED,
    )


def _manifest_row(finding: ManifestFinding) -> TableRow:
    metric, base, head, delta, budget = cells(finding)
    return TableRow(
        image=Quoted(finding.image or finding.workload),
        metric=metric,
        base=base,
        head=head,
        delta=delta,
        budget=budget,
        headroom=_NO_VALUE,
        mark=verdict_mark(finding.verdict, LABELS[finding.rule]),
        verdict=finding.verdict,
        needs_attention=True,
    )


def _gap_row(image: str, kind: GapKind) -> TableRow:
    """Return the row of an image that no part or more than one part checked."""
    head = "checked twice" if kind is GapKind.TWICE else "not checked"
    row = _whole_row(image, _NO_VALUE, head, status_mark(Status.NOT_MEASURED))
    return replace(row, verdict=Verdict.INCONCLUSIVE, needs_attention=True)


def _group_row(group: GroupJudgement, row: Row) -> TableRow:
    base = format_reading(row.metric, row.base) if row.base is not None else _NO_VALUE if row.is_own else "no base"
    cells = (f"group {group.name}", f"total {row_label(row)}", base)
    return _cells(row, cells, _mark(row))


def _table_row(image: ImageMeasurement, row: Row) -> TableRow:
    mark = status_mark(Status.UNCHANGED) if image.is_unchanged else _mark(row)
    cells = _cells(row, (image.name, row_label(row), _base_cell(image, row)), mark)
    is_killed = row.metric is Metric.OOM_KILLS and row.verdict is Verdict.FAIL
    is_pictured = is_killed or (row.metric is Metric.PEAK_RSS and row.phase is None)
    return _pictured(cells, image) if is_pictured and not row.is_own and row.since is None else cells


def _pictured(row: TableRow, image: ImageMeasurement) -> TableRow:
    """Return the row with sparklines of RSS over time."""
    seen = timeline(image, SPARKLINE_STEPS)
    if seen is None:
        return row
    base, head = (sparkline(side, seen.highest_bytes) for side in (seen.base, seen.head))
    return replace(row, base_picture=base, head_picture=head)


def _cells(row: Row, first: tuple[str, str, str], mark: Mark) -> TableRow:
    image, metric, base = first
    return TableRow(
        image=Quoted(image),
        metric=metric,
        base=base,
        head=format_reading(row.metric, row.head),
        delta=_delta_cell(row),
        budget=_budget_cell(row),
        headroom=headroom_words(row) or _NO_VALUE,
        mark=mark,
        verdict=row.verdict,
        needs_attention=row.verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.WARN),
        kind=RowKind.FIGURE if not row.budget.is_set or _goes_without_saying(row) else RowKind.JUDGED,
        outcome=_outcome(row),
        judged=row,
    )


def _base_cell(image: ImageMeasurement, row: Row) -> str:
    if row.base is not None:
        return format_reading(row.metric, row.base)
    if row.is_own or row.since is not None:
        return _NO_VALUE
    return "new" if image.presence is Presence.NEW else "no base"


def _delta_cell(row: Row) -> str:
    if row.delta is None or row.base is None:
        return _NO_VALUE
    if row.margin and abs(row.delta) <= row.margin:
        return format_spread(row.metric, row.delta, row.margin)  # a percentage of noise would mislead
    change = format_spread(row.metric, row.delta, row.margin)
    percent = 100 * row.delta / row.base.value if row.base.value else 0.0
    return f"{change} ({format_percent(percent, signed=True)})" if abs(percent) >= _SMALLEST_PERCENT else change


def _budget_cell(row: Row) -> str:
    """Return each part of the budget with its name. Growth is in bytes if there is a base, because bytes are judged."""
    before, budget, warn = row.base.value if row.base is not None else None, row.budget, row.budget.warn
    is_less_better = row.metric.definition.better is Better.LESS
    change = (BoundKind.GROWTH, BoundKind.WARN_GROWTH) if is_less_better else (BoundKind.DROP, BoundKind.WARN_DROP)
    change = (BoundKind.CREEP, BoundKind.CREEP) if row.since is not None else change
    fixed, warned = (budget.max, warn.max) if is_less_better else (budget.min, warn.min)
    levels = (
        (BoundKind.MAX, _value(row.metric, budget.max)),
        (BoundKind.HEADROOM, _value(row.metric, budget.below_limit, "≤ ")),
        (BoundKind.MIN, _value(row.metric, budget.min)),
        (change[0], _growth(row.metric, budget.tolerance, before, fixed)),
        (BoundKind.WARN_MAX, _value(row.metric, warn.max)),
        (BoundKind.WARN_MIN, _value(row.metric, warn.min)),
        (change[1], _growth(row.metric, warn.tolerance, before, warned)),
    )
    return ", ".join(f"{key_of(row.metric, kind)} {words}" for kind, words in levels if words) or _NO_VALUE


def _value(metric: Metric, level: int | None, sign: str = "") -> str:
    return f"{sign}{format_value(metric, level)}" if level is not None else ""


def _growth(metric: Metric, tolerance: Tolerance | None, before: int | None, fixed: int | None) -> str:
    sign = "+" if metric.definition.better is Better.LESS else "-"
    if tolerance is not None and before is not None:
        return f"{sign}{format_value(metric, tolerated_growth(before, tolerance))}"
    if tolerance is None or fixed is not None:  # without a base, only the maximum or the minimum is judged
        return ""
    percent = f"{format_percent(tolerance.percent)} or " if tolerance.percent else ""  # else the floor alone
    return f"{percent}{sign}{format_value(metric, tolerance.floor)}"


def _mark(row: Row) -> Mark:
    if row.is_excepted and row.verdict is not None:
        return verdict_mark(row.verdict, "excepted")
    if row.is_within_noise:
        return verdict_mark(Verdict.PASS, "within noise")
    outcome = _outcome(row)
    if outcome is not None:
        return status_mark(outcome)
    if row.verdict is not None:
        return verdict_mark(row.verdict)
    return neutral_mark("not approved yet" if row.is_own else "not judged" if row.budget.is_set else "no budget")


def _outcome(row: Row) -> Status | None:
    """Return the status of a row. None if its verdict says everything."""
    if row.verdict is Verdict.FAIL:
        return Status.OOM_KILLED if row.metric is Metric.OOM_KILLS else broken_status([row])
    if row.inconclusive is Inconclusive.NOT_MEASURED:
        return Status.BASE_NOT_MEASURED if lacks_base(row) else Status.NOT_MEASURED
    return sometimes_status([row]) if row.verdict is Verdict.WARN and row.trials_over is not None else None
