"""The verdict on one image, with its status and reasons."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from membudget.budgets.rules import NO_BUDGET
from membudget.core.definition import Better
from membudget.core.metrics import Metric, MetricValue
from membudget.judge.creep import creep_rows
from membudget.judge.fit import FitFault, fit_faults
from membudget.judge.leak import LeakVerdict, soak_answer, soak_requests
from membudget.judge.measurement import Failure, FailureStage, ImageMeasurement, Presence, SideMeasurement
from membudget.judge.metric import Inconclusive, Row, Trouble, Verdict, gravest, judge_metric, worst
from membudget.judge.rows import Allowed, base_is_broken, image_rows, merged_exceptions, with_exceptions
from membudget.measure.trial import Trial


class Status(StrEnum):
    """The result for an image. Each asks the reader for a different next step. The values appear in JSON."""

    WITHIN_BUDGET = "within budget"
    OVER_BUDGET = "over budget"
    UNDER_BUDGET = "under budget"
    """All broken budgets are of metrics where more is better."""
    OOM_KILLED = "OOM-killed"
    WORKLOAD_FAILED = "workload failed"
    BUILD_FAILED = "build failed"
    LEAKING = "leaking"
    SOAK_TOO_SHORT = "soak too short"
    INCONCLUSIVE = "inconclusive"
    """The image was measured, but noise or a missed spike leaves the answer open."""
    NOT_MEASURED = "not measured"
    BASE_NOT_MEASURED = "base not measured"
    """The base's image does not build or work, so the growth of the head is unknown."""
    REMOVED = "removed"
    UNCHANGED = "unchanged"
    WARNING = "near its budget"
    SOMETIMES_OVER = "sometimes over budget"
    """The median is within the maximum, but single trials are not."""
    OFF_ITS_FIT = "limit does not match its fit"
    """Within budget, but the limit does not follow from what `membudget fit` last found."""
    SOMETIMES_UNDER = "sometimes under budget"
    """The median keeps the minimum, but single trials do not."""


class NotThere(StrEnum):
    """Why an image is not judged."""

    REMOVED = "removed"
    """The head's budgets file no longer names the image."""
    HEAD_NOT_MEASURED = "head not measured"


@dataclass(frozen=True, slots=True)
class StageFailed:
    """A stage of the head failed."""

    failure: Failure
    status_says_it: bool
    """Whether the image's status already tells the stage."""


@dataclass(frozen=True, slots=True)
class BaseFailed:
    """A stage of the base failed, so the growth is unknown."""

    failure: Failure
    rows: tuple[Row, ...]
    """The rows whose growth is unknown."""


@dataclass(frozen=True, slots=True)
class Killed:
    """The kernel killed more processes than the budget allows."""

    kills: MetricValue
    limit_bytes: int
    in_sidecar: bool
    """Whether only processes of sidecars were killed."""


@dataclass(frozen=True, slots=True)
class OfRow:
    """A row that fails, is open, or has a warning."""

    row: Row


@dataclass(frozen=True, slots=True)
class Soaked:
    """A soak that does not pass."""

    trend: LeakVerdict | None
    """None if too little of the soak was sampled."""
    requests: int | None
    """The number of requests in a soak. None if they were not counted."""


@dataclass(frozen=True, slots=True)
class OffItsFit:
    """The limit does not follow from the last fit. That is a warning."""

    fault: FitFault


ImageReason = NotThere | StageFailed | BaseFailed | Killed | OfRow | Soaked | OffItsFit
"""A reason for an image's verdict."""


@dataclass(frozen=True, slots=True)
class ImageJudgement:
    """The verdict on one image, with its status and reasons."""

    name: str
    verdict: Verdict
    status: Status
    rows: tuple[Row, ...]
    reasons: tuple[ImageReason, ...]
    soak: LeakVerdict | None = None
    """None if the image was not soaked."""
    soak_verdict: Verdict = Verdict.PASS
    """The verdict on the soak alone. It always passes if the soak only advises."""
    is_settled: bool = True
    """Whether further trials could not change the answer."""
    exceptions: tuple[Allowed, ...] = ()
    """The exceptions that are in force."""
    inconclusive: Inconclusive | None = None
    """Why the verdict is inconclusive. None for other verdicts."""
    creep: tuple[Row, ...] = ()
    """The growth since a release or a date. These rows compare with the history, and all others with the base."""

    @property
    def all_rows(self) -> tuple[Row, ...]:
        """The rows of both kinds."""
        return (*self.rows, *self.creep)


