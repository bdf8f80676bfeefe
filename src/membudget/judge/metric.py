"""Judges one metric by its budget: a verdict with its reasons."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from membudget.budgets.rules import EffectiveBudget
from membudget.core.intervals import shift_interval
from membudget.core.metrics import Metric, MetricValue
from membudget.judge.answers import BudgetAnswer, answers
from membudget.judge.bounds import (
    Bound,
    Exceeded,
    bounds,
    fixed_bounds,
    tightest,
    tolerated_growth,
    warning_bounds,
)
from membudget.judge.evidence import (
    NO_SAMPLES,
    Proof,
    Samples,
    TrialsAtLimit,
    TrialsOver,
    trials_at_limit,
    trials_over,
)
from membudget.judge.reasons import (
    Excuse,
    GrowthNotJudged,
    LowerBound,
    NotMeasured,
    RowReason,
    SpikeMissed,
    TrialsMayBeOver,
    TrialsReachedLimit,
    TrialsUnread,
    TrialsWereOver,
    WideEstimate,
)
from membudget.judge.then import Then


class Verdict(StrEnum):
    """The answer about a budget. It is not an error, which means that membudget could not measure."""

    PASS = "pass"  # noqa: S105 - no password
    WARN = "warn"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"

    @property
    def passes(self) -> bool:
        """Whether the check may pass. A warning passes."""
        return self in (Verdict.PASS, Verdict.WARN)


class Inconclusive(StrEnum):
    """Why an answer is inconclusive."""

    NOISE = "noise"
    """There are figures, but their bounds lie on both sides of the budget."""
    NOT_MEASURED = "not-measured"
    """A figure is missing, so the answer is unknown. It never counts as a pass."""


class Trouble(StrEnum):
    """What makes the answer about one metric inconclusive."""

    UNCLEAR = "unclear"
    """There are figures, but they are not good enough."""
    NOT_MEASURED = "not-measured"
    BASE_NOT_MEASURED = "base-not-measured"


@dataclass(frozen=True, slots=True)
class Row:
    """The judgement of one metric of one image."""

    metric: Metric
    base: MetricValue | None
    """None if there is no base to compare with."""
    head: MetricValue
    delta: int | None
    """The head's value minus the base's. Positive is worse, or negative if more is better."""
    budget: EffectiveBudget
    headroom: int | None
    """How much is left until `nearest` breaks. Negative if it is broken."""
    verdict: Verdict | None
    """None if there is nothing to judge by."""
    reasons: tuple[RowReason, ...] = ()
    inconclusive: Inconclusive | None = None
    """Why the verdict is inconclusive. None for other verdicts."""
    phase: str | None = None
    """None for a metric of the whole trial."""
    margin: int | None = None
    """How far the delta may be off, with 99 % confidence or as much as so few trials allow."""
    is_within_noise: bool = False
    """Whether the row passes only because nothing proves that a budget is broken."""
    is_settled: bool = True
    """Whether further trials could not change the answer."""
    is_excepted: bool = False
    """Whether the budget is broken, but an exception allows that for a limited time."""
    trials_over: TrialsOver | None = None
    """The trials over the maximum, or under the minimum, for any median."""
    trials_at_limit: TrialsAtLimit | None = None
    """The trials that reached the limit, if that affects the metric."""
    needs_base: bool = False
    """Whether the verdict is inconclusive because the base has no value."""
    is_own: bool = False
    """Whether the row is about the additional run of the head with its own settings."""
    nearest: Bound | None = None
    """The bound that the headroom refers to: the first one of `exceeded`, or the tightest. None if there is none."""
    exceeded: tuple[Exceeded, ...] = ()
    """The bounds that are certainly exceeded, also if an exception allows that."""
    since: str | None = None
    """For growth over many commits: where it starts, as in the budgets file. `base` is then the value of that time."""
    then: Then | None = None
    """What the history has of that time. None if it was not read, and for growth over the base."""

    @property
    def bounds(self) -> tuple[Bound, ...]:
        """The bounds that can fail the row."""
        return bounds(self.metric, self.budget, self.base.value if self.base is not None else None)

    @property
    def trouble(self) -> Trouble | None:
        """What makes the answer inconclusive. None if it is not."""
        if self.inconclusive is None:
            return None
        if self.inconclusive is Inconclusive.NOISE or self.head.is_lower_bound:
            return Trouble.UNCLEAR
        return Trouble.BASE_NOT_MEASURED if self.needs_base else Trouble.NOT_MEASURED

    @property
    def is_beyond_doubt(self) -> bool:
        """Whether the row fails for certain, because a trial broke a bound that every trial must keep."""
        return self.verdict is Verdict.FAIL and self.budget.every and self.trials_over is not None


def judge_metric(  # noqa: PLR0913 - what a verdict rests on
    metric: Metric,
    base: MetricValue | None,
    head: MetricValue,
    budget: EffectiveBudget,
    samples: Samples = NO_SAMPLES,
    *,
    excuse: Excuse | GrowthNotJudged | None = Excuse.NO_BASE_VALUE,
) -> Row:
    """Judge one metric. Growth is judged only if the base was measured.

    `excuse` says why growth need not be judged if the base has no value. If it is None, the row is then inconclusive.
    """
    before = base.value if base is not None else None
    if head.value is None:
        absent = (NotMeasured(head.reason),)
        row = Row(metric, base, head, None, budget, None, None, absent)
        return _not_measured(row, absent) if budget.is_set else row
    nearest = tightest(bounds(metric, budget, before))
    row = Row(
        metric, base, head,
        delta=head.value - before if before is not None else None,
        budget=budget,
        headroom=-nearest.worse_by(head.value) if nearest is not None else None,
        nearest=nearest,
        verdict=Verdict.PASS,
        margin=_margin(base, head, samples),
        trials_over=trials_over(samples, tightest(fixed_bounds(budget))),
        trials_at_limit=trials_at_limit(samples),
    )  # fmt: skip
    proofs = list(answers(metric, base, head, budget, samples))
    doubt = None if budget.every and row.trials_over else _unclear(metric, base, head, budget)
    broken = [answer for answer in proofs if answer.evidence.proof is Proof.BROKEN] if doubt is None else []
    missing = _missing(row, samples)
    needs_base = not missing and excuse is None and budget.tolerance is not None and row.delta is None
    if needs_base:
        missing = (NotMeasured(base.reason if base is not None else None, is_base=True),)
    missing = missing or _said(proofs, Proof.CUT_OFF)
    unclear = (doubt,) if doubt is not None else _said(proofs, Proof.OPEN) or _doubt(row, samples)
    all_settled = all(answer.evidence.is_settled for answer in proofs)
    row = replace(row, is_settled=all_settled if doubt is None else head.interval is None)  # a spike stays missed
    if broken:
        return _broken(row, broken)
    if missing:  # graver than noise
        return replace(_not_measured(row, missing), needs_base=needs_base)
    if unclear:
        return replace(row, verdict=Verdict.INCONCLUSIVE, reasons=unclear, inconclusive=Inconclusive.NOISE)
    return _kept(row, proofs, samples, excuse)


def _missing(row: Row, samples: Samples) -> tuple[RowReason, ...]:
    """Return which figures of the head are missing, so that the answer is unknown. Empty if none are."""
    has_fixed = bool(fixed_bounds(row.budget))
    if row.head.is_lower_bound and has_fixed:
        return (LowerBound(row.head),)
    if row.budget.every and has_fixed and samples.head_unread:
        return (TrialsUnread(samples.head_unread, samples.head_unread + len(samples.head)),)
    return ()


def _doubt(row: Row, samples: Samples) -> tuple[RowReason, ...]:
    """Return the trials that may have broken a bound that every trial must keep, because a spike was missed."""
    bound = tightest(fixed_bounds(row.budget)) if row.budget.every else None
    if bound is None:
        return ()
    over = [worst for worst in samples.head_worst if bound.worse_by(worst) > 0]
    return (TrialsMayBeOver(len(over), len(samples.head), max(over, key=bound.worse_by)),) if over else ()


def _broken(row: Row, broken: Sequence[BudgetAnswer]) -> Row:
    """Return the row of a metric that breaks a budget. Its headroom is about the first one that is broken."""
    exceeded = tuple(answer.exceeded for answer in broken)
    return replace(
        row,
        verdict=Verdict.FAIL,
        reasons=tuple(answer.reason for answer in broken),
        headroom=-exceeded[0].excess,
        nearest=exceeded[0].bound,
        exceeded=exceeded,
    )


def _not_measured(row: Row, reasons: tuple[RowReason, ...]) -> Row:
    return replace(row, verdict=Verdict.INCONCLUSIVE, reasons=reasons, inconclusive=Inconclusive.NOT_MEASURED)


def _said(proofs: Sequence[BudgetAnswer], wanted: Proof) -> tuple[RowReason, ...]:
    return tuple(answer.reason for answer in proofs if answer.evidence.proof is wanted)


def _kept(row: Row, proofs: Sequence[BudgetAnswer], samples: Samples, excuse: Excuse | GrowthNotJudged | None) -> Row:
    """Return the row of a metric whose budgets are not broken: with warnings, within noise, or without a verdict."""
    budget = row.budget
    warnings = tuple(_warnings(row, samples))
    if warnings:
        return replace(row, verdict=Verdict.WARN, reasons=warnings)
    judges_growth = budget.tolerance is not None or budget.warn.tolerance is not None
    before = row.base.value if row.base is not None else None
    if not proofs and not warning_bounds(row.metric, budget, before):
        excused = GrowthNotJudged(excuse) if isinstance(excuse, Excuse) else excuse
        return replace(row, verdict=None, reasons=(excused,) if judges_growth and excused is not None else ())
    noise = _said(proofs, Proof.WITHIN_NOISE)
    return replace(row, reasons=noise, is_within_noise=bool(noise))


def _warnings(row: Row, samples: Samples) -> Iterator[RowReason]:
    """Yield the reasons for a warning. None if only noise gives a reason."""
    bound = tightest(fixed_bounds(row.budget))
    if row.trials_over is not None and bound is not None:
        yield TrialsWereOver(bound, row.trials_over)
    if row.trials_at_limit is not None and row.budget.is_set:
        yield TrialsReachedLimit(row.trials_at_limit)
    yield from _said(list(answers(row.metric, row.base, row.head, row.budget, samples, is_warning=True)), Proof.BROKEN)


def _unclear(metric: Metric, base: MetricValue | None, head: MetricValue, budget: EffectiveBudget) -> RowReason | None:
    """Return why values that may be worse leave the answer open. None if they do not, or if none may be.

    If the head's value may be worse than measured, the head must not pass by the measured value. If the base's may be,
    the head must not fail for its growth.
    """
    fixed, sign = tightest(fixed_bounds(budget)), metric.definition.sign
    if head.value is None:
        return None
    if head.interval is not None and fixed is not None and head.interval[0] <= fixed.level < head.value:
        return WideEstimate(*head.interval)
    if fixed is not None and fixed.worse_by(head.value) > 0:
        return None
    after = (head.value, head.worst(metric) or 0)
    answers = {fixed.worse_by(value) > 0 for value in after} if fixed is not None else {False}
    of_base = base.worst(metric) if base is not None else None
    if budget.tolerance is not None and base is not None and base.value is not None:
        before = (base.value, of_base or 0)
        grown = {sign * (value - was) > tolerated_growth(was, budget.tolerance) for value in after for was in before}
        answers = {True} if grown == {True} else answers | grown
    has_bound = after[1] != after[0] or (base is not None and of_base != base.value)
    if len(answers) == 1 or not has_bound:
        return None
    return SpikeMissed(
        after[1] if after[1] != after[0] else None,
        of_base if base is not None and of_base != base.value else None,
        (head.precision if after[1] != after[0] else base.precision if base is not None else None) or "",
    )


def _margin(base: MetricValue | None, head: MetricValue, samples: Samples) -> int | None:
    """Return how far the delta may be off. Estimates have intervals instead of samples."""
    if base is not None and base.interval is not None and head.interval is not None:
        return round(sum(high - low for low, high in (base.interval, head.interval)) / 2)
    if min(len(samples.base), len(samples.head)) < 2:
        return None
    return round(shift_interval(samples.base, samples.head, 0.99).margin)


_SEVERITY = {Verdict.PASS: 0, Verdict.WARN: 1, Verdict.INCONCLUSIVE: 2, Verdict.FAIL: 3}
_OPENNESS = {None: 0, Inconclusive.NOISE: 1, Inconclusive.NOT_MEASURED: 2}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the gravest verdict. Inconclusive if there are none."""
    return max(verdicts, key=_SEVERITY.__getitem__, default=Verdict.INCONCLUSIVE)


def gravest(reasons: Iterable[Inconclusive | None]) -> Inconclusive | None:
    """Return the gravest reason: "not measured" outranks "noise". None if no answer is inconclusive."""
    return max(reasons, key=_OPENNESS.__getitem__, default=None)
