"""Values against budgets: a verdict for each metric, each image, and the whole."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from membudget.analysis.figures import format_value
from membudget.analysis.leak import LeakVerdict, Trend
from membudget.analysis.measurement import Failure, FailureStage, ImageMeasurement, SideMeasurement
from membudget.analysis.phases import phase_values
from membudget.analysis.soak import soak_requests, soak_verdict, soak_words
from membudget.analysis.status import NEXT_STEPS, Status
from membudget.budgets.effective import NO_BUDGET, EffectiveBudget, Tolerance
from membudget.errors import ExitCode
from membudget.metrics import DEFINITIONS, Metric, MetricValue
from membudget.quantities import format_percent, format_size


class Verdict(StrEnum):
    """The answer about a budget. An error is something else: the tool could not measure."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


_SEVERITY = {Verdict.PASS: 0, Verdict.INCONCLUSIVE: 1, Verdict.FAIL: 2}

EXIT_CODES = {
    Verdict.PASS: ExitCode.WITHIN_BUDGET,
    Verdict.FAIL: ExitCode.OVER_BUDGET,
    Verdict.INCONCLUSIVE: ExitCode.UNMEASURED,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of one image."""

    metric: Metric
    base: MetricValue | None
    """None: there is no base to compare with."""
    head: MetricValue
    delta: int | None
    """head - base: positive is worse."""
    budget: EffectiveBudget
    headroom: int | None
    """What is left until the tightest budget breaks; negative when it is broken."""
    verdict: Verdict | None
    """None: nothing to judge by."""
    reason: str | None = None
    is_unclear: bool = False
    """Measured, but only as lower bounds, which leave the answer open."""
    phase: str | None = None
    """None: of the whole trial."""

    @property
    def label(self) -> str:
        """What it is called."""
        label = DEFINITIONS[self.metric].label
        return label if self.phase is None else f"{label} ({self.phase})"


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


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on the whole."""

    verdict: Verdict
    images: tuple[ImageJudgement, ...]


def judge(images: Iterable[ImageMeasurement]) -> Judgement:
    """Judge everything that was measured. One broken budget fails the whole; nothing measured is no pass."""
    judged = tuple(judge_image(image) for image in images)
    return Judgement(worst(image.verdict for image in judged), judged)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The gravest of `verdicts`; inconclusive when there is none."""
    return max(verdicts, key=_SEVERITY.__getitem__, default=Verdict.INCONCLUSIVE)


def judge_image(image: ImageMeasurement) -> ImageJudgement:
    """Judge one image by its budgets."""
    if image.head is None:
        gone = Reason("it is not in the head's budgets file any more")
        return ImageJudgement(image.name, Verdict.PASS, Status.REMOVED, (), (gone,), None)
    base = image.base.metrics if image.base is not None else {}
    needed = _base_is_needed(image)
    rows = tuple(
        judge_metric(metric, base.get(metric), value, image.budgets.get(metric, NO_BUDGET), base_is_needed=needed)
        for metric, value in image.head.metrics.items()
    ) + tuple(_phase_rows(image, image.head, base_is_needed=needed))
    verdicts = [row.verdict for row in rows if row.verdict is not None]
    failure = image.head.failure or _failed_with_allowed_kills(image.head, rows)
    soak = soak_verdict(image)
    of_soak = _SOAK_VERDICTS.get(soak.trend, Verdict.PASS) if soak is not None and image.leak_fails else Verdict.PASS
    without_soak = worst([*verdicts, Verdict.INCONCLUSIVE if failure else Verdict.PASS])
    verdict = worst([without_soak, of_soak])
    status = _status(rows, without_soak, failure)
    if status is Status.WITHIN_BUDGET and of_soak is not Verdict.PASS:
        status = _SOAK_STATUS[of_soak]
    reasons = tuple(_reasons(image, rows, status, failure))
    if soak is not None and of_soak is not Verdict.PASS:
        reasons += (Reason(soak_words(soak, soak_requests(image))),)
    return ImageJudgement(image.name, verdict, status, rows, reasons, NEXT_STEPS[status], soak, of_soak)


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
                row = judge_metric(metric, base, value, budget, base_is_needed=base_is_needed)
                yield replace(row, phase=phase)


def judge_metric(
    metric: Metric,
    base: MetricValue | None,
    head: MetricValue,
    budget: EffectiveBudget,
    *,
    base_is_needed: bool = False,
) -> Row:
    """Judge one metric. Growth is judged only over a base that was measured."""
    before = base.value if base is not None else None
    if head.value is None:
        verdict = Verdict.INCONCLUSIVE if budget.is_set else None
        return Row(metric, base, head, None, budget, None, verdict, head.reason)
    delta = head.value - before if before is not None else None
    ceilings = [budget.max] if budget.max is not None else []
    broken = []
    if budget.max is not None and head.value > budget.max:
        broken.append(f"is {format_value(metric, head.value - budget.max)} over its maximum")
    if budget.tolerance is not None and before is not None:
        ceilings.append(before + _tolerated(before, budget.tolerance))
        if head.value > ceilings[-1] and _differ(base, head):
            beyond = format_value(metric, head.value - ceilings[-1])
            broken.append(f"grew by {_growth(metric, before, head.value)}, {beyond} more than tolerated")
    headroom = min(ceilings) - head.value if ceilings else None
    unclear = _unclear(metric, base, head, budget)
    if unclear is not None:
        return Row(metric, base, head, delta, budget, headroom, Verdict.INCONCLUSIVE, unclear, is_unclear=True)
    if broken:
        return Row(metric, base, head, delta, budget, headroom, Verdict.FAIL, " and ".join(broken))
    if base_is_needed and budget.tolerance is not None and before is None:
        why = base.reason if base is not None else None
        return Row(metric, base, head, None, budget, headroom, Verdict.INCONCLUSIVE, why)
    if not ceilings:
        reason = "growth is not judged: there is no base value" if budget.tolerance is not None else None
        return Row(metric, base, head, delta, budget, None, None, reason)
    return Row(metric, base, head, delta, budget, headroom, Verdict.PASS)


def _unclear(metric: Metric, base: MetricValue | None, head: MetricValue, budget: EffectiveBudget) -> str | None:
    """Why lower bounds do not answer the question; None when they do, or are none.

    A head that may be higher than it was seen must not pass on what was seen; a base that may be higher must not make
    the head fail for its growth.
    """
    if head.value is None:
        return None
    if head.interval is not None and budget.max is not None and head.interval[0] <= budget.max < head.value:
        low, high = (format_value(metric, bound) for bound in head.interval)
        return f"it is {low} to {high}; a longer ramp, more of them, or more trials would tell"
    if budget.max is not None and head.value > budget.max:
        return None
    after = (head.value, head.at_most or head.value)
    answers = {after[0] > budget.max, after[1] > budget.max} if budget.max is not None else {False}
    if budget.tolerance is not None and base is not None and base.value is not None:
        before = (base.value, base.at_most or base.value)
        grown = {value > was + _tolerated(was, budget.tolerance) for value in after for was in before}
        answers = {True} if grown == {True} else answers | grown
    if len(answers) == 1:
        return None
    sides = [f"the head's may be up to {format_value(metric, after[1])}"] if after[1] > after[0] else []
    if base is not None and base.at_most is not None:
        sides.append(f"the base's may be up to {format_value(metric, base.at_most)}")
    return f"{' and '.join(sides)}: {head.precision if head.at_most else base.precision if base else ''}"


def _differ(base: MetricValue | None, head: MetricValue) -> bool:
    """Whether two values differ by more than chance; what is no estimate does."""
    if base is None or base.interval is None or head.interval is None:
        return True
    return head.interval[0] > base.interval[1]


def _tolerated(before: int, tolerance: Tolerance) -> int:
    """The growth at which both parts of the tolerance are used up: the larger one counts."""
    return max(int(before * tolerance.percent / 100), tolerance.floor_bytes)


def _growth(metric: Metric, before: int, after: int) -> str:
    change = format_value(metric, after - before)
    return f"{change} ({format_percent(100 * (after - before) / before, signed=True)})" if before else change


def _status(rows: tuple[Row, ...], verdict: Verdict, failure: Failure | None) -> Status:
    if _forbidden_kills(rows):
        return Status.OOM_KILLED
    if verdict is Verdict.FAIL:
        return Status.OVER_BUDGET
    if failure is not None and failure.stage in _FAILURE_STATUS:
        return _FAILURE_STATUS[failure.stage]
    return Status.INCONCLUSIVE if verdict is Verdict.INCONCLUSIVE else Status.WITHIN_BUDGET


def _reasons(
    image: ImageMeasurement, rows: tuple[Row, ...], status: Status, failure: Failure | None
) -> Iterator[Reason]:
    """Why an image does not pass: first what gives it its status."""
    status_says_it = failure is not None and _FAILURE_STATUS.get(failure.stage) is status
    if failure is not None and status_says_it:
        yield Reason("", failure.reason)
    for row in rows:
        label = row.label
        if row.verdict is Verdict.FAIL and row.metric is Metric.OOM_KILLS:
            kills = f"{row.head.value} process{'es' if row.head.value != 1 else ''}"
            where = (
                "in a sidecar"
                if image.head and image.head.only_sidecars_were_killed
                else f"at the limit of {format_size(image.limit_bytes)}"
            )
            yield Reason(f"the kernel killed {kills} {where}")
        elif row.verdict is Verdict.FAIL:
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


_FAILURE_STATUS = {FailureStage.BUILD: Status.BUILD_FAILED, FailureStage.WORKLOAD: Status.WORKLOAD_FAILED}

_SOAK_VERDICTS = {Trend.GROWTH: Verdict.FAIL, Trend.UNDECIDED: Verdict.INCONCLUSIVE}
_SOAK_STATUS = {Verdict.FAIL: Status.LEAKING, Verdict.INCONCLUSIVE: Status.SOAK_TOO_SHORT}
