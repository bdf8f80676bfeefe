"""The columns of the trend page, decoded again as its scripts decode them."""

from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.history.line import HistoryLine
from membudget.history.marked_steps import MarkedStep
from membudget.history.series import MetricSeries, SeriesPoint
from membudget.report.page.trend_data import series_data
from tests.support.history import MACHINE, line
from tests.support.trends import commits, series

MAIN = commits(60)
PLACES = {commit.sha: place for place, commit in enumerate(MAIN)}


def decoded(data: dict[str, Any]) -> list[tuple[int, int, int, int]]:
    """The place, value, low and high of each row."""
    values = list(accumulate(data["values"]))
    places = list(accumulate(data["at"] or [data["first"], *[1] * (len(values) - 1)]))
    lows, highs = (data[name] or [0] * len(values) for name in ("lows", "highs"))
    scale = data["scale"]
    return [
        (place, value * scale, (value - low) * scale, (value + high) * scale)
        for place, value, low, high in zip(places, values, lows, highs, strict=True)
    ]


def of_lines(*lines: HistoryLine, metric: Metric = Metric.PEAK_RSS) -> dict[str, Any]:
    known = {commit.sha: commit for commit in MAIN}
    return series_data(
        MetricSeries("api", metric, tuple(SeriesPoint(known[one.commit], one) for one in lines)), PLACES, ()
    )


def test_figures_are_kept_to_about_five_digits() -> None:
    made = series("api", Metric.PEAK_RSS, MAIN)
    for (place, value, low, high), point in zip(decoded(series_data(made, PLACES, ())), made.points, strict=True):
        assert MAIN[place] == point.commit
        for shown, true in ((value, point.line.value), (low, point.line.spread[0]), (high, point.line.spread[1])):
            assert abs(shown - true) <= true / 2**15


@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=60))
def test_any_values_are_decoded_nearly_as_they_were(values: list[int]) -> None:
    lines = [
        line(MAIN[place].sha).model_copy(update={"value": value, "samples": ()}) for place, value in enumerate(values)
    ]
    largest = max(values)
    for (_, shown, low, high), value in zip(decoded(of_lines(*lines)), values, strict=True):
        assert abs(shown - value) <= largest / 2**16 + 1
        assert low == shown == high


def test_a_commit_that_two_kinds_of_machines_measured_has_one_row() -> None:
    """The last one counts, also where another commit was not measured."""
    other = line(MAIN[3].sha, 70).model_copy(update={"machine": "another"})
    data = of_lines(line(MAIN[3].sha), other, line(MAIN[5].sha, 80))
    assert [place for place, *_ in decoded(data)] == [3, 5]
    assert data["machines"] == [[0, 0], [1, 1]]


def test_commits_that_were_not_measured_have_no_row() -> None:
    data = of_lines(*(line(MAIN[place].sha) for place in (3, 4, 9, 50)))
    assert [place for place, *_ in decoded(data)] == [3, 4, 9, 50]
    assert of_lines(*(line(MAIN[place].sha) for place in (3, 4, 5)))["at"] is None


def test_budgets_and_machines_are_written_where_they_change() -> None:
    budgets = [None, 5, 5, 5, 7, None]
    lines = [
        line(commit.sha).model_copy(update={"budget": budget, "machine": MACHINE if place < 4 else "other"})
        for place, (commit, budget) in enumerate(zip(MAIN[:6], budgets, strict=True))
    ]
    data = of_lines(*lines)
    assert data["budgets"] == [[0, None], [1, 5], [4, 7], [5, None]]
    assert (data["machineNames"], data["machines"]) == ([MACHINE, "other"], [[0, 0], [4, 1]])
    sizes = of_lines(*(one.model_copy(update={"metric": Metric.IMAGE_SIZE}) for one in lines), metric=Metric.IMAGE_SIZE)
    assert sizes["machineNames"] == [""], "sizes are the same on all machines"


@pytest.mark.parametrize(
    ("metric", "budget", "standing", "words"),
    [
        (Metric.PEAK_RSS, 30, "over", "over budget"),
        (Metric.PEAK_RSS, 42, "near", "near its budget"),
        (Metric.PEAK_RSS, 80, "fine", ""),
        (Metric.REQUESTS_PER_SECOND, 80, "over", "below its budget"),
    ],
)
def test_the_standing_is_also_said_in_words(metric: Metric, budget: int, standing: str, words: str) -> None:
    kept = line(MAIN[0].sha, 40, metric=metric).model_copy(update={"budget": budget * MIB})
    data = of_lines(kept, metric=metric)
    assert (data["standing"], data["words"]) == (standing, words)


def test_lower_bounds_refreshed_figures_and_steps_are_marked() -> None:
    marks = [{}, {"refresh": True}, {"lower_bound": True}]
    data = of_lines(*(line(MAIN[place].sha).model_copy(update=mark) for place, mark in enumerate(marks)))
    assert (data["lowerBounds"], data["refreshes"]) == ([2], [1])
    made = series("api", Metric.PEAK_RSS, MAIN)
    steps = [
        MarkedStep("api", Metric.PEAK_RSS, MAIN[7].sha, 40 * MIB, 50 * MIB, is_confirmed=True),
        MarkedStep("api", Metric.PEAK_RSS, MAIN[9].sha, 50 * MIB, 40 * MIB, is_confirmed=False),
        MarkedStep("api", Metric.PEAK_RSS, "f" * 40, 1, 2, is_confirmed=False),
    ]
    assert series_data(made, PLACES, steps)["steps"] == [
        [7, 40 * MIB, 50 * MIB, True, True],
        [9, 50 * MIB, 40 * MIB, False, False],
    ]
