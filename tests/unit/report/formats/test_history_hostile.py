"""The history in every format, with figures and times that a reader accepts and no check measures."""

from collections.abc import Callable, Sequence
from io import StringIO

import pytest
from rich.console import Console

from membudget.build.revision import MainCommit
from membudget.core.metrics import Metric
from membudget.history.line import HistoryLine
from membudget.history.series import MetricSeries, SeriesPoint
from membudget.report.formats import history, history_chart
from tests.support.history import line

LARGEST = 2**62


def shown(found: Sequence[MetricSeries]) -> str:
    text = StringIO()
    console = Console(file=text, width=200)
    console.print(history.render_table(found))
    console.print(history_chart.render_charts(found))
    return text.getvalue()


def as_json(found: Sequence[MetricSeries]) -> str:
    return history.render_json(found, ())


RENDERERS: list[Callable[[Sequence[MetricSeries]], str]] = [shown, as_json, history.render_csv]


def forged(metric: Metric, value: int) -> HistoryLine:
    changes = {"value": value, "samples": (value,), "trials": 1, "budget": LARGEST, "membudget": "\x1b[31m\u202e"}
    return line("a" * 40, metric=metric).model_copy(update=changes)


@pytest.mark.parametrize("render", RENDERERS)
@pytest.mark.parametrize("metric", [Metric.PEAK_RSS, Metric.OOM_KILLS, Metric.RSS_PER_STREAM, Metric.STARTUP_TIME])
def test_the_largest_figures_and_impossible_times_are_shown(
    metric: Metric, render: Callable[[Sequence[MetricSeries]], str]
) -> None:
    values = [0, LARGEST, -LARGEST, 1]
    times = [-(2**62), 0, 253_402_300_800, 2**62]
    subject = "::error::\x1b[2J\u202e"
    points = [
        SeriesPoint(MainCommit(f"{number:040x}", time, subject), forged(metric, value))
        for number, (value, time) in enumerate(zip(values, times, strict=True))
    ]
    text = render([MetricSeries("api", metric, tuple(points))])
    assert text
    assert "\u202e" not in text
    assert "\x1b[2J" not in text
