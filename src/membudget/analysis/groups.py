"""Sums over the images of a group, against the group's own budgets."""

from collections.abc import Mapping
from dataclasses import dataclass

from membudget.analysis.intervals import median_interval
from membudget.analysis.measurement import ImageMeasurement, Presence, SideMeasurement
from membudget.analysis.metric_verdict import Row, judge_metric
from membudget.analysis.samples import trial_samples
from membudget.budgets.effective import EffectiveBudget
from membudget.budgets.fields import ImageName
from membudget.metrics import DEFINITIONS, Metric, MetricValue

_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class GroupMeasurement:
    """A group, and what its sums may be."""

    __pydantic_config__ = {"extra": "forbid"}

    name: ImageName
    images: tuple[ImageName, ...]
    budgets: dict[Metric, EffectiveBudget]


def judge_group(group: GroupMeasurement, images: Mapping[str, ImageMeasurement]) -> list[Row]:
    """A row for each sum that has a budget."""
    members = [images[name] for name in group.images if name in images]
    if len(members) < len(group.images):
        return []
    heads = [image.head for image in members]
    # A sum grows by what is new; of an image that left, nobody knows what it had.
    bases = [image.base for image in members if image.presence is not Presence.NEW]
    rows = []
    for metric, budget in group.budgets.items():
        head = _sum(metric, members, heads)
        base = _sum(metric, members, bases) if all(side is not None for side in bases) and bases else None
        known_base = base if base is not None and base.value is not None else None
        rows.append(judge_metric(metric, known_base, head, budget))
    return rows


def _sum(metric: Metric, members: list[ImageMeasurement], sides: list[SideMeasurement | None]) -> MetricValue:
    values = [side.metrics[metric] for side in sides if side is not None]
    for image, value in zip(members, values, strict=False):
        if value.value is None:
            return MetricValue.absent(metric, f"{image.name}: {value.reason}")
    total = sum(value.value or 0 for value in values)
    bounds = [_bounds(metric, side) for side in sides if side is not None]
    low, high = sum(low for low, _ in bounds), sum(high for _, high in bounds)
    definition = DEFINITIONS[metric]
    interval = (low, high) if low < high else None
    return MetricValue(total, definition.unit, definition.precision, interval=interval)


def _bounds(metric: Metric, side: SideMeasurement) -> tuple[int, int]:
    samples = trial_samples(metric, None, side).head
    if not samples:
        value = side.metrics[metric].value or 0
        return value, value
    interval = median_interval(samples, _CONFIDENCE)
    return int(interval.low), int(interval.high)
