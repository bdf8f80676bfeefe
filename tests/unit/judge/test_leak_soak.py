"""A soak of an image: which samples it is, what it does to the verdict, and how it is said."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from membudget.core.quantities import MIB
from membudget.judge.image import Status, judge_image
from membudget.judge.leak import LeakVerdict, Trend, soak_requests, soak_verdict
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.metric import Verdict
from membudget.measure.load import LoadResult
from membudget.measure.probe.messages import Series
from membudget.measure.trial import PhaseName, Trial
from membudget.report.findings import soak_finding
from membudget.report.verdicts import next_step, soak_words
from tests.support.builders import budgets, image, phase, side, trial
from tests.support.said import reasons_of

START_MS, SOAK_MS = 1000, 60_000
Shape = Callable[[float], float]


def soaked(shape: Shape) -> Trial:
    """A trial whose soak has a shape, in MiB, and whose start-up is far above it."""
    times_us = [1000 * ms for ms in range(0, START_MS + SOAK_MS, 100)]
    rss = [round(MIB * (shape((us / 1000 - START_MS) / SOAK_MS) if us >= 1000 * START_MS else 900)) for us in times_us]
    return replace(
        trial(40),
        series=Series(times_us, rss, rss, rss, rss),
        phases=(
            phase(PhaseName.START_UP, 0, START_MS, 900),
            phase("warm-up", START_MS, 0, 900),
            phase(PhaseName.SOAK, START_MS, SOAK_MS, 110),
        ),
        load=(LoadResult("soak", "GET /", 6000, 0, SOAK_MS, 0, 1, 1, 1, 0),),
    )


def leak(time: float) -> float:
    return 100 + 10 * time


def cache(time: float) -> float:
    return 100 + 30 * (1 - math.exp(-time / 0.1))


def slow(time: float) -> float:
    return 100 + 12 * (1 - math.exp(-time / 1.2))


def soak_of(shape: Shape, base: Shape | None = None, *, fails: bool = True) -> ImageMeasurement:
    made = image(head=side(*[soaked(shape)] * 3), base=side(*[soaked(base)] * 3) if base else None)
    return replace(made, leak_fails=fails)


@pytest.mark.parametrize(
    ("measured", "verdict", "status"),
    [
        (soak_of(leak), Verdict.FAIL, Status.LEAKING),
        (soak_of(leak, fails=False), Verdict.PASS, Status.WITHIN_BUDGET),
        (soak_of(cache), Verdict.PASS, Status.WITHIN_BUDGET),
        (soak_of(slow), Verdict.INCONCLUSIVE, Status.SOAK_TOO_SHORT),
        (soak_of(slow, fails=False), Verdict.PASS, Status.WITHIN_BUDGET),
        (soak_of(leak, leak), Verdict.PASS, Status.WITHIN_BUDGET),
    ],
    ids=["leak", "leak, advised", "cache", "slow", "slow, advised", "base leaks as well"],
)
def test_only_a_leak_fails_and_only_where_the_budgets_file_asks(
    measured: ImageMeasurement, verdict: Verdict, status: Status
) -> None:
    judged = judge_image(measured)
    assert (judged.verdict, judged.status) == (verdict, status)


def test_a_leak_is_said_with_its_rate_and_what_to_do() -> None:
    measured = soak_of(leak)
    judged = judge_image(measured)
    (reason,) = reasons_of(judged)
    assert reason.startswith("growth without end: +10.0 MiB a minute (")
    assert "1.7 MiB in 1,000 requests, over a soak of 59.9 s" in reason
    assert next_step(judged.status) is not None
    assert list(soak_finding(measured, judged)) == []  # it is said already


def test_a_leak_beside_a_broken_budget_is_said_once() -> None:
    leaking = soak_of(leak)
    measured = replace(leaking, budgets=budgets(max_rss=30))
    judged = judge_image(measured)
    assert judged.status is Status.OVER_BUDGET
    assert sum("growth without end" in reason for reason in reasons_of(judged)) == 1
    assert list(soak_finding(measured, judged)) == []


def test_advice_is_a_finding() -> None:
    measured = soak_of(leak, fails=False)
    (finding,) = soak_finding(measured, judge_image(measured))
    assert finding.is_grave
    measured = soak_of(cache, fails=False)
    (finding,) = soak_finding(measured, judge_image(measured))
    assert not finding.is_grave


@pytest.mark.parametrize("trend", Trend)
def test_every_trend_has_words(trend: Trend) -> None:
    verdict = soak_verdict(soak_of(leak, cache))
    assert verdict is not None
    assert "less that of base" in soak_words(replace(verdict, trend=trend), None)


@pytest.mark.parametrize("trend", [Trend.NOISE, Trend.UNDECIDED])
def test_a_rate_whose_interval_contains_zero_is_none_found(trend: Trend) -> None:
    verdict = LeakVerdict(trend, -8 * MIB, -100 * MIB, 84 * MIB, 30_000, is_paired=False)
    said = soak_words(verdict, None)
    assert "none found (± 92.0 MiB a minute)" in said
    assert "-" not in said
    certain = soak_words(replace(verdict, low=1.0), None)
    assert "none found" not in certain


def test_images_without_a_soak_have_no_verdict_on_it() -> None:
    plain = image(head=side(trial(40)))
    assert soak_verdict(plain) is None
    assert soak_requests(plain) is None
    assert judge_image(plain).soak is None
