"""What is kept of a check: a line for each image and metric that people look at or that has a budget."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from membudget.budgets.rules import NO_BUDGET
from membudget.core.errors import shortened
from membudget.core.metrics import HEADLINES, Metric
from membudget.history.line import VERSION, HistoryLine
from membudget.judge.bounds import fixed_bounds, tightest
from membudget.judge.measurement import ImageMeasurement, SideMeasurement
from membudget.judge.values import trial_samples

_ODD = re.compile(r"[^\w ./-]+", re.ASCII)
_LONGEST = 100


@dataclass(frozen=True, slots=True)
class MeasuredCommit:
    """The commit that a check measured, and how."""

    commit: str
    time: datetime
    machine: str
    """The class of the machine: see `machine_class`."""
    membudget: str
    """The version of membudget."""


def machine_class(platform: str, cgroup_version: int, cpus: int) -> str:
    """Return the class of a machine. Figures of trials may differ between classes, and are not compared then."""
    return _plain(f"{platform} cgroup-v{cgroup_version} {cpus}-cpus")


def lines_of(measured: MeasuredCommit, images: Iterable[ImageMeasurement]) -> list[HistoryLine]:
    """Return the lines of all images that were measured. Unchanged images have none: their last line still holds.

    Raises ValueError for figures that no check finds. A report may come from a stranger.
    """
    return [line for image in images for line in _lines(measured, image)]


def _lines(measured: MeasuredCommit, image: ImageMeasurement) -> Iterator[HistoryLine]:
    side = image.side_for_maximums
    if side is None or image.is_unchanged:
        return
    for metric, value in side.metrics.items():
        is_kept = metric in HEADLINES or image.budgets.get(metric, NO_BUDGET).is_set
        if is_kept and value.value is not None:
            try:
                yield _line(measured, image, side, metric, value.value)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(map(str, (image.name, metric, *first["loc"])))
                raise ValueError(f"{shortened(where)}: {shortened(first['msg'])}") from None


def _line(
    measured: MeasuredCommit, image: ImageMeasurement, side: SideMeasurement, metric: Metric, value: int
) -> HistoryLine:
    found = side.metrics[metric]
    bound = tightest(fixed_bounds(image.budgets.get(metric, NO_BUDGET)))
    return HistoryLine(
        v=VERSION,
        image=image.name,
        metric=metric,
        commit=measured.commit,
        time=measured.time,
        value=value,
        samples=_samples(metric, side),
        interval=found.interval,
        at_most=found.at_most,
        at_least=found.at_least,
        lower_bound=found.is_lower_bound,
        trials=len(side.trials),
        machine=measured.machine,
        budget=bound.level if bound is not None else None,
        membudget=_plain(measured.membudget),
        took_ms=image.took_ms,
    )


def _samples(metric: Metric, side: SideMeasurement) -> tuple[int, ...]:
    return trial_samples(metric, None, side).head


def _plain(text: str) -> str:
    return (_ODD.sub("-", text) or "unknown")[:_LONGEST]
