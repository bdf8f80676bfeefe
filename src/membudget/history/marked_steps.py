"""Which steps the trend page marks: those that are suspected, and those that were measured again and confirmed."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from membudget.core.metrics import Metric
from membudget.history.series import MetricSeries, is_comparable
from membudget.history.step_line import StepLine, StepOutcome, earlier_search
from membudget.history.steps import SuspectedStep


@dataclass(frozen=True, slots=True)
class MarkedStep:
    """A step that the page marks."""

    image: str
    metric: Metric
    commit: str
    """The first commit after it, as far as is known."""
    before: int
    after: int
    is_confirmed: bool
    """Whether it was measured again. Otherwise it is only suspected."""

    @property
    def is_worse(self) -> bool:
        """Whether the value after it is the worse one."""
        return (self.after - self.before) * self.metric.definition.better.sign > 0


def marked_steps(
    found: Sequence[MetricSeries],
    suspected: Iterable[SuspectedStep],
    searches: Sequence[StepLine],
    places: Mapping[str, int],
    now: datetime,
) -> list[MarkedStep]:
    """Return the confirmed steps, and the suspected ones of which no search has found out what they are.

    Anyone who can write to the history can forge that a step was confirmed. Main's figures must show it as well.

    `searches` is what the history has about searches. `places` are those of the commits on the branch.
    """
    believable = [line for line in searches if _is_in_order(line, places)]
    confirmed = list(_confirmed(found, believable, places))
    contradicted = {(step.image, step.metric, step.commit) for step in confirmed if not step.is_worse}
    others = [
        line
        for line in believable
        if line.outcome is not StepOutcome.CONFIRMED or (line.image, line.metric, line.commit) not in contradicted
    ]
    return [*(step for step in confirmed if step.is_worse), *_suspected(suspected, others, places, now)]


def _is_in_order(line: StepLine, places: Mapping[str, int]) -> bool:
    return line.since in places and line.commit in places and places[line.since] < places[line.commit]


def _confirmed(
    found: Sequence[MetricSeries], searches: Iterable[StepLine], places: Mapping[str, int]
) -> Iterator[MarkedStep]:
    """Yield each confirmed step once, with the figures that main had before and after it.

    A step that main's figures contradict is yielded as well. It may have been forged, or noise hides it there.
    """
    series_of = {(series.image, series.metric): series for series in found}
    newest = {
        (line.image, line.metric, line.commit): line
        for line in sorted(searches, key=lambda line: line.time)
        if line.outcome is StepOutcome.CONFIRMED
    }
    for (image, metric, commit), line in newest.items():
        series = series_of.get((image, metric))
        values = _around(series, line, places) if series is not None else None
        if values is not None:
            yield MarkedStep(image, metric, commit, *values, is_confirmed=True)


def _around(series: MetricSeries, line: StepLine, places: Mapping[str, int]) -> tuple[int, int] | None:
    """Return the last figure before a step and the first one after it. None if main lacks one of them."""
    points = [point for point in series.points if is_comparable(point.line, line.machine)]
    at = [places[point.commit.sha] for point in points]
    before, after = bisect_right(at, places[line.since]) - 1, bisect_left(at, places[line.commit])
    if before < 0 or after == len(points):
        return None
    return points[before].line.value, points[after].line.value


def _suspected(
    suspected: Iterable[SuspectedStep], searches: Sequence[StepLine], places: Mapping[str, int], now: datetime
) -> Iterator[MarkedStep]:
    steps = list(suspected)
    for step in steps:
        search = earlier_search(step, searches, places, now, steps)
        is_open = search is None or search.outcome not in (StepOutcome.CONFIRMED, StepOutcome.NOT_CONFIRMED)
        if is_open:
            yield MarkedStep(
                step.image, step.metric, step.after.sha, step.value_before, step.value_after, is_confirmed=False
            )