def _image_reasons(
    image: ImageMeasurement, rows: Sequence[Row], failure: Failure | None, *, status_says_it: bool
) -> Iterator[ImageReason]:
    """Yield why an image does not pass. `status_says_it` is whether its status already tells the stage of `failure`."""
    if failure is not None and status_says_it:
        yield StageFailed(failure, status_says_it=True)
    of_base = image.base.failure if image.base is not None else None
    without_base = [row for row in rows if lacks_base(row) and image.base is not None and image.base.lost(row.metric)]
    for row in sorted(rows, key=lambda row: row.metric is not Metric.OOM_KILLS):
        if row not in without_base:
            yield from _of_row(image, row, failure)
    if of_base is not None and without_base:
        yield BaseFailed(of_base, tuple(without_base))
    if failure is not None and not status_says_it:
        yield StageFailed(failure, status_says_it=False)


def lacks_base(row: Row) -> bool:
    """Return whether the verdict is open because the base has no value."""
    return row.inconclusive is Inconclusive.NOT_MEASURED and row.needs_base


def is_lost(image: ImageMeasurement, row: Row, failure: Failure | None) -> bool:
    """Return whether the head's `failure` is why a row has no value."""
    side = image.own.side if row.is_own and image.own is not None else image.head
    of_side = side.lost(row.metric) if side is not None and row.head.value is None else None
    return of_side is not None and of_side.is_same(failure)


def untold_failure_of_base(image: ImageMeasurement, rows: Sequence[Row]) -> Failure | None:
    """Return why the base has no figures, if no reason for the verdict tells it. None otherwise.

    A fault of the environment that affected both sides, such as a lost engine, is told with the head.
    """
    failure = image.base.failure if image.base is not None else None
    if failure is None or any(map(lacks_base, rows)):
        return None
    met_both = failure.stage is FailureStage.ENVIRONMENT and failure == image.failure
    return None if met_both else failure


def _of_row(image: ImageMeasurement, row: Row, failure: Failure | None) -> Iterator[ImageReason]:
    if row.verdict is Verdict.FAIL and row.metric is Metric.OOM_KILLS:
        in_sidecar = image.side_for_maximums is not None and image.side_for_maximums.only_sidecars_were_killed
        yield Killed(row.head, image.limit_bytes, in_sidecar)
    elif (
        row.verdict in (Verdict.FAIL, Verdict.WARN)
        or row.trouble is Trouble.UNCLEAR
        or (row.trouble is not None and not is_lost(image, row, failure))
    ):
        yield OfRow(row)


def judge_image(image: ImageMeasurement) -> ImageJudgement:
    """Judge one image by its budgets."""
    if image.presence is Presence.REMOVED:
        return ImageJudgement(image.name, Verdict.PASS, Status.REMOVED, (), (NotThere.REMOVED,))
    if image.head is None:
        return _without_head(image)
    if image.is_unchanged:
        return _unchanged(image, image.head)
    rows, exceptions = with_exceptions(image, tuple(image_rows(image, image.head)))
    creep, creep_exceptions = with_exceptions(image, tuple(creep_rows(image, image.head)))
    exceptions = merged_exceptions(exceptions, creep_exceptions)
    every_row = (*rows, *creep)
    failure = image.failure or _failed_with_allowed_kills(image.trials, rows)
    of_rows = [row.verdict for row in every_row if row.verdict is not None]
    without_soak = worst([*of_rows, Verdict.INCONCLUSIVE if failure else Verdict.PASS])
    soak = soak_answer(image)
    off_fit = tuple(map(OffItsFit, fit_faults(image)))
    verdict = worst([without_soak, soak.verdict, Verdict.WARN if off_fit else Verdict.PASS])
    why = gravest([
        Inconclusive.NOT_MEASURED if failure else None,
        soak.inconclusive,
        *(row.inconclusive for row in every_row),
    ])  # fmt: skip
    if without_soak.passes and not soak.verdict.passes:
        status = _SOAK_STATUS[soak.verdict]
    elif off_fit and without_soak is Verdict.PASS:
        status = Status.OFF_ITS_FIT
    else:
        status = _status(image, every_row, without_soak, failure)
    says_it = failure is not None and _FAILURE_STATUS.get(failure.stage) is status
    reasons: tuple[ImageReason, ...] = tuple(_image_reasons(image, every_row, failure, status_says_it=says_it))
    if not soak.verdict.passes:
        reasons += (Soaked(soak.trend, soak_requests(image)),)
    reasons += off_fit
    settled = soak.verdict is not Verdict.INCONCLUSIVE and all(row.is_settled for row in every_row)
    known = _forbidden_kills(rows) is not None or any(row.is_beyond_doubt for row in rows)
    settled = settled or known  # further trials cannot undo a kill, or a trial over a maximum
    return ImageJudgement(
        image.name, verdict, status, rows, reasons, soak.trend, soak.verdict, settled,
        exceptions,
        why if verdict is Verdict.INCONCLUSIVE else None,
        creep,
    )  # fmt: skip


