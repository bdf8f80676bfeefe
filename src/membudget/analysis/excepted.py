"""Exceptions applied: rows whose budget may be broken for a while."""

from collections.abc import Sequence
from dataclasses import replace

from membudget.analysis.measurement import ImageMeasurement
from membudget.analysis.metric_verdict import Row, Verdict
from membudget.analysis.reasons import Reason
from membudget.figures import format_value


def with_exceptions(image: ImageMeasurement, rows: Sequence[Row]) -> tuple[tuple[Row, ...], tuple[Reason, ...]]:
    """The rows as exceptions let them be, and what there is to say of those."""
    said = []
    judged = []
    for row in rows:
        exception = image.exceptions.get(row.metric)
        most = row.head.at_most or row.head.value
        if exception is None or row.phase is not None or most is None:
            judged.append(row)
            continue
        needed = not row.head.is_lower_bound and row.verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE)
        needed = needed and most <= exception.allow
        verdict = (Verdict.WARN if exception.ends_soon else Verdict.PASS) if needed else row.verdict
        allowed = f"{row.label} may be up to {format_value(row.metric, exception.allow)}"
        use = "" if needed else " (not needed now)" if row.verdict is Verdict.PASS else " (and is more)"
        soon = ", which is soon" if exception.ends_soon else ""
        ours = f"{allowed} until {exception.until.isoformat()}{soon}{use}"
        quoted = f"{exception.reason} ({exception.issue})" if exception.issue else exception.reason
        said.append(Reason(ours, quoted))
        reason = f"is excepted until {exception.until.isoformat()}" if needed else row.reason
        judged.append(
            replace(row, verdict=verdict, reason=reason, is_excepted=needed, inconclusive=None) if needed else row
        )
    return tuple(judged), tuple(said)
