"""Values against budgets: a verdict for each metric, each image, and the whole."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from membudget.analysis.groups import GroupMeasurement, judge_group
from membudget.analysis.leak import LeakVerdict, Trend
from membudget.analysis.measurement import Failure, FailureStage, ImageMeasurement, SideMeasurement
from membudget.analysis.metric_verdict import Row, Verdict, judge_metric
from membudget.analysis.phases import phase_values
from membudget.analysis.samples import phase_samples, trial_samples
from membudget.analysis.soak import soak_requests, soak_verdict, soak_words
from membudget.analysis.status import NEXT_STEPS, Status
from membudget.budgets.effective import NO_BUDGET
from membudget.errors import ExitCode
from membudget.figures import format_value
from membudget.metrics import Metric, MetricValue
from membudget.quantities import format_size

_SEVERITY = {Verdict.PASS: 0, Verdict.WARN: 1, Verdict.INCONCLUSIVE: 2, Verdict.FAIL: 3}


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
    """Whether an answer that is open passes."""

    def exit_code(self, verdict: Verdict) -> ExitCode:
        """Of a check that came to `verdict`."""
        if verdict is Verdict.INCONCLUSIVE and not self.allows_inconclusive and self.fail_on is not FailOn.NEVER:
            return ExitCode.UNMEASURED
        failing = {FailOn.FAIL: (Verdict.FAIL,), FailOn.WARN: (Verdict.FAIL, Verdict.WARN), FailOn.NEVER: ()}
        return ExitCode.OVER_BUDGET if verdict in failing[self.fail_on] else ExitCode.WITHIN_BUDGET


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason for a verdict."""

    ours: str
    """Words of ours, with figures at the most. Empty where the status says it all."""
    quoted: str | None = None
    """What an engine, a build or a workload said: text from outside."""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.ours, self.quoted) if part)


@dataclass(frozen=True, slots=True)
class ImageJudgement:
    """The verdict on one image, and why."""

    name: str
    verdict: Verdict
    status: Status
    rows: tuple[Row, ...]
    reasons: tuple[Reason, ...]
    next_step: str | None
    soak: LeakVerdict | None = None
    """None: it was not soaked."""
    soak_verdict: Verdict = Verdict.PASS
    """What the soak alone comes to: always pass where it is advice."""
    is_settled: bool = True
    """Whether more trials would not change the answer."""
    exceptions: tuple[Reason, ...] = ()
    """What of it is allowed for a while."""


@dataclass(frozen=True, slots=True)
class GroupJudgement:
    """The verdict on the sums of one group of images."""

    name: str
    verdict: Verdict | None
    """None: nothing to judge by, or not all of its images were checked here."""
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on the whole."""

    verdict: Verdict
    images: tuple[ImageJudgement, ...]
    groups: tuple[GroupJudgement, ...] = ()


def judge(images: Sequence[ImageMeasurement], groups: Iterable[GroupMeasurement] = ()) -> Judgement:
    """Judge everything that was measured. One broken budget fails the whole; nothing measured is no pass."""
    judged = tuple(judge_image(image) for image in images)
    by_name = {image.name: image for image in images}
    sums = tuple(_judge_group(group, by_name) for group in groups)
    verdicts = [image.verdict for image in judged] + [group.verdict for group in sums if group.verdict is not None]
    return Judgement(worst(verdicts), judged, sums)


def _judge_group(group: GroupMeasurement, images: Mapping[str, ImageMeasurement]) -> GroupJudgement:
    rows = tuple(judge_group(group, images))
    verdicts = [row.verdict for row in rows if row.verdict is not None]
    return GroupJudgement(group.name, worst(verdicts) if verdicts else None, rows)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The gravest of `verdicts`; inconclusive when there is none."""
    return max(verdicts, key=_SEVERITY.__getitem__, default=Verdict.INCONCLUSIVE)