def _unchanged(image: ImageMeasurement, head: SideMeasurement) -> ImageJudgement:
    """Return the judgement of an image that the pull request did not change. It passes."""
    rows = tuple(
        replace(
            judge_metric(metric, value, value, image.budgets.get(metric, NO_BUDGET)),
            verdict=None,
            reasons=(),
            inconclusive=None,
        )
        for metric, value in head.metrics.items()
    )
    return ImageJudgement(image.name, Verdict.PASS, Status.UNCHANGED, rows, ())


def _without_head(image: ImageMeasurement) -> ImageJudgement:
    """Return the judgement of an image that is in the head's budgets file but was not measured."""
    status = Status.NOT_MEASURED
    why = (NotThere.HEAD_NOT_MEASURED,)
    open_by = Inconclusive.NOT_MEASURED
    return ImageJudgement(image.name, Verdict.INCONCLUSIVE, status, (), why, inconclusive=open_by)


def _status(image: ImageMeasurement, rows: Sequence[Row], verdict: Verdict, failure: Failure | None) -> Status:
    if _forbidden_kills(rows):
        return Status.OOM_KILLED
    if verdict is Verdict.FAIL:
        return broken_status(row for row in rows if row.verdict is Verdict.FAIL)
    if failure is not None:
        return _FAILURE_STATUS.get(failure.stage, Status.NOT_MEASURED)
    unmeasured = [row for row in rows if row.inconclusive is Inconclusive.NOT_MEASURED]
    if not unmeasured:
        over = [row for row in rows if row.verdict is Verdict.WARN and row.trials_over and not row.is_excepted]
        return sometimes_status(over) if verdict is Verdict.WARN and over else _STATUS[verdict]
    only_base = base_is_broken(image) and all(map(lacks_base, unmeasured))
    return Status.BASE_NOT_MEASURED if only_base else Status.NOT_MEASURED


def broken_status(broken: Iterable[Row]) -> Status:
    """Return the status of an image or a group whose rows `broken` fail."""
    return Status.UNDER_BUDGET if _only_more_is_better(broken) else Status.OVER_BUDGET


def sometimes_status(broken: Iterable[Row]) -> Status:
    """Return the status of an image of which single trials break the bounds of the rows `broken`."""
    return Status.SOMETIMES_UNDER if _only_more_is_better(broken) else Status.SOMETIMES_OVER


def _only_more_is_better(rows: Iterable[Row]) -> bool:
    return {row.metric.definition.better for row in rows} == {Better.MORE}


def _failed_with_allowed_kills(trials: Sequence[Trial], rows: Sequence[Row]) -> Failure | None:
    """Return the failure of a workload with OOM kills that the budget allows. They do not excuse it."""
    failed = next((trial for trial in trials if not trial.workload_passed), None)
    if failed is None or _forbidden_kills(rows):
        return None
    return Failure(FailureStage.WORKLOAD, failed.reason or failed.outcome, failed.log_tail)


def _forbidden_kills(rows: Sequence[Row]) -> int | None:
    """Return the number of OOM kills beyond the budget. None if they are within it."""
    failing = (row for row in rows if row.metric is Metric.OOM_KILLS and row.verdict is Verdict.FAIL)
    return next((row.head.value for row in failing), None)


_STATUS = {
    Verdict.PASS: Status.WITHIN_BUDGET,
    Verdict.WARN: Status.WARNING,
    Verdict.INCONCLUSIVE: Status.INCONCLUSIVE,
}
_FAILURE_STATUS = {FailureStage.BUILD: Status.BUILD_FAILED, FailureStage.WORKLOAD: Status.WORKLOAD_FAILED}

_SOAK_STATUS = {Verdict.FAIL: Status.LEAKING, Verdict.INCONCLUSIVE: Status.SOAK_TOO_SHORT}
