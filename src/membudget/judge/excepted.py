"""Exceptions applied: rows whose budget may be broken for a while."""

from collections.abc import Sequence
from dataclasses import replace

from membudget.budgets.exceptions import ExceptionInForce
from membudget.core.metrics import format_value
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.metric import Row, Verdict
from membudget.judge.reasons import Reason


def with_exceptions(image: ImageMeasurement, rows: Sequence[Row]) -> tuple[tuple[Row, ...], tuple[Reason, ...]]:
    """The rows as exceptions let them be, and what there is to say of those."""
    said = []
    judged = []
    for row in rows:
        exception = image.exceptions.get(row.metric)
        if exception is None or row.phase is not None or row.head.value is None or _is_only_shown(row):
            judged.append(row)
            continue
        is_used = _is_used(row, exception)
        said.append(_said(row, exception, is_used=is_used))
        judged.append(_excepted(row, exception) if is_used else row)
    return tuple(judged), tuple(said)


def _is_only_shown(row: Row) -> bool:
    return row.is_own and row.verdict is None


def _is_used(row: Row, exception: ExceptionInForce) -> bool:
    """Whether the row would not pass as it does without the exception, which covers what was measured."""
    if row.head.is_lower_bound:
        return False  # nothing says how much the exception would have to cover
    most = row.head.at_most or row.head.value or 0
    if row.budget.every:  # of a single trial it is known how high it was, or nothing is excepted
        over = row.trials_over
        return row.verdict is Verdict.FAIL and max(most, over.highest if over else 0) <= exception.allow
    is_over = row.verdict is Verdict.WARN and row.trials_over is not None
    return (is_over or row.verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE)) and most <= exception.allow


def _excepted(row: Row, exception: ExceptionInForce) -> Row:
    over = row.trials_over
    is_beyond = over is not None and over.highest > exception.allow
    reason = f"is excepted until {exception.until.isoformat()}"
    if over is not None and is_beyond:
        reason += f", and {over.words(row.metric, 'its maximum')}"
    verdict = Verdict.WARN if exception.ends_soon or is_beyond else Verdict.PASS
    return replace(row, verdict=verdict, reason=reason, is_excepted=True, inconclusive=None)


def _said(row: Row, exception: ExceptionInForce, *, is_used: bool) -> Reason:
    use = "" if is_used else " (not needed now)" if row.verdict in (Verdict.PASS, Verdict.WARN) else " (and is more)"
    soon = ", which is soon" if exception.ends_soon else ""
    allowed = f"{row.label} may be up to {format_value(row.metric, exception.allow)}"
    quoted = f"{exception.reason} ({exception.issue})" if exception.issue else exception.reason
    return Reason(f"{allowed} until {exception.until.isoformat()}{soon}{use}", quoted)
