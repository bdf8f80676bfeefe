"""When a limit is comfortable."""

import random

import pytest

from membudget.advise.answer import Comfortable, Purpose, SmallestLimit
from membudget.advise.comfort import RungComparison, RungPace, compared
from membudget.advise.rung import Ended, Rung, Tried, step_bytes
from membudget.budgets.fit import FitSettings
from membudget.core.quantities import MIB
from membudget.judge.fitted import Discomfort
from tests.fakes.limited_services import Fit, Service, monotone, self_sizing, tried

TRIALS = 5
FREE = Rung(None, (tried(None, cpu_ms=1000, p95_us=20_000),) * TRIALS)


def at_limit(cpu_ms: int = 1000, p95_us: int | None = None) -> Rung:
    return Rung(64 * MIB, (tried(64 * MIB, cpu_ms=cpu_ms, p95_us=p95_us),) * TRIALS)


def pressed(refaulted: int | None, stalled_ms: int | None) -> Rung:
    return Rung(1, (Tried(1, Ended.PASSED, None, 1000, refaulted_bytes=refaulted, stalled_ms=stalled_ms),) * TRIALS)


def costly(found: RungComparison) -> list[Discomfort]:
    return [cost.what for cost in found.costs]


def latencies(*p95_us: int, limit: int | None = 1) -> Rung:
    return Rung(limit, tuple(tried(limit, cpu_ms=1000, p95_us=one) for one in p95_us))


@pytest.mark.parametrize(("cpu_ms", "is_costly"), [(1050, False), (1051, True), (900, False)])
def test_more_than_five_percent_of_cpu_time_is_not_comfortable(cpu_ms: int, is_costly: bool) -> None:
    found = compared(at_limit(cpu_ms=cpu_ms, p95_us=20_000), FREE, FitSettings())
    assert costly(found) == ([Discomfort.CPU] if is_costly else [])
    assert found.pace is (RungPace.SLOWER if is_costly else RungPace.AS_FAST)


def test_a_few_milliseconds_of_cpu_time_are_noise() -> None:
    free = Rung(None, (tried(None, cpu_ms=40),) * TRIALS)
    assert compared(at_limit(cpu_ms=80), free, FitSettings()).pace is RungPace.AS_FAST


@pytest.mark.parametrize(("p95_us", "is_costly"), [(22_000, False), (22_001, True)])
def test_more_than_ten_percent_of_latency_is_not_comfortable(p95_us: int, is_costly: bool) -> None:
    found = compared(at_limit(p95_us=p95_us), FREE, FitSettings())
    assert costly(found) == ([Discomfort.LATENCY] if is_costly else [])


@pytest.mark.parametrize(
    ("refaulted", "stalled_ms", "expected"),
    [
        (None, None, []),
        (4 * MIB, 10, []),
        (4 * MIB + 1, 10, [Discomfort.REFAULTS]),
        (0, 11, [Discomfort.STALLED]),
    ],
)
def test_reclaim_and_stalls_are_not_comfortable(
    refaulted: int | None, stalled_ms: int | None, expected: list[Discomfort]
) -> None:
    assert costly(compared(pressed(refaulted, stalled_ms), FREE, FitSettings())) == expected


def test_reclaim_in_one_trial_of_many_is_chance() -> None:
    calm = Tried(1, Ended.PASSED, None, 1000)
    one = Rung(1, (*[calm] * 4, *pressed(64 * MIB, 900).trials[:1]))
    assert compared(one, FREE, FitSettings()).pace is RungPace.AS_FAST


def test_thresholds_are_keys() -> None:
    settings = FitSettings.model_validate({"cpu": 20, "latency": 50, "refaults": "1MiB", "stalled": 5})
    assert costly(compared(at_limit(cpu_ms=1200, p95_us=30_000), FREE, settings)) == []
    assert costly(compared(pressed(2 * MIB, 50), FREE, settings)) == [Discomfort.REFAULTS]


def test_the_median_of_the_trials_counts() -> None:
    trials = tuple(tried(1, cpu_ms=cpu_ms) for cpu_ms in (1000, 1010, 5000))
    assert compared(Rung(1, trials), FREE, FitSettings()).pace is RungPace.AS_FAST


def test_a_median_that_chance_explains_is_unclear() -> None:
    free = latencies(20_000, 21_000, 24_000, limit=None)
    found = compared(latencies(23_500, 24_500, 21_500), free, FitSettings())
    assert found.pace is RungPace.UNCLEAR
    (cost,) = found.costs
    assert cost.growth is not None
    assert cost.growth[0] < 10 < cost.growth[1]


