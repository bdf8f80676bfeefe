"""Next steps follow from what is over budget."""

import pytest

from membudget.budgets.rules import NO_BUDGET
from membudget.core.definition import Better
from membudget.core.metrics import Metric, MetricValue
from membudget.judge.image import Status
from membudget.judge.metric import Row, Verdict
from membudget.report.verdicts import next_step

ACCEPT = ", or accept it in budgets.toml"


def rows(*metrics: Metric, verdict: Verdict = Verdict.FAIL) -> list[Row]:
    within = [Row(Metric.IMAGE_SIZE, None, MetricValue.of(Metric.IMAGE_SIZE, 1), None, NO_BUDGET, None, Verdict.PASS)]
    return within + [Row(one, None, MetricValue.of(one, 1), None, NO_BUDGET, None, verdict) for one in metrics]


@pytest.mark.parametrize(
    ("metrics", "step"),
    [
        ([Metric.PEAK_RSS], "make it smaller"),
        ([Metric.IMAGE_LAYERS], "make it smaller"),
        ([Metric.MEMORY_PRESSURE], "make it smaller"),
        ([Metric.LATENCY_P95], "make it faster"),
        ([Metric.STARTUP_TIME], "make it faster"),
        ([Metric.CPU_SECONDS, Metric.PEAK_RSS], "make it smaller and faster"),
        ([Metric.REQUESTS_PER_SECOND], "raise its throughput"),
        ([Metric.REQUESTS_PER_GIB, Metric.PEAK_RSS], "make it smaller, raise its throughput"),
        ([], "make it smaller"),
    ],
)
def test_what_is_over_budget_decides_what_to_change(metrics: list[Metric], step: str) -> None:
    assert next_step(Status.OVER_BUDGET, rows(*metrics)) == f"{step}{ACCEPT}"


@pytest.mark.parametrize(
    ("metrics", "worse"),
    [
        ([Metric.PEAK_RSS], "need more memory"),
        ([Metric.LATENCY_P99], "take longer"),
        ([Metric.REQUESTS_PER_SECOND], "have less throughput"),
        ([Metric.PEAK_RSS, Metric.STARTUP_TIME], "need more memory or take longer"),
    ],
)
def test_what_single_trials_exceed_decides_what_to_look_for(metrics: list[Metric], worse: str) -> None:
    step = next_step(Status.SOMETIMES_OVER, rows(*metrics, verdict=Verdict.WARN))
    assert step is not None
    assert step.startswith(f"find out why single trials {worse}; ")


@pytest.mark.parametrize("metric", [metric for metric in Metric if metric.definition.better is Better.MORE])
def test_nothing_of_which_more_is_better_is_to_become_smaller(metric: Metric) -> None:
    assert "smaller" not in (next_step(Status.UNDER_BUDGET, rows(metric)) or "")
