"""Values that are known to be lower bounds: they neither pass nor fail what they leave open."""

import pytest

from membudget.budgets.rules import EffectiveBudget, Tolerance
from membudget.core.metric_words import format_reading
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.judge.metric import Inconclusive, Verdict, judge_metric
from tests.support.said import reason_of

ALLOWED = EffectiveBudget(64 * MIB)
GROWTH = EffectiveBudget(None, Tolerance(10, 2 * MIB))


def value(mib: int, at_most: int | None = None) -> MetricValue:
    return MetricValue.of(Metric.PEAK_RSS, mib * MIB, "lower bound", at_most=at_most * MIB if at_most else None)


def kills(count: int | None) -> MetricValue:
    if count is None:
        return MetricValue.absent(Metric.OOM_KILLS, "the log has a gap")
    return MetricValue.of(Metric.OOM_KILLS, count, "lower bound: the log has a gap", is_lower_bound=True)


@pytest.mark.parametrize(
    ("head", "most", "verdict"),
    [
        (kills(1), 0, Verdict.FAIL),
        (kills(1), 1, Verdict.INCONCLUSIVE),
        (kills(1), 5, Verdict.INCONCLUSIVE),
        (kills(None), 0, Verdict.INCONCLUSIVE),
        (kills(3), None, None),
    ],
)
def test_at_least_so_many_kills_fail_or_are_not_measured(head: MetricValue, most: int | None, verdict: Verdict) -> None:
    row = judge_metric(Metric.OOM_KILLS, None, head, EffectiveBudget(most))
    assert row.verdict is verdict
    is_open = verdict is Verdict.INCONCLUSIVE
    assert row.inconclusive is (Inconclusive.NOT_MEASURED if is_open else None), "no noise: it never passes"
    assert not is_open or "the log has a gap" in str(reason_of(row))


def test_a_lower_bound_is_shown_as_one() -> None:
    assert format_reading(Metric.OOM_KILLS, kills(2)) == "at least 2"


@pytest.mark.parametrize(
    ("base", "head", "budget", "verdict"),
    [
        (None, value(40, 60), ALLOWED, Verdict.PASS),  # whatever it was, it was within
        (None, value(40, 90), ALLOWED, Verdict.INCONCLUSIVE),
        (None, value(70, 90), ALLOWED, Verdict.FAIL),  # over at the least
        (value(40), value(42, 43), GROWTH, Verdict.PASS),
        (value(40), value(42, 80), GROWTH, Verdict.INCONCLUSIVE),
        (value(40, 80), value(60), GROWTH, Verdict.INCONCLUSIVE),  # a spike of the base's makes no alarm
        (value(40, 42), value(60), GROWTH, Verdict.FAIL),
        (value(40, 80), value(60, 90), GROWTH, Verdict.INCONCLUSIVE),
        (value(40, 80), value(100, 120), GROWTH, Verdict.FAIL),
        (value(40), value(40), GROWTH, Verdict.PASS),
    ],
)
def test_a_bound_answers_only_what_it_can(
    base: MetricValue | None, head: MetricValue, budget: EffectiveBudget, verdict: Verdict
) -> None:
    row = judge_metric(Metric.PEAK_RSS, base, head, budget)
    assert row.verdict is verdict
    assert (row.inconclusive is Inconclusive.NOISE) is (verdict is Verdict.INCONCLUSIVE)
    assert row.is_settled, "more trials miss what one misses"
    if row.inconclusive:
        assert "may be up to" in str(reason_of(row))
