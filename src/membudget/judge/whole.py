"""Values against budgets: a verdict for each metric, each image, and the whole."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from membudget.budgets.rules import NO_BUDGET
from membudget.core.errors import ExitCode
from membudget.core.metrics import Metric
from membudget.judge.coverage import Coverage, Gap, gaps
from membudget.judge.groups import GroupMeasurement, judge_group
from membudget.judge.image import (
    Allowed,
    ImageReason,
    NotThere,
    Soaked,
    Status,
    image_reasons,
    lacks_base,
    with_exceptions,
)
from membudget.judge.image_rows import base_is_broken, image_rows
from membudget.judge.leak import LeakVerdict, soak_answer, soak_requests
from membudget.judge.measurement import Failure, FailureStage, ImageMeasurement, Presence, SideMeasurement
from membudget.judge.metric import Inconclusive, Row, Verdict, gravest, judge_metric, worst
from membudget.measure.trial import Trial


@dataclass(frozen=True, slots=True)
class ImageJudgement:
    """The verdict on one image, and why."""

    name: str
    verdict: Verdict
    status: Status
    rows: tuple[Row, ...]
    reasons: tuple[ImageReason, ...]
    soak: LeakVerdict | None = None
    """None: it was not soaked."""
    soak_verdict: Verdict = Verdict.PASS
    """What the soak alone comes to: always pass where it is advice."""
    is_settled: bool = True
    """Whether more trials would not change the answer."""
    exceptions: tuple[Allowed, ...] = ()
    """What of it is allowed for a while."""
    inconclusive: Inconclusive | None = None
    """Why the verdict is inconclusive; None where it is not."""


@dataclass(frozen=True, slots=True)
class GroupJudgement:
    """The verdict on the sums of one group of images."""

    name: str
    verdict: Verdict | None
    """None: nothing to judge by, or not all of its images were checked here."""
    rows: tuple[Row, ...]
    inconclusive: Inconclusive | None = None
    """Why the verdict is inconclusive; None where it is not."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on the whole."""

    verdict: Verdict
    images: tuple[ImageJudgement, ...]
    groups: tuple[GroupJudgement, ...] = ()
    inconclusive: Inconclusive | None = None
    """Why the verdict is inconclusive; None where it is not."""
    gaps: tuple[Gap, ...] = ()
    """What was to be covered, and is not."""

    @property
    def has_warnings(self) -> bool:
        """Whether anything is warned of, whatever the verdict on the whole."""
        rows = [row for image in self.images for row in image.rows]
        rows += [row for group in self.groups for row in group.rows]
        return Verdict.WARN in [self.verdict, *(image.verdict for image in self.images), *(row.verdict for row in rows)]


def judge(
    images: Sequence[ImageMeasurement],
    groups: Iterable[GroupMeasurement] = (),
    coverage: Coverage | None = None,
) -> Judgement:
    """Judge everything that was measured. One broken budget fails the whole; nothing measured is no pass.

    `coverage`: what it has to be; None: `images` are all that there is.
    """
    by_name = {image.name: image for image in images}
    wanted = coverage if coverage is not None else Coverage.of_all(by_name)
    judged = tuple(judge_image(image) for image in images)
    elsewhere = frozenset(wanted.known).difference(wanted.planned)
    sums = tuple(_judge_group(group, by_name, elsewhere) for group in groups)
    missing = tuple(gaps(wanted, by_name))
    verdicts = [image.verdict for image in judged] + [group.verdict for group in sums if group.verdict is not None]
    verdicts += [Verdict.INCONCLUSIVE] if missing else []
    reasons = [image.inconclusive for image in judged] + [group.inconclusive for group in sums]
    verdict = worst(verdicts)
    why = gravest(reasons) if judged and not missing else Inconclusive.NOT_MEASURED
    return Judgement(verdict, judged, sums, _why(verdict, why), missing)


def _why(verdict: Verdict, reason: Inconclusive | None) -> Inconclusive | None:
    """Why `verdict` is open. A broken budget is no open answer, whatever is open beside it."""
    return reason if verdict is Verdict.INCONCLUSIVE else None


def _judge_group(
    group: GroupMeasurement, images: Mapping[str, ImageMeasurement], elsewhere: frozenset[str]
) -> GroupJudgement:
    rows = tuple(judge_group(group, images, elsewhere))
    verdicts = [row.verdict for row in rows if row.verdict is not None]
    verdict = worst(verdicts) if verdicts else None
    why = gravest(row.inconclusive for row in rows) if verdict is Verdict.INCONCLUSIVE else None
    return GroupJudgement(group.name, verdict, rows, why)


