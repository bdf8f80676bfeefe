"""What became of an image, and why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from membudget.budgets.exceptions import ExceptionInForce
from membudget.core.metrics import Metric, MetricValue
from membudget.judge.leak import LeakVerdict
from membudget.judge.measurement import Failure, FailureStage, ImageMeasurement
from membudget.judge.metric import Inconclusive, Row, Trouble, Verdict
from membudget.judge.reasons import Excepted


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


class NotThere(StrEnum):
    """Why nothing of an image is judged."""

    REMOVED = "removed"
    """The head's budgets file does not name it any more."""
    HEAD_NOT_MEASURED = "head not measured"


@dataclass(frozen=True, slots=True)
class Failed:
    """A stage of the head failed."""

    failure: Failure
    status_says_it: bool
    """Whether the image's status alone tells which stage."""


@dataclass(frozen=True, slots=True)
class BaseFailed:
    """A stage of the base failed, so that growth is not known."""

    failure: Failure
    rows: tuple[Row, ...]
    """Those that lack it."""


@dataclass(frozen=True, slots=True)
class Killed:
    """The kernel killed processes beyond what the budget allows."""

    kills: MetricValue
    limit_bytes: int
    in_sidecar: bool
    """Whether in sidecars alone."""


@dataclass(frozen=True, slots=True)
class OfRow:
    """A row does not pass, or is warned of."""

    row: Row


@dataclass(frozen=True, slots=True)
class Soaked:
    """Its soak does not pass."""

    trend: LeakVerdict | None
    """None: too little of the soak was sampled."""
    requests: int | None
    """In a soak; None: nobody counted."""


ImageReason = NotThere | Failed | BaseFailed | Killed | OfRow | Soaked
"""One reason of an image's verdict."""


class Use(StrEnum):
    """Whether an exception changes a verdict now."""

    IN_USE = "in use"
    NOT_NEEDED = "not needed"
    EXCEEDED = "exceeded"
    """The row is above even what is allowed."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """An exception that is in force."""

    row: Row
    exception: ExceptionInForce
    use: Use


def image_reasons(
    image: ImageMeasurement, rows: Sequence[Row], failure: Failure | None, *, status_says_it: bool
) -> Iterator[ImageReason]:
    """Why it does not pass. `status_says_it`: whether its status alone tells in which stage `failure` came."""
    if failure is not None and status_says_it:
        yield Failed(failure, status_says_it=True)
    of_base = image.base.failure if image.base is not None else None
    without_base = [row for row in rows if lacks_base(row) and image.base is not None and image.base.lost(row.metric)]
    for row in sorted(rows, key=lambda row: row.metric is not Metric.OOM_KILLS):
        if row not in without_base:
            yield from _of_row(image, row, failure)
    if of_base is not None and without_base:
        yield BaseFailed(of_base, tuple(without_base))
    if failure is not None and not status_says_it:
        yield Failed(failure, status_says_it=False)


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


def _of_row(image: ImageMeasurement, row: Row, failure: Failure | None) -> Iterator[ImageReason]:
    if row.verdict is Verdict.FAIL and row.metric is Metric.OOM_KILLS:
        in_sidecar = image.by_itself is not None and image.by_itself.only_sidecars_were_killed
        yield Killed(row.head, image.limit_bytes, in_sidecar)
    elif (
        row.verdict in (Verdict.FAIL, Verdict.WARN)
        or row.trouble is Trouble.UNCLEAR
        or (row.trouble is not None and not is_lost(image, row, failure))
    ):
        yield OfRow(row)


def with_exceptions(image: ImageMeasurement, rows: Sequence[Row]) -> tuple[tuple[Row, ...], tuple[Allowed, ...]]:
    """The rows as exceptions let them be, and those exceptions."""
    allowed = []
    judged = []
    for row in rows:
        exception = image.exceptions.get(row.metric)
        if exception is None or row.phase is not None or row.head.value is None or _is_only_shown(row):
            judged.append(row)
            continue
        is_used = _is_used(row, exception)
        passes = row.verdict in (Verdict.PASS, Verdict.WARN)
        use = Use.IN_USE if is_used else Use.NOT_NEEDED if passes else Use.EXCEEDED
        allowed.append(Allowed(row, exception, use))
        judged.append(_excepted(row, exception) if is_used else row)
    return tuple(judged), tuple(allowed)


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
    reason = Excepted(exception.until, over if is_beyond else None)
    verdict = Verdict.WARN if exception.ends_soon or is_beyond else Verdict.PASS
    return replace(row, verdict=verdict, reasons=(reason,), is_excepted=True, inconclusive=None)
