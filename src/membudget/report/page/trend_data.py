"""The history as columns for the trend page, small enough for a hundred series of thousands of commits.

Columns are written as differences, in a scale that keeps 17 binary digits of the largest value. What rarely changes is
written only where it changes.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from membudget.core.definition import Better
from membudget.core.metrics import IMAGE_METRICS
from membudget.core.untrusted_text import Json, printable
from membudget.history.marked_steps import MarkedStep
from membudget.history.series import MetricSeries
from membudget.history.standing import Newest, Standing
from membudget.report.formats.badge import message_of

_DIGITS = 17
"""How many binary digits of the largest value are kept: the curve is drawn with about 300 pixels."""


def series_data(series: MetricSeries, places: Mapping[str, int], steps: Sequence[MarkedStep]) -> dict[str, Json]:
    """Return the columns of a series. `places` has the place of each commit on the branch.

    `steps` may also be those of other series.
    """
    points = series.one_per_commit
    lines = [point.line for point in points]
    definition = series.metric.definition
    scale = 1 << max(0, max(max(abs(line.value), abs(line.spread[1])) for line in lines).bit_length() - _DIGITS)
    at = [places[point.commit.sha] for point in points]
    machines = ["" if series.metric in IMAGE_METRICS else line.machine for line in lines]
    names = list(dict.fromkeys(machines))
    newest = Newest.of(series.metric, lines[-1])
    return {
        "label": definition.label,
        "unit": definition.unit.value,
        "newest": message_of(newest),
        "standing": newest.standing.value,
        "words": _standing_words(newest),
        "first": at[0],
        "at": None if at[-1] - at[0] == len(at) - 1 else _differences(at),
        "scale": scale,
        "values": _differences([round(line.value / scale) for line in lines]),
        "lows": _unless_zero([round((line.value - line.spread[0]) / scale) for line in lines]),
        "highs": _unless_zero([round((line.spread[1] - line.value) / scale) for line in lines]),
        "budgets": _changes([line.budget for line in lines]),
        "machineNames": [*map(printable, names)],
        "machines": _changes([names.index(machine) for machine in machines]),
        "lowerBounds": [row for row, line in enumerate(lines) if line.lower_bound],
        "refreshes": [row for row, line in enumerate(lines) if line.refresh],
        "steps": [
            [places[step.commit], step.before, step.after, step.is_confirmed, step.is_worse]
            for step in steps
            if (step.image, step.metric) == (series.image, series.metric) and step.commit in places
        ],
    }


def _standing_words(newest: Newest) -> str:
    """Return what the colour of the figure says. Empty if all is well."""
    if newest.standing is Standing.OVER:
        return "over budget" if newest.metric.definition.better is Better.LESS else "below its budget"
    return "near its budget" if newest.standing is Standing.NEAR else ""


def _differences(column: Sequence[int]) -> list[Json]:
    return [column[0], *(after - before for before, after in pairwise(column))]


def _unless_zero(column: Sequence[int]) -> list[Json] | None:
    return [*column] if any(column) else None


def _changes(column: Sequence[int | None]) -> list[Json]:
    """Return the rows at which a column changes, with its values from there on."""
    return [[row, value] for row, value in enumerate(column) if row == 0 or value != column[row - 1]]
