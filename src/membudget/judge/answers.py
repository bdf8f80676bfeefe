"""What the trials prove about each bound of a metric, and the reason to tell."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from membudget.budgets.rules import EffectiveBudget
from membudget.core.metrics import Metric, MetricValue
from membudget.judge.bounds import Bound, Exceeded, bounds, warning_bounds
from membudget.judge.evidence import (
    Evidence,
    Proof,
    Samples,
    against_bound,
    against_change,
    is_hidden_by_limit,
    trials_over,
)
from membudget.judge.reasons import GrowthCutOff, RowReason, TrialsWereOver, Worsened, of_change, of_fixed


@dataclass(frozen=True, slots=True)
class BudgetAnswer:
    """The proof about one of a metric's budgets, and its reason."""

    evidence: Evidence
    reason: RowReason
    exceeded: Exceeded
    """The bound, with the value that is compared with it. It counts only if the evidence says that it is broken."""


def answers(  # noqa: PLR0913 - what an answer rests on
    metric: Metric,
    base: MetricValue | None,
    head: MetricValue,
    budget: EffectiveBudget,
    samples: Samples,
    *,
    is_warning: bool = False,
) -> Iterator[BudgetAnswer]:
    """Yield the proof about each bound. `is_warning` takes the levels that warn."""
    value = head.value or 0
    before = base.value if base is not None else None
    for bound in (warning_bounds if is_warning else bounds)(metric, budget, before):
        if bound.kind.is_growth and base is not None and before is not None:
            yield _of_change(bound, base, head, samples)
            continue
        is_each = budget.every and not is_warning
        evidence = _exact_or_not(against_bound(samples.head or (value,), bound, every=is_each), samples)
        over = trials_over(samples, bound) if is_each else None
        if over is None:
            yield BudgetAnswer(evidence, of_fixed(bound, value, evidence), Exceeded(bound, value))
        else:
            yield BudgetAnswer(evidence, TrialsWereOver(bound, over), Exceeded(bound, over.worst))


def _of_change(bound: Bound, base: MetricValue, head: MetricValue, samples: Samples) -> BudgetAnswer:
    before, value = base.value or 0, head.value or 0
    tolerated, better = abs(bound.level - before), bound.kind.better
    exceeded = Exceeded(bound, value)
    evidence = against_change(samples.base or (before,), samples.head or (value,), tolerated, better)
    evidence = _exact_or_not(evidence, samples)
    if evidence.proof is Proof.BROKEN and not _differ(base, head):
        evidence = replace(evidence, proof=Proof.WITHIN_NOISE)
    if evidence.proof is not Proof.BROKEN and is_hidden_by_limit(before, samples, tolerated):
        evidence = replace(evidence, proof=Proof.CUT_OFF, is_settled=evidence.is_settled or all(samples.cut_off))
        return BudgetAnswer(evidence, GrowthCutOff(sum(samples.cut_off), len(samples.cut_off)), exceeded)
    return BudgetAnswer(evidence, of_change(Worsened(before, value, bound, tolerated), evidence), exceeded)


def _exact_or_not(evidence: Evidence, samples: Samples) -> Evidence:
    """Return evidence that further trials cannot change if the metric has no samples."""
    return evidence if samples.head else replace(evidence, is_settled=True)


def _differ(base: MetricValue | None, head: MetricValue) -> bool:
    """Return whether two values differ by more than chance. Values that are not estimates always do."""
    if base is None or base.interval is None or head.interval is None:
        return True
    return head.interval[0] > base.interval[1]
