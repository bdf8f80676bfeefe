"""What became of an image, and why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from membudget.budgets.exceptions import ExceptionInForce
from membudget.core.metrics import Metric, format_reading, format_value
from membudget.core.quantities import format_size
from membudget.judge.measurement import Failure, FailureStage, ImageMeasurement
from membudget.judge.metric import Inconclusive, Row, Verdict


class Status(StrEnum):
    """What became of an image; each asks the reader for something else. The values stand in JSON."""

    WITHIN_BUDGET = "within budget"
    OVER_BUDGET = "over budget"
    OOM_KILLED = "OOM-killed"
    WORKLOAD_FAILED = "workload failed"
    BUILD_FAILED = "build failed"
    LEAKING = "leaking"
    SOAK_TOO_SHORT = "soak too short"
    INCONCLUSIVE = "inconclusive"
    """It was measured, and noise or a missed spike leaves the answer open."""
    NOT_MEASURED = "not measured"
    BASE_NOT_MEASURED = "base not measured"
    """The base's own image does not build or work, so that nobody knows what the head grew by."""
    REMOVED = "removed"
    UNCHANGED = "unchanged"
    WARNING = "near its budget"
    SOMETIMES_OVER = "sometimes over budget"
    """Its median is within the maximum, and single trials are not."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason for a verdict."""

    ours: str
    """Words of ours, with figures at the most. Empty where the status says it all."""
    quoted: str | None = None
    """What an engine, a build or a workload said: text from outside."""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.ours, self.quoted) if part)


def image_reasons(
    image: ImageMeasurement, rows: Sequence[Row], failure: Failure | None, *, status_says_it: bool
) -> Iterator[Reason]:
    """Why it does not pass. `status_says_it`: whether its status alone tells in which stage `failure` came."""
    if failure is not None and status_says_it:
        yield Reason("", failure.reason)
    of_base = image.base.failure if image.base is not None else None
    without_base = [row for row in rows if lacks_base(row) and image.base is not None and image.base.lost(row.metric)]
    for row in sorted(rows, key=lambda row: row.metric is not Metric.OOM_KILLS):
        if row not in without_base:
            yield from _of_row(image, row, failure)
    if of_base is not None and without_base:
        labels = ", ".join(row.label for row in without_base)
        yield Reason(f"the {of_base.stage} of its base failed, so growth of {labels} is not known", of_base.reason)
    if failure is not None and not status_says_it:
        yield Reason(f"the {failure.stage} failed", failure.reason)


def lacks_base(row: Row) -> bool:
    """Whether its verdict is open because the base has no value."""
    return row.inconclusive is Inconclusive.NOT_MEASURED and row.needs_base


def is_lost(image: ImageMeasurement, row: Row, failure: Failure | None) -> bool:
    """Whether `failure` of the head is why a row has no value."""
    side = image.own.side if row.is_own and image.own is not None else image.head
    of_side = side.lost(row.metric) if side is not None and row.head.value is None else None
    return of_side is not None and of_side.is_same(failure)


def untold_failure_of_base(image: ImageMeasurement, rows: Sequence[Row]) -> Failure | None:
    """Why the base has no figures, where no reason for the verdict says it.

    A fault of the environment that met both sides, as the engine's death does, is told with the head.
    """
    failure = image.base.failure if image.base is not None else None
    if failure is None or any(map(lacks_base, rows)):
        return None
    met_both = failure.stage is FailureStage.ENVIRONMENT and failure == image.failure
    return None if met_both else failure


def _of_row(image: ImageMeasurement, row: Row, failure: Failure | None) -> Iterator[Reason]:
    label = row.label
    if row.verdict is Verdict.FAIL and row.metric is Metric.OOM_KILLS:
        kills = f"{format_reading(row.metric, row.head)} process{'es' if row.head.value != 1 else ''}"
        where = (
            "in a sidecar"
            if image.by_itself and image.by_itself.only_sidecars_were_killed
            else f"at the limit of {format_size(image.limit_bytes)}"
        )
        yield Reason(f"the kernel killed {kills} {where}")
    elif row.verdict in (Verdict.FAIL, Verdict.WARN):
        yield Reason(f"{label} {row.reason}")
    elif row.inconclusive is Inconclusive.NOISE or (row.inconclusive is not None and row.head.is_lower_bound):
        yield Reason(f"{label} is not known well enough", row.reason)
    elif row.inconclusive is Inconclusive.NOT_MEASURED and not is_lost(image, row, failure):
        yield Reason(f"{label}{' of the base' if lacks_base(row) else ''} was not measured", row.reason)


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