def judge_image(image: ImageMeasurement) -> ImageJudgement:
    """Judge one image by its budgets."""
    if image.head is None:
        gone = Reason("it is not in the head's budgets file any more")
        return ImageJudgement(image.name, Verdict.PASS, Status.REMOVED, (), (gone,), None)
    if image.is_unchanged:
        return _unchanged(image, image.head)
    base = image.base.metrics if image.base is not None else {}
    needed = _base_is_needed(image)
    rows = tuple(
        judge_metric(
            metric,
            base.get(metric),
            value,
            image.budgets.get(metric, NO_BUDGET),
            trial_samples(metric, image.base, image.head),
            base_is_needed=needed,
        )
        for metric, value in image.head.metrics.items()
    ) + tuple(_phase_rows(image, image.head, base_is_needed=needed))
    rows, exceptions = _with_exceptions(image, rows)
    verdicts = [row.verdict for row in rows if row.verdict is not None]
    failure = image.head.failure or _failed_with_allowed_kills(image.head, rows)
    soak = soak_verdict(image)
    of_soak = _SOAK_VERDICTS.get(soak.trend, Verdict.PASS) if soak is not None and image.leak_fails else Verdict.PASS
    without_soak = worst([*verdicts, Verdict.INCONCLUSIVE if failure else Verdict.PASS])
    verdict = worst([without_soak, of_soak])
    status = _status(rows, without_soak, failure)
    if without_soak.passes and of_soak is not Verdict.PASS:
        status = _SOAK_STATUS[of_soak]
    reasons = tuple(_reasons(image, rows, status, failure))
    if soak is not None and of_soak is not Verdict.PASS:
        reasons += (Reason(soak_words(soak, soak_requests(image))),)
    settled = of_soak is not Verdict.INCONCLUSIVE and all(row.is_settled for row in rows)
    settled = settled or _forbidden_kills(rows) is not None  # no more trials are needed to know of a kill
    return ImageJudgement(
        image.name, verdict, status, rows, reasons, NEXT_STEPS[status], soak, of_soak, settled, exceptions
    )


def _with_exceptions(image: ImageMeasurement, rows: tuple[Row, ...]) -> tuple[tuple[Row, ...], tuple[Reason, ...]]:
    """The rows as exceptions let them be, and what there is to say of those."""
    said = []
    judged = []
    for row in rows:
        exception = image.exceptions.get(row.metric)
        most = row.head.at_most or row.head.value
        if exception is None or row.phase is not None or most is None:
            judged.append(row)
            continue
        needed = row.verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE) and most <= exception.allow
        verdict = (Verdict.WARN if exception.ends_soon else Verdict.PASS) if needed else row.verdict
        allowed = f"{row.label} may be up to {format_value(row.metric, exception.allow)}"
        use = "" if needed else " (not needed now)" if row.verdict is Verdict.PASS else " (and is more)"
        soon = ", which is soon" if exception.ends_soon else ""
        ours = f"{allowed} until {exception.until.isoformat()}{soon}{use}"
        quoted = f"{exception.reason} ({exception.issue})" if exception.issue else exception.reason
        said.append(Reason(ours, quoted))
        reason = f"is excepted until {exception.until.isoformat()}" if needed else row.reason
        judged.append(
            replace(row, verdict=verdict, reason=reason, is_excepted=needed, is_unclear=False) if needed else row
        )
    return tuple(judged), tuple(said)


def _unchanged(image: ImageMeasurement, head: SideMeasurement) -> ImageJudgement:
    """Base and head are one image with the same budgets: this pull request has nothing to answer for."""
    rows = tuple(
        replace(judge_metric(metric, value, value, image.budgets.get(metric, NO_BUDGET)), verdict=None, reason=None)
        for metric, value in head.metrics.items()
    )
    return ImageJudgement(image.name, Verdict.PASS, Status.UNCHANGED, rows, (), None)


def _base_is_needed(image: ImageMeasurement) -> bool:
    """Whether a figure that the base lacks leaves the answer open.

    A base that does not build or work has no figures, and must not block the pull request that repairs it. One that
    should have them, and of which only we could get none, is no reason to let growth pass.
    """
    failure = image.base.failure if image.base is not None else None
    return image.base is not None and (failure is None or failure.stage is FailureStage.ENVIRONMENT)


