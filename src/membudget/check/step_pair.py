"""Compares one image of two commits of the main branch, as a check compares base and head, by one metric alone."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from membudget.budgets.guard import Rules
from membudget.budgets.memory_rules import MemoryRule, MemoryRules
from membudget.budgets.rules import NO_BUDGET, EffectiveBudget, ImageRules, Tolerance
from membudget.budgets.runtimes import RuntimeRule, RuntimeRules
from membudget.budgets.trial_count import TrialCount
from membudget.build.revision import Commit, MainCommit
from membudget.check.check import CheckRequest
from membudget.core.errors import EngineLost, EnvironmentFault
from membudget.core.metrics import IMAGE_METRICS, Metric
from membudget.judge.measurement import Failure, FailureStage, ImageMeasurement
from membudget.judge.metric import Inconclusive, Row, Verdict
from membudget.report.report import JudgedReport, Report
from membudget.report.steps_report import growth_interval, is_certain

MOST_TRIALS = 20
"""Five trials on each side are the fewest that can prove growth. Up to 20 are taken while the answer is open: with 10,
`make bench-steps` misses a quarter of the steps that are twice the spread of a noisy workload.
"""


class MetricGrowth(StrEnum):
    """What a comparison says about the growth of a metric."""

    GREW = "grew"
    """It certainly grew by more than was tolerated, as in a pull request that fails."""
    STEADY = "steady"
    UNCLEAR = "unclear"
    NOT_MEASURED = "not-measured"
    """A side does not build or does not run."""


@dataclass(frozen=True, slots=True)
class ComparedCommits:
    """A comparison of two commits."""

    answer: MetricGrowth
    report: JudgedReport | None = None
    """None if nothing could be compared."""
    reason: str = ""
    """Why nothing could be compared: text from outside."""
    seems_grown: bool = False
    """Whether the medians differ by more than was tolerated."""


def of_image(request: CheckRequest, image: str, metric: Metric, tolerated: int, *, profiles: bool) -> CheckRequest:
    """Return the request to judge nothing but the growth of a metric. Both sides run as today's budgets file says.

    `profiles`: whether both sides are profiled if the metric grew, so that the report can say what grew.
    """
    one = request.rules.images[image]
    rules = Rules(
        images={image: _rules(one, metric, tolerated, profiles=profiles)},
        runtime_rules=RuntimeRules.model_validate(dict.fromkeys(RuntimeRule, "off")),
        memory_rules=MemoryRules.model_validate(dict.fromkeys(MemoryRule, "off")),
    )
    return replace(
        request,
        rules=rules,
        notes=(),
        untouched=frozenset(),
        known=None,
        budgets_text=None,
        profiles=False,
        needs_both=True,
    )


def _rules(rules: ImageRules, metric: Metric, tolerated: int, *, profiles: bool) -> ImageRules:
    trials = rules.spec.trials
    most = max(trials.max, MOST_TRIALS)
    count = TrialCount(min=1, max=1) if metric in IMAGE_METRICS else TrialCount(min=min(trials.min, most), max=most)
    update = {"profile": rules.spec.profile and profiles, "trials": count}
    budget = EffectiveBudget(tolerance=Tolerance(0.0, tolerated))
    budgets = {**dict.fromkeys(Metric, NO_BUDGET), metric: budget}
    return ImageRules(rules.spec.model_copy(update=update), budgets, {})


def of_commits(request: CheckRequest, base: MainCommit, head: MainCommit) -> CheckRequest:
    """Return the request for two commits."""
    specs = {name: rules.spec for name, rules in request.rules.images.items()}
    return replace(request, base=Commit(base.sha, base.subject), head=Commit(head.sha, head.subject), base_images=specs)


def compared(result: JudgedReport, metric: Metric, tolerated: int) -> ComparedCommits:
    """Return what a check of one image says about a metric.

    Raises EnvironmentFault if the machine failed, such as the pull of a service's image, and EngineLost if the engine
    did: then nothing is known about the commits.
    """
    image = result.report.images[0]
    if image.is_unchanged:
        return ComparedCommits(MetricGrowth.STEADY, result)
    failure = _failure(image)
    if failure is not None and failure.stage is FailureStage.ENVIRONMENT:
        fault = EngineLost if failure.engine_lost else EnvironmentFault
        raise fault(failure.reason, where=f"images.{image.name}")
    row = _row(result.judgement.images[0].rows, metric)
    if failure is not None or row is None or row.delta is None:
        reason = str(failure) if failure is not None else (row.head.reason if row is not None else None)
        return ComparedCommits(MetricGrowth.NOT_MEASURED, reason=reason or f"{metric} was not measured")
    if row.verdict is Verdict.INCONCLUSIVE and row.inconclusive is Inconclusive.NOT_MEASURED:
        return ComparedCommits(MetricGrowth.NOT_MEASURED, reason=row.head.reason or "the limit cut off the value")
    seems_grown = row.delta * metric.definition.better.sign > tolerated
    answers = {Verdict.FAIL: MetricGrowth.GREW, Verdict.INCONCLUSIVE: MetricGrowth.UNCLEAR}
    answer = answers.get(row.verdict, MetricGrowth.STEADY) if row.verdict is not None else MetricGrowth.STEADY
    if answer is MetricGrowth.GREW and not is_certain(row, growth_interval(image, metric)):
        answer = MetricGrowth.UNCLEAR
    return ComparedCommits(answer, result, seems_grown=seems_grown)


def compared_before(report: Report, metric: Metric, tolerated: int) -> ComparedCommits:
    """Return what an earlier comparison of two commits, made for another metric, says about this one."""
    budget = EffectiveBudget(tolerance=Tolerance(0.0, tolerated))
    images = tuple(replace(image, budgets={metric: budget}) for image in report.images)
    return compared(report.model_copy(update={"images": images}).judged(), metric, tolerated)


def _failure(image: ImageMeasurement) -> Failure | None:
    sides = [side for side in (image.base, image.head) if side is not None]
    return next((side.failure for side in sides if side.failure is not None), None)


def _row(rows: Iterable[Row], metric: Metric) -> Row | None:
    return next((row for row in rows if row.metric is metric and row.phase is None and not row.is_own), None)
