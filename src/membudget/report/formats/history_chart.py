"""A chart of the history for terminals: a bar for each commit, from zero, and a line at the last budget."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from membudget.core.definition import Better
from membudget.core.metric_words import format_value
from membudget.history.series import MetricSeries, SeriesPoint

_ROWS = 8
_BLOCKS = " ▁▂▃▄▅▆▇█"
_PARTS = len(_BLOCKS) - 1
_BUDGET = "┄"
MOST_BARS = 100
"""More commits share bars: each bar is the worst of its commits."""


def render_charts(found: Sequence[MetricSeries]) -> RenderableType:
    """Return a chart for each series."""
    return Group(*(line for series in found for line in _chart(series)))


def _chart(series: MetricSeries) -> Iterator[Text]:
    bars = _bars(series)
    budget = series.points[-1].line.budget
    highest = max(1, *bars, budget or 0)
    label_of_top = format_value(series.metric, highest)
    width = max(len(label_of_top), 1)
    yield Text(f"{series.image}: {series.metric.definition.label}", style="bold")
    for row in range(_ROWS, 0, -1):
        is_budget = budget is not None and budget > 0 and _row_of(budget, highest) == row
        label = label_of_top if row == _ROWS else "0" if row == 1 else ""
        cells = "".join(_cell(value, row, highest, is_budget=is_budget) for value in bars)
        end = f" budget {format_value(series.metric, budget)}" if is_budget and budget is not None else ""
        yield Text(f"{label:>{width}} │{cells}{end}")
    yield Text(f"{'':>{width}} └{'─' * len(bars)}")
    first, last = series.points[0], series.points[-1]
    yield Text(f"{'':>{width}}  {_end(first)} to {_end(last)}")
    yield Text("")


def _bars(series: MetricSeries) -> list[int]:
    """Return the height of each bar: of a commit, or the worst of several commits."""
    values = [max(0, point.line.value) for point in series.one_per_commit]
    each = -(-len(values) // MOST_BARS)
    worst = max if series.metric.definition.better is Better.LESS else min
    return [worst(values[first : first + each]) for first in range(0, len(values), each)]


def _row_of(value: int, highest: int) -> int:
    """Return the row that a value ends in, counted from 1 at the bottom."""
    return max(1, -(-value * _ROWS // highest))


def _cell(value: int, row: int, highest: int, *, is_budget: bool) -> str:
    filled = round(value * _ROWS * _PARTS / highest) - (row - 1) * _PARTS
    block = _BLOCKS[min(max(filled, 0), _PARTS)]
    return _BUDGET if is_budget and block == " " else block


def _end(point: SeriesPoint) -> str:
    return f"{point.commit.sha[:10]} ({format_value(point.line.metric, point.line.value)})"