def judge_image(image: ImageMeasurement) -> ImageJudgement:
    """Judge one image by its budgets."""
    if image.presence is Presence.REMOVED:
        return ImageJudgement(image.name, Verdict.PASS, Status.REMOVED, (), (NotThere.REMOVED,))
    if image.head is None:
        return _without_head(image)
    if image.is_unchanged:
        return _unchanged(image, image.head)
    rows, exceptions = with_exceptions(image, tuple(image_rows(image, image.head)))
    failure = image.failure or _failed_with_allowed_kills(image.trials, rows)
    of_rows = [row.verdict for row in rows if row.verdict is not None]
    without_soak = worst([*of_rows, Verdict.INCONCLUSIVE if failure else Verdict.PASS])
    soak = soak_answer(image)
    verdict = worst([without_soak, soak.verdict])
    why = gravest([
        Inconclusive.NOT_MEASURED if failure else None,
        soak.inconclusive,
        *(row.inconclusive for row in rows),
    ])  # fmt: skip
    if without_soak.passes and not soak.verdict.passes:
        status = _SOAK_STATUS[soak.verdict]
    else:
        status = _status(image, rows, without_soak, failure)
    says_it = failure is not None and _FAILURE_STATUS.get(failure.stage) is status
    reasons: tuple[ImageReason, ...] = tuple(image_reasons(image, rows, failure, status_says_it=says_it))
    if not soak.verdict.passes:
        reasons += (Soaked(soak.trend, soak_requests(image)),)
    settled = soak.verdict is not Verdict.INCONCLUSIVE and all(row.is_settled for row in rows)
    known = _forbidden_kills(rows) is not None or any(row.is_beyond_doubt for row in rows)
    settled = settled or known  # no more trials are needed to know of a kill, or of a trial that was over
    return ImageJudgement(
        image.name, verdict, status, rows, reasons, soak.trend, soak.verdict, settled,
        exceptions,
        _why(verdict, why),
    )  # fmt: skip


def _unchanged(image: ImageMeasurement, head: SideMeasurement) -> ImageJudgement:
    """Base and head are one image with the same budgets: this pull request has nothing to answer for."""
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
    """It is in the head's budgets file, and nothing was found out about it."""
    status = Status.NOT_MEASURED
    why = (NotThere.HEAD_NOT_MEASURED,)
    open_by = Inconclusive.NOT_MEASURED
    return ImageJudgement(image.name, Verdict.INCONCLUSIVE, status, (), why, inconclusive=open_by)


def _status(image: ImageMeasurement, rows: Sequence[Row], verdict: Verdict, failure: Failure | None) -> Status:
    if _forbidden_kills(rows):
        return Status.OOM_KILLED
    if verdict is Verdict.FAIL:
        return Status.OVER_BUDGET
    if failure is not None:
        return _FAILURE_STATUS.get(failure.stage, Status.NOT_MEASURED)
    unmeasured = [row for row in rows if row.inconclusive is Inconclusive.NOT_MEASURED]
    if not unmeasured:
        over = any(row.verdict is Verdict.WARN and row.trials_over and not row.is_excepted for row in rows)
        return Status.SOMETIMES_OVER if verdict is Verdict.WARN and over else _STATUS[verdict]
    only_base = base_is_broken(image) and all(map(lacks_base, unmeasured))
    return Status.BASE_NOT_MEASURED if only_base else Status.NOT_MEASURED


def _failed_with_allowed_kills(trials: Sequence[Trial], rows: Sequence[Row]) -> Failure | None:
    """OOM kills that the budget allows do not excuse a workload that failed with them."""
    failed = next((trial for trial in trials if not trial.workload_passed), None)
    if failed is None or _forbidden_kills(rows):
        return None
    return Failure(FailureStage.WORKLOAD, failed.reason or failed.outcome, failed.log_tail)


def _forbidden_kills(rows: Sequence[Row]) -> int | None:
    """OOM kills beyond what the budget allows; None when there are none."""
    failing = (row for row in rows if row.metric is Metric.OOM_KILLS and row.verdict is Verdict.FAIL)
    return next((row.head.value for row in failing), None)


_STATUS = {
    Verdict.PASS: Status.WITHIN_BUDGET,
    Verdict.WARN: Status.WARNING,
    Verdict.INCONCLUSIVE: Status.INCONCLUSIVE,
}
_FAILURE_STATUS = {FailureStage.BUILD: Status.BUILD_FAILED, FailureStage.WORKLOAD: Status.WORKLOAD_FAILED}

_SOAK_STATUS = {Verdict.FAIL: Status.LEAKING, Verdict.INCONCLUSIVE: Status.SOAK_TOO_SHORT}


class FailOn(StrEnum):
    """From which verdict on a check fails."""

    FAIL = "fail"
    WARN = "warn"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class ExitPolicy:
    """What verdicts mean for the exit code."""

    fail_on: FailOn = FailOn.FAIL
    allows_inconclusive: bool = False
    """Whether an answer that noise leaves open passes. What was not measured never does."""

    def exit_code(self, judgement: Judgement) -> ExitCode:
        """Of a check that came to `judgement`."""
        if self.fail_on is FailOn.NEVER:
            return ExitCode.WITHIN_BUDGET
        if judgement.verdict is Verdict.INCONCLUSIVE and not self._lets_through(judgement):
            return ExitCode.UNMEASURED
        fails = judgement.verdict is Verdict.FAIL or (self.fail_on is FailOn.WARN and judgement.has_warnings)
        return ExitCode.OVER_BUDGET if fails else ExitCode.WITHIN_BUDGET

    def _lets_through(self, judgement: Judgement) -> bool:
        return self.allows_inconclusive and judgement.inconclusive is Inconclusive.NOISE
