"""One metric against its budget: a verdict, and why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from membudget.analysis.evidence import Answer, Evidence, against_maximum, against_tolerance
from membudget.analysis.intervals import shift_interval
from membudget.budgets.effective import EffectiveBudget, Tolerance
from membudget.figures import format_delta, format_reading, format_value
from membudget.metrics import DEFINITIONS, Metric, MetricValue
from membudget.quantities import format_percent


class Verdict(StrEnum):
    """The answer about a budget. An error is something else: the tool could not measure."""

    PASS = "pass"  # noqa: S105 - no password
    WARN = "warn"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"

    @property
    def passes(self) -> bool:
        """Whether nothing is wrong: a warning is none."""
        return self in (Verdict.PASS, Verdict.WARN)


class Inconclusive(StrEnum):
    """Why an answer is open."""

    NOISE = "noise"
    """There are figures, and their bounds lie on both sides of the budget."""
    NOT_MEASURED = "not-measured"
    """A figure is missing: the answer cannot be known, and is never taken for a pass."""


@dataclass(frozen=True, slots=True)
class Samples:
    """The trials' own values of one metric: what noise is told by. Empty where a value is exact, or no median."""

    base: tuple[int, ...] = ()
    head: tuple[int, ...] = ()


NO_SAMPLES = Samples()


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
    inconclusive: Inconclusive | None = None
    """Why the verdict is inconclusive; None where it is not."""
    phase: str | None = None
    """None: of the whole trial."""
    margin: int | None = None
    """How far the delta may be off, with 99 % confidence or what so few trials allow."""
    is_within_noise: bool = False
    """It passes because nothing shows that a budget is broken, not because it is shown to be kept."""
    is_settled: bool = True
    """Whether more trials would not change the answer."""
    is_excepted: bool = False
    """Its budget is broken, and an exception allows it for a while."""

    @property
    def label(self) -> str:
        """What it is called."""
        label = DEFINITIONS[self.metric].label
        return label if self.phase is None else f"{label} ({self.phase})"


def judge_metric(  # noqa: PLR0913 - what a verdict rests on
    metric: Metric,
    base: MetricValue | None,
    head: MetricValue,
    budget: EffectiveBudget,
    samples: Samples = NO_SAMPLES,
    *,
    excuse: str | None = "there is no base value",
) -> Row:
    """Judge one metric. Growth is judged only over a base that was measured.

    `excuse` says why growth need not be judged where the base has no value. None: it must be, and the row is open.
    """
    before = base.value if base is not None else None
    if head.value is None:
        row = Row(metric, base, head, None, budget, None, None, head.reason)
        return _not_measured(row, head.reason) if budget.is_set else row
    row = Row(
        metric, base, head,
        delta=head.value - before if before is not None else None,
        budget=budget,
        headroom=_headroom(before, head.value, budget),
        verdict=Verdict.PASS,
        margin=_margin(samples),
    )  # fmt: skip
    missing = _missing(row, excuse)
    bounds = _unclear(metric, base, head, budget)
    if bounds is not None and missing is None:
        return _open(row, bounds, is_settled=head.interval is None)  # a spike that was missed stays missed
    answers = list(_answers(metric, base, head, budget, samples))
    settled = all(answer.evidence.is_settled for answer in answers)
    broken, unclear = (_said(answers, answer) for answer in (Answer.BROKEN, Answer.OPEN))
    if broken:
        return replace(row, verdict=Verdict.FAIL, reason=broken, is_settled=settled)
    if missing is not None:
        return replace(_not_measured(row, missing), is_settled=settled)
    if unclear:
        return _open(row, unclear, is_settled=settled)
    return _kept(replace(row, is_settled=settled), answers, samples, excuse)


def _missing(row: Row, excuse: str | None) -> str | None:
    """Why a figure is missing that the answer needs; None when none is, or a budget is broken without it."""
    ceiling, value = row.budget.ceiling, row.head.value or 0
    if row.head.is_lower_bound and ceiling is not None and value <= ceiling:
        return f"it is {format_reading(row.metric, row.head)} ({row.head.precision})"
    if excuse is None and row.budget.tolerance is not None and (row.base is None or row.base.value is None):
        return (row.base.reason if row.base is not None else None) or "the base has no value"
    return None


def _not_measured(row: Row, reason: str | None) -> Row:
    return replace(row, verdict=Verdict.INCONCLUSIVE, reason=reason, inconclusive=Inconclusive.NOT_MEASURED)


def _open(row: Row, reason: str, *, is_settled: bool) -> Row:
    noise = Inconclusive.NOISE
    return replace(row, verdict=Verdict.INCONCLUSIVE, reason=reason, inconclusive=noise, is_settled=is_settled)


def _said(answers: Sequence["_Answered"], wanted: Answer) -> str:
    return " and ".join(answer.words for answer in answers if answer.evidence.answer is wanted)


def _kept(row: Row, answers: Sequence["_Answered"], samples: Samples, excuse: str | None) -> Row:
    """A row of which no budget is broken: it may be warned of, pass within noise, or have nothing to be judged by."""
    budget = row.budget
    warning = _warning(row, samples)
    if warning is not None:
        return replace(row, verdict=Verdict.WARN, reason=warning)
    judges_growth = budget.tolerance is not None or budget.warn.tolerance is not None
    if not answers and budget.warn.max is None and (row.delta is None or budget.warn.tolerance is None):
        return replace(row, verdict=None, reason=f"growth is not judged: {excuse}" if judges_growth else None)
    noise = _said(answers, Answer.WITHIN_NOISE)
    return replace(row, reason=noise or None, is_within_noise=bool(noise))


