"""The diff table: the same cells for the comment, the summary and the terminal."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from membudget.analysis.measurement import ImageMeasurement, Presence
from membudget.analysis.metric_verdict import Row, Verdict
from membudget.analysis.status import Status
from membudget.analysis.verdict import GroupJudgement, ImageJudgement, Judgement
from membudget.budgets.effective import EffectiveBudget, Tolerance
from membudget.budgets.guard import Approval
from membudget.budgets.loosening import Loosening
from membudget.figures import format_delta, format_reading, format_value
from membudget.metrics import Metric
from membudget.quantities import format_percent, format_size
from membudget.report.allowances import LOOSENING_STATUS, unapproved
from membudget.report.report import Report

HEADINGS = ("image", "metric", "base", "head", "delta", "budget", "headroom", "status")

SIGNS = {Verdict.PASS: "✅", Verdict.WARN: "⚠️", Verdict.FAIL: "❌", Verdict.INCONCLUSIVE: "❔"}
_NO_VALUE = "–"
_MOST_NAMED = 3
_SMALLEST_PERCENT = 0.05
"""Below it a change would print as zero percent."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row as people read it."""

    image: str
    metric: str
    base: str
    head: str
    delta: str
    budget: str
    headroom: str
    status: str
    verdict: Verdict | None
    needs_attention: bool
    """Whether it belongs among the rows that are shown first."""
    is_quoted: bool = False
    """Whether its cells quote a report that a stranger may have written."""

    @property
    def cells(self) -> tuple[str, ...]:
        """In the order of HEADINGS."""
        return (
            self.image, self.metric, self.base, self.head, self.delta, self.budget, self.headroom, self.status,
        )  # fmt: skip


def table_rows(report: Report, judgement: Judgement) -> list[TableRow]:
    """Every row of a report, in the order of its images."""
    judged = {image.name: image for image in judgement.images}
    rows = [row for image in report.images for row in _image_rows(image, judged[image.name])]
    rows += [_group_row(group, row) for group in judgement.groups for row in group.rows]
    return rows + [_loosening_row(report, loosening) for loosening in report.loosened]


def verdict_line(report: Report, judgement: Judgement) -> str:
    """The whole answer in one line, without its sign."""
    count = sum(image.status is not Status.REMOVED for image in judgement.images)
    images = f"{count} image" if count == 1 else f"{count} images"
    if judgement.verdict.passes:
        if count == 0:
            return "every image was removed"
        near = [image for image in judgement.images if image.verdict is Verdict.WARN]
        within = f"{images} within budget" if count == 1 else f"all {images} within budget"
        return "; ".join([within, *_first([f"{image.name} is near its own" for image in near], "near theirs")])
    loosened = unapproved(report)
    limits = {image.name: format_size(image.limit_bytes) for image in report.images}
    failing = [image for image in judgement.images if image.verdict is Verdict.FAIL]
    unclear = [image for image in judgement.images if image.verdict is Verdict.INCONCLUSIVE]
    killed = [image for image in failing if image.status is Status.OOM_KILLED]
    parts = [f"{len(failing)} of {images} over budget"] if failing else []
    parts += _first([f"{image.name} is OOM-killed at {limits[image.name]}" for image in killed], "OOM-killed")
    parts += _first([f"{image.name}: {image.status}" for image in unclear], "could not be judged")
    over = [group for group in judgement.groups if group.verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE)]
    parts += _first([f"group {group.name}: {_group_status(group)}" for group in over], "in trouble")
    parts += [f"shard {number} is missing" for number in report.missing_shards[:_MOST_NAMED]]
    if len(report.missing_shards) > _MOST_NAMED:
        parts.append(f"{len(report.missing_shards) - _MOST_NAMED} more shards are missing")
    if loosened:
        parts.append(f"{'1 budget' if loosened == 1 else f'{loosened} budgets'} loosened without approval")
    return "; ".join(parts) or "nothing was measured"


def _group_status(group: GroupJudgement) -> str:
    return "over budget" if group.verdict is Verdict.FAIL else "inconclusive"


def trials_in_words(image: ImageMeasurement) -> str:
    """How many trials of each side the figures of an image are made of."""
    counts = [(name, len(side.trials)) for name, side in (("base", image.base), ("head", image.head)) if side]
    numbers = [number for _, number in counts]
    if not any(numbers):
        return "no trials"
    how = f"after a discarded warm-up{', median' if max(numbers) > 1 else ''}"
    if len(numbers) == 1:
        return f"{_count(numbers[0])} of the head {how}"
    if len(set(numbers)) == 1:
        return f"{_count(numbers[0])} a side {how}"
    return f"{', '.join(f'{_count(number)} of the {name}' for name, number in counts)}, {how}"


def _count(trials: int) -> str:
    return "none" if not trials else "1 trial" if trials == 1 else f"{trials} trials"


