"""Why an image does not pass: its reasons, the one that gives it its status first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from membudget.core.metrics import Metric, format_reading
from membudget.core.quantities import format_size
from membudget.judge.measurement import Failure, FailureStage, ImageMeasurement
from membudget.judge.metric import Inconclusive, Row, Verdict


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