def _phase_rows(image: ImageMeasurement, head: SideMeasurement, *, base_is_needed: bool) -> Iterator[Row]:
    """A row for each metric of a phase that has a budget."""
    heads, bases = phase_values(head), phase_values(image.base)
    for phase, budgets in image.phase_budgets.items():
        for metric, budget in budgets.items():
            if budget.is_set:
                missing = MetricValue.absent(metric, str(head.failure or f"no trial reached the phase {phase}"))
                value = heads.get((phase, metric), missing)
                base = bases.get((phase, metric))
                samples = phase_samples(phase, metric, image.base, head)
                row = judge_metric(metric, base, value, budget, samples, base_is_needed=base_is_needed)
                yield replace(row, phase=phase)


def _status(rows: tuple[Row, ...], verdict: Verdict, failure: Failure | None) -> Status:
    if _forbidden_kills(rows):
        return Status.OOM_KILLED
    if verdict is Verdict.FAIL:
        return Status.OVER_BUDGET
    if failure is not None and failure.stage in _FAILURE_STATUS:
        return _FAILURE_STATUS[failure.stage]
    return _STATUS[verdict]


def _reasons(
    image: ImageMeasurement, rows: tuple[Row, ...], status: Status, failure: Failure | None
) -> Iterator[Reason]:
    """Why an image does not pass: first what gives it its status."""
    status_says_it = failure is not None and _FAILURE_STATUS.get(failure.stage) is status
    if failure is not None and status_says_it:
        yield Reason("", failure.reason)
    for row in sorted(rows, key=lambda row: row.metric is not Metric.OOM_KILLS):
        label = row.label
        if row.verdict is Verdict.FAIL and row.metric is Metric.OOM_KILLS:
            kills = f"{row.head.value} process{'es' if row.head.value != 1 else ''}"
            where = (
                "in a sidecar"
                if image.head and image.head.only_sidecars_were_killed
                else f"at the limit of {format_size(image.limit_bytes)}"
            )
            yield Reason(f"the kernel killed {kills} {where}")
        elif row.verdict in (Verdict.FAIL, Verdict.WARN):
            yield Reason(f"{label} {row.reason}")
        elif row.verdict is Verdict.INCONCLUSIVE and row.is_unclear:
            yield Reason(f"{label} is not known well enough", row.reason)
        elif row.verdict is Verdict.INCONCLUSIVE and (failure is None or row.reason != str(failure)):
            side = "" if row.head.value is None else " of the base"
            yield Reason(f"{label}{side} was not measured", row.reason)
    if failure is not None and not status_says_it:
        yield Reason(f"the {failure.stage} failed", failure.reason)


def _failed_with_allowed_kills(head: SideMeasurement, rows: tuple[Row, ...]) -> Failure | None:
    """OOM kills that the budget allows do not excuse a workload that failed with them."""
    failed = next((trial for trial in head.trials if not trial.workload_passed), None)
    if failed is None or _forbidden_kills(rows):
        return None
    return Failure(FailureStage.WORKLOAD, failed.reason or failed.outcome, failed.log_tail)


def _forbidden_kills(rows: tuple[Row, ...]) -> int | None:
    """OOM kills beyond what the budget allows; None when there are none."""
    failing = (row for row in rows if row.metric is Metric.OOM_KILLS and row.verdict is Verdict.FAIL)
    return next((row.head.value for row in failing), None)


_STATUS = {
    Verdict.PASS: Status.WITHIN_BUDGET,
    Verdict.WARN: Status.WARNING,
    Verdict.INCONCLUSIVE: Status.INCONCLUSIVE,
}
_FAILURE_STATUS = {FailureStage.BUILD: Status.BUILD_FAILED, FailureStage.WORKLOAD: Status.WORKLOAD_FAILED}

_SOAK_VERDICTS = {Trend.GROWTH: Verdict.FAIL, Trend.UNDECIDED: Verdict.INCONCLUSIVE}
_SOAK_STATUS = {Verdict.FAIL: Status.LEAKING, Verdict.INCONCLUSIVE: Status.SOAK_TOO_SHORT}
