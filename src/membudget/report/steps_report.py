"""The model of the report of `history steps`: which suspected steps were measured again, and what came of it.

It passes from measuring to telling, which has a token. A stranger may have written the file, so telling judges the
figures again.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal

from pydantic import Field

from membudget.budgets.fields import ImageName
from membudget.budgets.rules import EffectiveBudget, Tolerance
from membudget.core.definition import Aggregation
from membudget.core.intervals import Interval, shift_interval
from membudget.core.metrics import IMAGE_METRICS, Metric
from membudget.history.step_line import MOST_SKIPPED, StepOutcome
from membudget.judge.evidence import CONFIDENCE_OF_A_FAILURE, Samples
from membudget.judge.image import ImageJudgement
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.metric import Row, Verdict
from membudget.judge.then import Sha
from membudget.judge.values import trial_samples
from membudget.report.report import JudgedReport, Report, ReportModel

STEPS_VERSION: Final = 1
"""The version of the model. No other report has the key `steps_version`."""
MOST_STEPS = 20
"""The most steps that one run measures. The next run continues."""
_LARGEST = 2**62


class SkippedRevision(ReportModel):
    """A commit that could not be measured."""

    sha: Sha
    reason: Annotated[str, Field(max_length=500)]
    """Empty if an earlier run could not measure it."""


class StepReport(ReportModel):
    """What came of one suspected step."""

    image: ImageName
    metric: Metric
    growth: Annotated[int, Field(gt=0, le=_LARGEST)]
    """The suspected growth, or the drop if more is better, in the metric's unit."""
    outcome: StepOutcome
    since: Sha
    """The last commit before the step."""
    until: Sha
    """The first commit with it."""
    skipped: Annotated[tuple[SkippedRevision, ...], Field(max_length=MOST_SKIPPED)] = ()
    """The commits between the two that could not be measured."""
    reason: Annotated[str, Field(max_length=500)] = ""
    """Why nothing could be compared."""
    whole: tuple[Sha, Sha] | None = None
    """The commits with which the search began, the earlier one first."""
    is_spread: bool = False
    """Whether no single commit did it, so that only the two of `whole` were left to compare."""
    report: Report | None = None
    """The comparison of the two commits. None if the step is not confirmed."""


class StepsReport(ReportModel):
    """What `membudget history steps --confirm --output` writes."""

    steps_version: Literal[1]
    membudget_version: Annotated[str, Field(max_length=100)]
    machine: Annotated[str, Field(max_length=100, pattern=r"^[\w ./-]+$")]
    """The class of the machine that measured."""
    steps: Annotated[tuple[StepReport, ...], Field(max_length=MOST_STEPS)]
    left: Annotated[int, Field(ge=0, le=_LARGEST)] = 0
    """How many suspected steps were not measured again, because the time was up."""


@dataclass(frozen=True, slots=True)
class ProvenStep:
    """A step that the trials of its report prove."""

    row: Row
    image: ImageMeasurement
    judged: ImageJudgement
    result: JudgedReport
    interval: Interval | None
    """The interval of the growth, or of the drop if more is better. None if the value has no noise."""


def proven(step: StepReport) -> ProvenStep | None:
    """Judge the figures of a step again. None if they do not prove that the metric certainly grew."""
    report = step.report
    if report is None or step.outcome is not StepOutcome.CONFIRMED or not _is_about(report, step):
        return None
    image = report.images[0]
    known = image.budgets.get(step.metric, EffectiveBudget()).tolerance
    budget = EffectiveBudget(tolerance=Tolerance(0.0, known.floor if known is not None else 0))
    judged_by = replace(image, budgets={step.metric: budget}, phase_budgets={}, exceptions={}, own=None)
    result = report.model_copy(update={"images": (judged_by,), "groups": ()}).judged()
    judged = result.judgement.images[0]
    row = next((row for row in judged.rows if row.metric is step.metric and row.phase is None), None)
    if row is None or image.head is None or row.verdict is not Verdict.FAIL or row.delta is None:
        return None
    interval = growth_interval(image, step.metric)
    return ProvenStep(row, judged_by, judged, result, interval) if is_certain(row, interval) else None


def is_certain(row: Row, interval: Interval | None) -> bool:
    """Return whether there are enough trials for certain growth. Five on each side are the fewest.

    Without the `interval` of a growth, only sizes of images are certain, and estimates that have intervals.
    """
    if interval is not None:
        return interval.confidence >= CONFIDENCE_OF_A_FAILURE and interval.low > 0
    if row.metric.definition.aggregation is Aggregation.ESTIMATE:
        return row.base is not None and row.base.interval is not None and row.head.interval is not None
    return row.metric in IMAGE_METRICS


def _is_about(report: Report, step: StepReport) -> bool:
    """Return whether a report compares the two commits of a step, by its image alone."""
    base, head = report.comparison.base, report.comparison.head
    commits = (base.sha if base is not None else None, head.sha)
    return commits == (step.since, step.until) and [image.name for image in report.images] == [step.image]


def growth_interval(image: ImageMeasurement, metric: Metric) -> Interval | None:
    """Return the interval of the growth of a metric, or of the drop if more is better. None if it has no noise."""
    samples = trial_samples(metric, image.base, image.head) if image.head is not None else Samples()
    if not (samples.base and samples.head):
        return None
    sign = metric.definition.better.sign
    before, after = ([sign * value for value in values] for values in (samples.base, samples.head))
    return shift_interval(before, after, CONFIDENCE_OF_A_FAILURE)
