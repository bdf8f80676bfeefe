"""When a limit is comfortable."""

import pytest

from membudget.advise.answer import Answer, Comfortable, Purpose
from membudget.advise.comfort import costs
from membudget.advise.rung import Ended, Rung, Tried, step_bytes
from membudget.budgets.fit import FitSettings
from membudget.core.quantities import MIB
from membudget.judge.fitted import Discomfort
from tests.fakes.limited_services import Fit, monotone, self_sizing, tried

FREE = Rung(None, (tried(None, cpu_ms=1000, p95_us=20_000),))


def at_limit(cpu_ms: int = 1000, p95_us: int | None = None) -> Rung:
    return Rung(64 * MIB, (tried(64 * MIB, cpu_ms=cpu_ms, p95_us=p95_us),))


def pressed(refaulted: int | None, stalled_ms: int | None) -> Rung:
    return Rung(1, (Tried(1, Ended.PASSED, None, 1000, refaulted_bytes=refaulted, stalled_ms=stalled_ms),))


@pytest.mark.parametrize(("cpu_ms", "costly"), [(1050, False), (1051, True), (900, False)])
def test_more_than_five_percent_of_cpu_time_is_not_comfortable(cpu_ms: int, costly: bool) -> None:
    found = costs(at_limit(cpu_ms=cpu_ms, p95_us=20_000), FREE, FitSettings())
    assert [cost.what for cost in found] == ([Discomfort.CPU] if costly else [])


def test_a_few_milliseconds_of_cpu_time_are_noise() -> None:
    free = Rung(None, (tried(None, cpu_ms=40),))
    assert costs(at_limit(cpu_ms=80), free, FitSettings()) == []


@pytest.mark.parametrize(("p95_us", "costly"), [(22_000, False), (22_001, True)])
def test_more_than_ten_percent_of_latency_is_not_comfortable(p95_us: int, costly: bool) -> None:
    found = costs(at_limit(p95_us=p95_us), FREE, FitSettings())
    assert [cost.what for cost in found] == ([Discomfort.LATENCY] if costly else [])


@pytest.mark.parametrize(
    ("refaulted", "stalled_ms", "costly"),
    [
        (None, None, []),
        (4 * MIB, 10, []),
        (4 * MIB + 1, 10, [Discomfort.REFAULTS]),
        (0, 11, [Discomfort.STALLED]),
    ],
)
def test_reclaim_and_stalls_are_not_comfortable(
    refaulted: int | None, stalled_ms: int | None, costly: list[Discomfort]
) -> None:
    assert [cost.what for cost in costs(pressed(refaulted, stalled_ms), FREE, FitSettings())] == costly


def test_thresholds_are_keys() -> None:
    settings = FitSettings.model_validate({"cpu": 20, "latency": 50, "refaults": "1MiB", "stalled": 5})
    assert costs(at_limit(cpu_ms=1200, p95_us=30_000), FREE, settings) == []
    assert [cost.what for cost in costs(pressed(2 * MIB, 50), FREE, settings)] == [Discomfort.REFAULTS]


def test_the_median_of_the_trials_counts() -> None:
    trials = tuple(tried(1, cpu_ms=cpu_ms) for cpu_ms in (1000, 1010, 5000))
    assert costs(Rung(1, trials), FREE, FitSettings()) == []


def answer_of(fit: Fit) -> tuple[Answer, Comfortable]:
    answer = fit.run()
    assert isinstance(answer, Answer)
    assert answer.comfortable is not None
    return answer, answer.comfortable


def test_a_limit_that_survives_without_a_cost_is_comfortable() -> None:
    fit = Fit(monotone(100 * MIB), seeks_comfort=True)
    answer, comfortable = answer_of(fit)
    assert comfortable.limit_bytes == answer.survives_bytes
    assert comfortable.costs_below == ()
    assert sum(ask.limit_bytes is None for ask in fit.asked) == 3


def test_a_heap_that_collects_more_often_is_comfortable_at_a_larger_limit() -> None:
    service = self_sizing(0.75, 60 * MIB, 30 * MIB)
    fit = Fit(service, seeks_comfort=True)
    answer, comfortable = answer_of(fit)
    assert comfortable.limit_bytes is not None
    assert comfortable.limit_bytes > answer.survives_bytes
    assert comfortable.trials == 3
    free = Rung(None, (service(None),))
    at = [Rung(limit, (service(limit),)) for limit in (comfortable.limit_bytes, answer.survives_bytes)]
    assert [bool(costs(rung, free, FitSettings())) for rung in at] == [False, True]
    assert [cost.what for cost in comfortable.costs_below] == [Discomfort.CPU]


def test_the_search_for_comfort_ends_close_to_a_limit_that_is_not_comfortable() -> None:
    def service(limit: int | None) -> Tried:
        is_slow = limit is not None and limit < 160 * MIB
        killed = limit is not None and limit < 100 * MIB
        ended = Ended.KILLED if killed else Ended.PASSED
        return tried(limit, ended, rss=99 * MIB, mark=300 * MIB, cpu_ms=2000 if is_slow else 1000)

    fit = Fit(service, seeks_comfort=True)
    limit = answer_of(fit)[1].limit_bytes
    assert limit is not None
    assert 160 * MIB <= limit <= 160 * MIB + 3 * step_bytes(limit)
    assert len([ask for ask in fit.asked if ask.purpose is Purpose.COMFORT]) <= 3 * 6


def test_a_service_that_is_slow_at_every_limit_has_no_comfortable_one() -> None:
    fit = Fit(lambda limit: tried(limit, rss=1, mark=1, cpu_ms=1000 if limit is None else 2000), seeks_comfort=True)
    _, comfortable = answer_of(fit)
    assert comfortable.limit_bytes is None
    assert [cost.what for cost in comfortable.costs_below] == [Discomfort.CPU]


def test_without_cpu_time_nothing_tells_what_is_comfortable() -> None:
    fit = Fit(lambda limit: Tried(limit, Ended.PASSED), seeks_comfort=True)
    assert answer_of(fit)[1] == Comfortable(None)
