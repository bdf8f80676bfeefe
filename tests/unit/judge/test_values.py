from dataclasses import replace

import pytest

from membudget.core.metrics import IMAGE_METRICS, TRIAL_METRICS, Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.judge.values import aggregate, all_absent
from tests.support.builders import trial


def test_the_median_counts_but_the_worst_trial_for_oom_kills() -> None:
    values = aggregate([trial(40), trial(90), trial(42, oom_kills=2)])
    assert values[Metric.PEAK_RSS].value == 42 * MIB
    assert values[Metric.OOM_KILLS].value == 2


def test_a_trial_without_a_value_does_not_count() -> None:
    assert aggregate([trial(40), trial(None), trial(44)])[Metric.PEAK_RSS].value == 42 * MIB


def test_no_value_at_all_is_absent_with_its_reason() -> None:
    assert aggregate([trial(None)])[Metric.PEAK_RSS] == MetricValue.absent(Metric.PEAK_RSS, "no sample")
    assert aggregate([])[Metric.PEAK_RSS].reason == "no trial was run"


def test_a_lesser_precision_is_passed_on() -> None:
    lesser = MetricValue.of(Metric.OOM_KILLS, 1, "lower bound")
    one, other = trial(40), trial(40)
    other.metrics[Metric.OOM_KILLS] = lesser
    assert aggregate([one, other])[Metric.OOM_KILLS] == lesser


def test_words_do_not_decide_which_precision_is_the_lesser() -> None:
    one, other = trial(40), trial(42)
    one.metrics[Metric.PEAK_RSS] = replace(one.metrics[Metric.PEAK_RSS], precision="as an earlier version said it")
    assert not aggregate([one, other])[Metric.PEAK_RSS].is_less_precise
    other.metrics[Metric.PEAK_RSS] = replace(other.metrics[Metric.PEAK_RSS], is_less_precise=True)
    lesser = aggregate([one, other])[Metric.PEAK_RSS]
    assert lesser.lesser_precision == other.metrics[Metric.PEAK_RSS].precision


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([0, 0, 0], (0, False)),
        ([0, None, 0], (None, False)),  # one trial in which there may have been a kill
        ([2, None, 0], (2, True)),
        ([None, None], (None, False)),
    ],
)
def test_of_a_maximum_no_trial_may_be_missing(counts: list[int | None], expected: tuple[int | None, bool]) -> None:
    trials = [trial(40, oom_kills=count or 0) for count in counts]
    for one, count in zip(trials, counts, strict=True):
        if count is None:
            one.metrics[Metric.OOM_KILLS] = MetricValue.absent(Metric.OOM_KILLS, "the log has a gap")
    kills = aggregate(trials)[Metric.OOM_KILLS]
    assert (kills.value, kills.is_lower_bound) == expected
    assert "the log has a gap" in str(kills.reason if kills.value is None else kills.precision) or None not in counts


def test_the_worst_of_lower_bounds_is_one() -> None:
    one, other = trial(40, oom_kills=3), trial(40)
    other.metrics[Metric.OOM_KILLS] = MetricValue.of(Metric.OOM_KILLS, 1, "lower bound: x", is_lower_bound=True)
    kills = aggregate([one, other])[Metric.OOM_KILLS]
    assert (kills.value, kills.is_lower_bound, kills.precision) == (3, True, "lower bound: x")


def test_every_metric_of_a_trial_is_there() -> None:
    assert set(aggregate([trial(1)])) == set(TRIAL_METRICS) == set(all_absent("x")) == set(Metric) - set(IMAGE_METRICS)


def test_estimates_are_averaged_and_their_interval_is_that_of_the_trials() -> None:
    trials = [trial(1) for _ in range(3)]
    for one, value in zip(trials, (90, 100, 110), strict=True):
        one.metrics[Metric.RSS_PER_STREAM] = MetricValue.estimate(Metric.RSS_PER_STREAM, value, value - 1, value + 1)
    estimate = aggregate(trials)[Metric.RSS_PER_STREAM]
    assert estimate.value == 100
    assert estimate.interval == (75, 125)  # 4.3 standard errors of 5.8
    assert aggregate(trials[:1])[Metric.RSS_PER_STREAM].interval == (89, 91)


def test_more_trials_than_are_tabled_take_the_wider_interval() -> None:
    trials = [trial(1) for _ in range(13)]
    for number, one in enumerate(trials):
        one.metrics[Metric.RSS_PER_STREAM] = MetricValue.estimate(Metric.RSS_PER_STREAM, 100 + number % 2, 0, 200)
    interval = aggregate(trials)[Metric.RSS_PER_STREAM].interval
    assert interval is not None
    assert interval[0] in (99, 100)
    assert interval[1] in (100, 101)
