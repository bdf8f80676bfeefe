"""Values that are known to be lower bounds: they neither pass nor fail what they leave open."""

import pytest

from membudget.analysis.metric_verdict import Inconclusive, Verdict, judge_metric
from membudget.budgets.effective import EffectiveBudget, Tolerance
from membudget.metrics import Metric, MetricValue
from membudget.quantities import MIB

ALLOWED = EffectiveBudget(64 * MIB)
GROWTH = EffectiveBudget(None, Tolerance(10, 2 * MIB))


def value(mib: int, at_most: int | None = None) -> MetricValue:
    return MetricValue.of(Metric.PEAK_RSS, mib * MIB, "lower bound", at_most=at_most * MIB if at_most else None)


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
        assert "may be up to" in str(row.reason)
