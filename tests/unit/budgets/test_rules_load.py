"""Budgets of rates and latencies: where they may stand."""

import pytest

from membudget.budgets import file as budgets_file
from membudget.core.errors import BudgetsFileError

REQUESTS = 'workload = { kind = "http", requests = [{ path = "/" }] }'
STREAMS = 'workload = { kind = "http", requests = [{ path = "/", read_for = "1s" }] }'
WARM_UP = """
workload = { kind = "http", requests = [{ path = "/", phase = "warm-up" }, { path = "/", read_for = "1s" }] }
phases.warm-up.judged = false
"""
COMMANDS = 'workload = { kind = "exec", commands = [["true"]] }'


def problems_of(image: str, defaults: str = "") -> list[str]:
    text = f'version = 1\n[defaults]\nlimit = "128MiB"\n{defaults}\n[images.api]\n{image}\n'
    try:
        budgets_file.parse(text, "budgets.toml")
    except BudgetsFileError as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.mark.parametrize("budget", ["requests_per_second.min = 100", 'latency_p95.max = "20ms"'])
@pytest.mark.parametrize("workload", [COMMANDS, STREAMS, WARM_UP, ""], ids=["commands", "streams", "warm-up", "none"])
def test_a_rate_or_latency_without_requests_to_measure_it_by_is_refused(budget: str, workload: str) -> None:
    (problem,) = problems_of(f"budgets.{budget}\n{workload}")
    key = budget.partition(".")[0]
    assert problem.startswith(f"budgets.toml:6:9: images.api.budgets.{key}: needs a workload that sends requests")
    assert problems_of(f"budgets.{budget}\n{REQUESTS}") == []


def test_steps_with_requests_measure_rates() -> None:
    steps = 'workload = { kind = "steps", steps = [{ idle = "1s" }, { http = [{ path = "/" }] }] }'
    assert problems_of(f"{steps}\nbudgets.requests_per_gib.min = 100") == []


def test_an_image_without_requests_turns_off_a_latency_of_the_defaults() -> None:
    defaults = 'budgets.latency_p95 = { max = "20ms" }'
    (problem,) = problems_of(COMMANDS, defaults)
    assert problem.startswith("budgets.toml:4:9: images.api.budgets.latency_p95: needs")
    assert '"null"' in problem
    assert problems_of(f'{COMMANDS}\nbudgets.latency_p95 = "null"', defaults) == []


def test_a_workload_that_is_broken_may_send_requests() -> None:
    broken = 'workload = { kind = "htpp", requests = [{ path = "/" }] }'
    (problem,) = problems_of(f'budgets.latency_p95.max = "1ms"\n{broken}')
    assert "unknown kind of workload" in problem


@pytest.mark.parametrize("level", ["", "warn."])
def test_a_rate_cannot_drop_by_more_than_all_of_it(level: str) -> None:
    drop = f"budgets.requests_per_second = {{ {level}drop = {{ percent = 101, floor = 5 }} }}"
    (problem,) = problems_of(f"{drop}\n{REQUESTS}")
    assert f"requests_per_second.{level}drop.percent: invalid value (found: 101)" in problem
    assert "allowed: 100 or less" in problem
    assert problem.startswith("budgets.toml:6:")


@pytest.mark.parametrize("metric", ["latency_p95", "requests_per_second", "settled_rss", "cpu_seconds"])
def test_a_phase_has_budgets_of_its_peaks_alone_and_says_so(metric: str) -> None:
    (problem,) = problems_of(f'{REQUESTS}\nphases.steady.{metric}.max = "1s"')
    assert problem.startswith(f"budgets.toml:7:15: images.api.phases.steady.{metric}: is no budget of a single phase")
    assert "allowed: judged, peak_memory, peak_rss; budgets of other metrics are for the whole trial" in problem
    is_told = "To judge the requests of one phase alone, set `judged = false` for the others" in problem
    assert is_told == (metric in ("latency_p95", "requests_per_second"))


def test_a_typo_in_the_table_of_a_phase_is_an_unknown_key() -> None:
    (problem,) = problems_of(f'{REQUESTS}\nphases.steady.peak_rs.max = "1MiB"')
    assert "unknown key; did you mean peak_rss?" in problem
