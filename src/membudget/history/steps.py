"""Finds suspected steps: commits of the main branch after which a metric stays higher or lower than before.

Apache Otava's e-divisive finds them (docs/adr/0039-steps.md). A suspicion costs only arithmetic and is often wrong. It
is never reported before both sides have been measured again.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median_low

from membudget.build.revision import MainCommit
from membudget.core.errors import EnvironmentFault
from membudget.core.metrics import Metric
from membudget.history.series import MetricSeries, comparable_machine

SUSPICIOUS = 0.003
"""The largest p-value of a suspected step."""
SMALLEST_PERCENT = 1.0
"""The smallest change that is suspected, as a part of the smaller value."""
SEARCHED_POINTS = 10
"""How many measured commits on each side may hold the step. In noise, its place is only roughly known."""
_WINDOW = 50
"""How many values Otava looks at together: its own default."""
MISSING = 'Install it: pip install "membudget[steps]"'


@dataclass(frozen=True, slots=True)
class SuspectedStep:
    """A suspected step. Its place is the most likely one; the commits from `search_from` to `search_to` hold it."""

    image: str
    metric: Metric
    machine: str | None
    """The class of the machines that measured. None for sizes of images, which are the same on all."""
    before: MainCommit
    """The last measured commit before the step."""
    after: MainCommit
    """The first measured commit with the step. Between the two may be commits that nobody measured."""
    value_before: int
    """The median of the values between the last step and this one, in the metric's unit."""
    value_after: int
    """The median of the values between this step and the next one."""
    p_value: float
    """The probability, by Student's t-test, of such a difference by chance. Far too small in practice: the place with
    the largest difference was chosen first."""
    search_from: MainCommit
    """The newest commit that certainly lies before the step, if there is one."""
    search_to: MainCommit
    """The oldest commit that certainly has the step, if there is one."""

    @property
    def growth(self) -> int:
        """The change, in the metric's unit. Negative if the value fell."""
        return self.value_after - self.value_before

    @property
    def is_worse(self) -> bool:
        """Whether the value after the step is the worse one."""
        return self.growth * self.metric.definition.better.sign > 0


def suspected_steps(found: Iterable[MetricSeries]) -> tuple[SuspectedStep, ...]:
    """Return the suspected steps of all series, oldest first within each image, metric and kind of machine.

    A commit's own figure counts, and a refresh only if there is no other. Lower bounds are left out. Raises
    EnvironmentFault if Otava is not installed, also if there is nothing to look at: whoever sets a job up learns it on
    the first day, and not with the first change.
    """
    _require_otava()
    return tuple(step for series in found for step in _steps(series))


def _steps(series: MetricSeries) -> Iterator[SuspectedStep]:
    by_machine: dict[str | None, list[_Value]] = {}
    for point in series.points:
        line = point.own or point.line
        if not line.lower_bound:
            by_machine.setdefault(comparable_machine(line), []).append(_Value(point.commit, line.value))
    for machine, points in by_machine.items():
        yield from _steps_of(series, machine, points)


@dataclass(frozen=True, slots=True)
class _Value:
    """What the search takes for the figure of a commit: its own one. A refresh counts where there is no other."""

    commit: MainCommit
    value: int


def _steps_of(series: MetricSeries, machine: str | None, points: Sequence[_Value]) -> Iterator[SuspectedStep]:
    values = [point.value for point in points]
    changes = _change_points(values)
    bounds = [0, *(index for index, _ in changes), len(points)]
    medians = [median_low(values[begin:end]) for begin, end in pairwise(bounds)]
    for number, (index, p_value) in enumerate(changes):
        earliest = max(bounds[number], index - SEARCHED_POINTS)
        latest = min(bounds[number + 2], index + SEARCHED_POINTS) - 1
        yield SuspectedStep(
            series.image,
            series.metric,
            machine,
            points[index - 1].commit,
            points[index].commit,
            medians[number],
            medians[number + 1],
            p_value,
            points[earliest].commit,
            points[latest].commit,
        )


def _require_otava() -> None:
    try:
        import otava.analysis  # noqa: F401 - half a second
    except ImportError as error:
        raise EnvironmentFault(f"Apache Otava is missing ({error.name})", where="history steps", fix=MISSING) from None


def _change_points(values: Sequence[int]) -> list[tuple[int, float]]:
    """Return the index of the first value after each step, in their order, and its p-value."""
    from otava.analysis import compute_change_points

    if len(set(values)) < 2:
        return []
    found, _ = compute_change_points(
        [float(value) for value in values],
        window_len=_WINDOW,
        max_pvalue=SUSPICIOUS,
        min_magnitude=SMALLEST_PERCENT / 100,
    )
    return [(int(one.index), float(one.stats.pvalue)) for one in found]