def _first(findings: Sequence[str], shared: str) -> list[str]:
    """As many as one line holds, then how many more there are and what they have in common."""
    more = len(findings) - _MOST_NAMED
    return [*findings[:_MOST_NAMED], *([f"{more} more {shared}"] if more > 0 else [])]


def _image_rows(image: ImageMeasurement, judgement: ImageJudgement) -> Iterable[TableRow]:
    if judgement.status is Status.REMOVED:
        return [_whole_row(image, "present", "removed", "➖ removed")]
    if image.is_unchanged:
        known = [_table_row(image, row) for row in judgement.rows if row.head.value is not None]
        return known or [_whole_row(image, "unchanged", "unchanged", "➖ unchanged")]
    return [_table_row(image, row) for row in judgement.rows if _says_something(row)]


def _says_something(row: Row) -> bool:
    """Not a value without a budget that is not there (the details say why), or that was zero and stays so."""
    if row.budget.is_set:
        return True
    return row.head.value is not None and bool(row.head.value or (row.base is not None and row.base.value))


def _whole_row(image: ImageMeasurement, base: str, head: str, status: str) -> TableRow:
    return TableRow(
        image=image.name,
        metric="all",
        base=base,
        head=head,
        delta=_NO_VALUE,
        budget=_NO_VALUE,
        headroom=_NO_VALUE,
        status=status,
        verdict=None,
        needs_attention=False,
    )


def _loosening_row(report: Report, loosening: Loosening) -> TableRow:
    return TableRow(
        image=f"group {loosening.subject}" if loosening.is_group else loosening.subject,
        metric=loosening.key,
        base=loosening.before,
        head=loosening.after,
        delta="loosened",
        budget=_NO_VALUE,
        headroom=_NO_VALUE,
        status=LOOSENING_STATUS[report.approval],
        verdict=Verdict.FAIL if report.approval is Approval.MISSING else None,
        needs_attention=report.approval is not Approval.NOT_ASKED,
        is_quoted=True,
    )


def _group_row(group: GroupJudgement, row: Row) -> TableRow:
    base = format_reading(row.metric, row.base) if row.base is not None else "no base"
    cells = (f"group {group.name}", f"total {row.label}", base)
    return _cells(row, cells, _status_cell(row))


def _table_row(image: ImageMeasurement, row: Row) -> TableRow:
    status = "➖ unchanged" if image.is_unchanged else _status_cell(row)
    return _cells(row, (image.name, row.label, _base_cell(image, row)), status)


def _cells(row: Row, first: tuple[str, str, str], status: str) -> TableRow:
    image, metric, base = first
    return TableRow(
        image=image,
        metric=metric,
        base=base,
        head=format_reading(row.metric, row.head),
        delta=_delta_cell(row),
        budget=_budget_cell(row.metric, row.budget),
        headroom=_headroom_cell(row),
        status=status,
        verdict=row.verdict,
        needs_attention=row.verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.WARN),
    )


def _base_cell(image: ImageMeasurement, row: Row) -> str:
    if row.base is not None:
        return format_reading(row.metric, row.base)
    return "new" if image.presence is Presence.NEW else "no base"


def _delta_cell(row: Row) -> str:
    if row.delta is None or row.base is None:
        return _NO_VALUE
    change = format_delta(row.metric, row.delta)
    if row.margin:
        change += f" ± {format_value(row.metric, row.margin)}"
    percent = 100 * row.delta / row.base.value if row.base.value else 0.0
    return f"{change} ({format_percent(percent, signed=True)})" if abs(percent) >= _SMALLEST_PERCENT else change


def _budget_cell(metric: Metric, budget: EffectiveBudget) -> str:
    parts = _levels(metric, budget.max, budget.tolerance)
    if budget.below_limit is not None:
        parts.append(f"≤ {format_value(metric, budget.below_limit)} for headroom")
    warned = _levels(metric, budget.warn.max, budget.warn.tolerance)
    return ", ".join(parts + [f"warn {level.replace('≤', '>')}" for level in warned]) or _NO_VALUE


def _levels(metric: Metric, most: int | None, tolerance: Tolerance | None) -> list[str]:
    parts = [f"≤ {format_value(metric, most)}"] if most is not None else []
    if tolerance is not None:
        percent = f"{format_percent(tolerance.percent)} or +" if tolerance.percent else ""  # else the floor alone
        parts.append(f"≤ +{percent}{format_value(metric, tolerance.floor)}")
    return parts


def _status_cell(row: Row) -> str:
    if row.is_excepted and row.verdict is not None:
        return f"{SIGNS[row.verdict]} excepted"
    if row.is_within_noise:
        return f"{SIGNS[Verdict.PASS]} within noise"
    if row.verdict is not None:
        return f"{SIGNS[row.verdict]} {row.verdict}"
    return "➖ not judged" if row.budget.is_set else "➖ no budget"


def _headroom_cell(row: Row) -> str:
    if row.headroom is None:
        return _NO_VALUE
    if row.headroom < 0:
        return f"over by {format_value(row.metric, -row.headroom)}"
    return format_value(row.metric, row.headroom)