def test_noise_that_may_hide_a_slowdown_is_told() -> None:
    free = latencies(20_000, 21_000, 24_000, limit=None)
    found = compared(latencies(20_500, 21_500, 26_000), free, FitSettings())
    assert found.pace is RungPace.AS_FAST
    assert [cost.what for cost in found.hidden] == [Discomfort.LATENCY]


def test_every_trial_far_above_every_other_is_slower_at_the_first_look() -> None:
    free = latencies(*[20_000] * 3, limit=None)
    assert compared(latencies(*[25_000] * 11), free, FitSettings()).pace is RungPace.SLOWER
    assert compared(latencies(*[23_000] * 11), free, FitSettings()).pace is RungPace.UNCLEAR


def answer_of(fit: Fit) -> tuple[SmallestLimit, Comfortable]:
    answer = fit.run()
    assert isinstance(answer, SmallestLimit)
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
    assert comfortable.trials >= 3
    free = Rung(None, (service(None),) * TRIALS)
    at = [Rung(limit, (service(limit),) * TRIALS) for limit in (comfortable.limit_bytes, answer.survives_bytes)]
    assert [compared(rung, free, FitSettings()).pace for rung in at] == [RungPace.AS_FAST, RungPace.SLOWER]
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
    assert len([ask for ask in fit.asked if ask.purpose is Purpose.COMFORT]) <= 3 * 6 + 5


def test_a_service_that_is_slow_at_every_limit_has_no_comfortable_one() -> None:
    fit = Fit(lambda limit: tried(limit, rss=1, mark=1, cpu_ms=1000 if limit is None else 2000), seeks_comfort=True)
    _, comfortable = answer_of(fit)
    assert comfortable.limit_bytes is None
    assert [cost.what for cost in comfortable.costs_below] == [Discomfort.CPU]


def test_without_cpu_time_nothing_tells_what_is_comfortable() -> None:
    fit = Fit(lambda limit: Tried(limit, Ended.PASSED), seeks_comfort=True)
    assert answer_of(fit)[1] == Comfortable(None)


def noisy_latency(seed: int, spread: float, slowdown: float = 1.0) -> Service:
    """A service whose p95 latency differs from trial to trial, and is larger under any limit."""
    dice = random.Random(seed)

    def run(limit: int | None) -> Tried:
        p95 = 20_000 * dice.gauss(1, spread) * (slowdown if limit is not None else 1)
        ended = monotone(100 * MIB)(limit).ended
        return tried(limit, ended, rss=100 * MIB, mark=101 * MIB, p95_us=max(1000, round(p95)))

    return run


@pytest.mark.thorough
@pytest.mark.parametrize("spread", [0.03, 0.07, 0.14])
def test_noise_alone_makes_no_limit_uncomfortable(spread: float) -> None:
    """The rate of false alarms is measured by `make bench-fit-noise`, over more fits."""
    found = [answer_of(Fit(noisy_latency(seed, spread), seeks_comfort=True)) for seed in range(100)]
    higher = [answer for answer, comfortable in found if comfortable.limit_bytes not in (answer.survives_bytes, None)]
    unclear = [comfortable for _, comfortable in found if comfortable.limit_bytes is None]
    assert len(higher) <= 3
    assert len(unclear) <= 20
    assert not any(comfortable.is_clear for comfortable in unclear)


@pytest.mark.thorough
def test_a_real_slowdown_is_found_in_noise() -> None:
    found = [answer_of(Fit(noisy_latency(seed, 0.07, 1.3), seeks_comfort=True))[1] for seed in range(50)]
    assert sum(comfortable.limit_bytes is None and comfortable.is_clear for comfortable in found) >= 47
    assert all(comfortable.costs_below for comfortable in found)


def test_what_looks_slower_is_compared_in_turns_and_within_a_budget_of_trials() -> None:
    fit = Fit(noisy_latency(3, 0.14, 1.15), seeks_comfort=True)
    answer_of(fit)
    limits = [ask.limit_bytes for ask in fit.asked if ask.purpose in (Purpose.COMFORT, Purpose.REFERENCE)][3:]
    assert limits[:10] == [None, fit.trials[-1].limit_bytes or limits[1]] * 5
    assert limits.count(None) <= 20
