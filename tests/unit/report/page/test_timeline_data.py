from dataclasses import replace
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.budgets.rules import EffectiveBudget, Tolerance, WarnLevels
from membudget.core.metrics import Metric
from membudget.core.quantities import KIB, MIB
from membudget.measure.probe.messages import Series
from membudget.report.page.timeline_data import columns, figures, lines, typical
from tests.support.builders import budgets, image, report, side, trial


def decoded(series: Series, points: int) -> list[list[int]]:
    """As the page's own script reads it."""
    return [list(accumulate(column)) for column in columns(series, points)]  # type: ignore[arg-type]


def test_kinds_add_up_to_usage_in_kib_and_time_is_in_milliseconds() -> None:
    series = Series([1_000, 21_400], [MIB, 2 * MIB], [MIB, 3 * MIB], [2 * MIB, 4 * MIB], [4 * MIB, 9 * MIB])
    time, anonymous, shared, active, inactive = decoded(series, 100)
    assert time == [1, 21]
    assert anonymous == [1024, 2048]
    assert shared == [0, 1024]
    assert active == [1024, 1024]
    assert inactive == [2048, 5 * 1024]


@pytest.mark.thorough
@given(st.lists(st.integers(0, 2**40).map(lambda pages: pages * KIB), min_size=1, max_size=300), st.integers(8, 100))
def test_a_shortened_series_keeps_its_ends_and_its_peak(sizes: list[int], points: int) -> None:
    times = list(range(0, 1000 * len(sizes), 1000))
    time, anonymous, *_ = decoded(Series(times, sizes, sizes, sizes, sizes), points)
    assert len(time) <= max(points, 8)
    assert (time[0], time[-1]) == (0, len(sizes) - 1)
    assert max(anonymous) == max(sizes) // KIB


def test_first_shown_is_the_trial_in_the_middle_or_one_that_was_killed() -> None:
    assert typical([trial(40), trial(70), trial(44)]) == 2
    assert typical([trial(40), trial(70), trial(44, oom_kills=1)]) == 2
    assert typical([trial(None)]) == 0
    assert typical([]) is None


def test_each_budget_is_a_line_of_its_own_chart() -> None:
    rss = EffectiveBudget(64 * MIB, Tolerance(10, 2 * MIB), 60 * MIB, WarnLevels(50 * MIB))
    made = image(base=side(trial(40)), head=side(trial(45)), allowed={Metric.PEAK_RSS: rss})
    made = replace(made, phase_budgets={"burst": {Metric.PEAK_MEMORY: EffectiveBudget(30 * MIB)}})
    assert lines(made) == {
        "peak_rss": [
            [64 * MIB, "max 64.0 MiB", "budget", None],
            [60 * MIB, "headroom up to 60.0 MiB", "budget", None],
            [44 * MIB, "growth up to 44.0 MiB", "budget", None],
            [50 * MIB, "warn.max 50.0 MiB", "warn", None],
        ],
        "peak_memory": [[30 * MIB, "burst: max 30.0 MiB", "budget", "burst"]],
        "peak_working_set": [],
    }


def test_figures_are_the_trials_values_with_the_interval_of_their_median() -> None:
    made = image(
        base=side(*map(trial, (40, 41, 42))), head=side(*map(trial, (50, 52, 51))), allowed=budgets(max_rss=45)
    )
    (peak,) = [one for one in figures(made, report(made).judged().judgement.images[0]) if one["label"] == "peak RSS"]  # type: ignore[call-overload, index]
    assert peak == {
        "label": "peak RSS",
        "unit": "bytes",
        "base": (40 * MIB, 41 * MIB, 42 * MIB),
        "head": (50 * MIB, 52 * MIB, 51 * MIB),
        "intervals": [[40 * MIB, 41 * MIB, 42 * MIB, 75], [50 * MIB, 51 * MIB, 52 * MIB, 75]],
        "delta": "+10.0 ± 2.0 MiB",
        "lines": [[45 * MIB, "max 45.0 MiB"]],
    }