@dataclass(frozen=True, slots=True)
class _Answered:
    """What became of one of a metric's budgets."""

    evidence: Evidence
    words: str


def _answers(
    metric: Metric, base: MetricValue | None, head: MetricValue, budget: EffectiveBudget, samples: Samples
) -> Iterator[_Answered]:
    value = head.value or 0
    for ceiling, name in ((budget.max, "its maximum"), (budget.below_limit, "what leaves the wanted headroom")):
        if ceiling is not None:
            evidence = _exact_or_not(against_maximum(samples.head or (value,), ceiling), samples)
            yield _Answered(evidence, _of_maximum(metric, value, ceiling, name, evidence))
    before = base.value if base is not None else None
    if budget.tolerance is not None and before is not None:
        tolerated = tolerated_growth(before, budget.tolerance)
        evidence = against_tolerance(samples.base or (before,), samples.head or (value,), tolerated)
        evidence = _exact_or_not(evidence, samples)
        if evidence.answer is Answer.BROKEN and not _differ(base, head):
            evidence = replace(evidence, answer=Answer.WITHIN_NOISE)
        yield _Answered(evidence, _of_growth(metric, before, value, tolerated, evidence))


def _exact_or_not(evidence: Evidence, samples: Samples) -> Evidence:
    """Of what has no samples, more trials would say the same."""
    return evidence if samples.head else replace(evidence, is_settled=True)


def _of_maximum(metric: Metric, value: int, ceiling: int, name: str, evidence: Evidence) -> str:
    reach = f"its median lies between {format_value(metric, evidence.low)} and {format_value(metric, evidence.high)}"
    match evidence.answer:
        case Answer.BROKEN:
            return f"is {format_value(metric, value - ceiling)} over {name}"
        case Answer.OPEN:
            return f"is over {name}, but not for certain: {reach}"
        case _:
            return f"{name} is within its noise: {reach}"


def _of_growth(metric: Metric, before: int, value: int, tolerated: int, evidence: Evidence) -> str:
    reach = f"between {format_delta(metric, evidence.low)} and {format_delta(metric, evidence.high)}"
    match evidence.answer:
        case Answer.BROKEN:
            beyond = format_value(metric, value - before - tolerated)
            return f"grew by {_growth(metric, before, value)}, {beyond} more than tolerated"
        case Answer.OPEN:
            return f"grew, {reach}: whether by more than the tolerated {format_value(metric, tolerated)} is open"
        case _:
            return f"shows no growth beyond its noise: {reach}"


def _warning(row: Row, samples: Samples) -> str | None:
    """Why it is warned of; None when it is not, or only noise says so."""
    levels = EffectiveBudget(row.budget.warn.max, row.budget.warn.tolerance)
    answers = _answers(row.metric, row.base, row.head, levels, samples)
    said = [answer.words for answer in answers if answer.evidence.answer is Answer.BROKEN]
    return " and ".join(said).replace("its maximum", "its warning level").replace("tolerated", "unnoticed") or None


def _unclear(metric: Metric, base: MetricValue | None, head: MetricValue, budget: EffectiveBudget) -> str | None:
    """Why lower bounds do not answer the question; None when they do, or are none.

    A head that may be higher than it was seen must not pass on what was seen; a base that may be higher must not make
    the head fail for its growth.
    """
    most = budget.ceiling
    if head.value is None:
        return None
    if head.interval is not None and most is not None and head.interval[0] <= most < head.value:
        low, high = (format_value(metric, bound) for bound in head.interval)
        return f"it is {low} to {high}; a longer ramp, more of them, or more trials would tell"
    if most is not None and head.value > most:
        return None
    after = (head.value, head.at_most or head.value)
    answers = {after[0] > most, after[1] > most} if most is not None else {False}
    if budget.tolerance is not None and base is not None and base.value is not None:
        before = (base.value, base.at_most or base.value)
        grown = {value > was + tolerated_growth(was, budget.tolerance) for value in after for was in before}
        answers = {True} if grown == {True} else answers | grown
    if len(answers) == 1 or (head.at_most is None and (base is None or base.at_most is None)):
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


def _headroom(before: int | None, value: int, budget: EffectiveBudget) -> int | None:
    ceilings = [budget.ceiling] if budget.ceiling is not None else []
    if budget.tolerance is not None and before is not None:
        ceilings.append(before + tolerated_growth(before, budget.tolerance))
    return min(ceilings) - value if ceilings else None


def _margin(samples: Samples) -> int | None:
    if min(len(samples.base), len(samples.head)) < 2:
        return None
    return round(shift_interval(samples.base, samples.head, 0.99).margin)


def tolerated_growth(before: int, tolerance: Tolerance) -> int:
    """The growth at which both parts of the tolerance are used up: the larger one counts."""
    return max(int(before * tolerance.percent / 100), tolerance.floor)


def _growth(metric: Metric, before: int, after: int) -> str:
    change = format_value(metric, after - before)
    return f"{change} ({format_percent(100 * (after - before) / before, signed=True)})" if before else change
