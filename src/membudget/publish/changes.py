"""Whether a report says anything that its readers did not know: what a quiet comment is created for."""

from membudget.core.metrics import DEFINITIONS, Metric, Unit
from membudget.core.quantities import MIB
from membudget.judge.measurement import Presence
from membudget.judge.metric import Row, Verdict
from membudget.judge.whole import Judgement
from membudget.report.report import Report

_ALWAYS_LOOKED_AT = (Metric.IMAGE_SIZE, Metric.PEAK_RSS)
_LEAST_SHARE = 0.01
_LEAST_BYTES = MIB


def has_changes(report: Report, judgement: Judgement) -> bool:
    """Whether the check does not simply pass, an image or a budget came or went, or a figure moved beyond its noise."""
    if judgement.verdict is not Verdict.PASS or report.loosened:
        return True
    if any(image.presence in (Presence.NEW, Presence.REMOVED) for image in report.images):
        return True
    rows = [row for image in judgement.images for row in image.rows]
    return any(_moved(row) for row in rows + [row for group in judgement.groups for row in group.rows])


def _moved(row: Row) -> bool:
    """By more than noise explains, and by 1 % or 1 MiB: every build differs in a byte."""
    if row.metric not in _ALWAYS_LOOKED_AT and not row.budget.is_set:
        return False
    if row.delta is None or row.base is None or row.base.value is None:
        return False
    change = abs(row.delta)
    is_much = change >= _LEAST_SHARE * row.base.value
    is_much = is_much or (DEFINITIONS[row.metric].unit is Unit.BYTES and change >= _LEAST_BYTES)
    return change > (row.margin or 0) and is_much
