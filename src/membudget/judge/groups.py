"""Sums over the images of a group, against the group's own budgets."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from membudget.budgets.fields import ImageName
from membudget.budgets.rules import EffectiveBudget
from membudget.contents.compare import IMAGE_METRICS
from membudget.core.metrics import DEFINITIONS, Metric, MetricValue
from membudget.core.stored import Stored
from membudget.judge.evidence import median_interval
from membudget.judge.image_rows import growth_excuse
from membudget.judge.measurement import ImageMeasurement, Presence, SideMeasurement
from membudget.judge.metric import Row, judge_metric
from membudget.judge.reasons import Excuse, GrowthNotJudged, NotMeasured
from membudget.judge.values import trial_samples

_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class GroupMeasurement(Stored):
    """A group, and what its sums may be."""

    name: ImageName
    images: tuple[ImageName, ...]
    budgets: dict[Metric, EffectiveBudget]


def judge_group(
    group: GroupMeasurement, images: Mapping[str, ImageMeasurement], elsewhere: frozenset[str]
) -> Iterator[Row]:
    """A row for each sum that has a budget. A member that was to be measured and is missing leaves the sum open.

    `elsewhere`: the images that other parts of the check measure.
    """
    absent = [name for name in group.images if name not in images]
    missing = [name for name in absent if name not in elsewhere]
    for metric, budget in group.budgets.items():
        if missing:
            value = MetricValue.absent(metric, f"{missing[0]}: it was not checked")
            yield judge_metric(metric, None, value, budget)
        elif absent:
            value = MetricValue.absent(metric, f"{absent[0]} is not among the images of this check")
            yield Row(metric, None, value, None, budget, None, None, (NotMeasured(value.reason),))
        else:
            yield from _judge_sum(metric, budget, [images[name] for name in group.images])


def _judge_sum(metric: Metric, budget: EffectiveBudget, members: Sequence[ImageMeasurement]) -> Iterator[Row]:
    """One row; where a member's maximums are of another run than its growth, one for each."""
    present = [image for image in members if image.presence is not Presence.REMOVED]
    if metric in IMAGE_METRICS or not any(image.own is not None and image.own.counts for image in present):
        yield _compared(metric, budget, present)
        return
    if budget.growth_alone.is_set and not any(image.lacks_old_way for image in present):
        yield _compared(metric, budget.growth_alone, present)
    if budget.maximum_alone.is_set:
        total = _sum(metric, ((image.name, image.by_itself) for image in present))
        yield replace(judge_metric(metric, None, total, budget.maximum_alone), is_own=True)


def _compared(metric: Metric, budget: EffectiveBudget, present: Sequence[ImageMeasurement]) -> Row:
    # A sum grows by what is new; of an image that left, nobody knows what it had.
    compared = [image for image in present if image.presence is not Presence.NEW]
    return judge_metric(
        metric,
        _sum(metric, ((image.name, image.base) for image in compared)) if compared else None,
        _sum(metric, ((image.name, image.head) for image in present)),
        budget,
        excuse=_excuse(metric, present),
    )


def _excuse(metric: Metric, members: Sequence[ImageMeasurement]) -> Excuse | GrowthNotJudged | None:
    """Why the sum's growth need not be judged, where a base lacks its figure; None where it must be."""
    excuses = [growth_excuse(image) for image in members if not _has_figure(metric, image)]
    first = excuses[0] if excuses else Excuse.NO_BASE_VALUE
    if first is None or None in excuses:
        return None
    return GrowthNotJudged(first, len(excuses)) if excuses else first


def _has_figure(metric: Metric, image: ImageMeasurement) -> bool:
    return image.base is not None and image.base.metrics[metric].value is not None


def _sum(metric: Metric, sides: Iterator[tuple[str, SideMeasurement | None]]) -> MetricValue:
    total, at_most, low, high = 0, 0, 0, 0
    for name, side in sides:
        value = side.metrics[metric] if side is not None else MetricValue.absent(metric, "it was not measured")
        if side is None or value.value is None:
            return MetricValue.absent(metric, f"{name}: {value.reason}")
        total += value.value
        at_most += value.at_most or value.value
        least, most = _bounds(metric, side)
        low, high = low + least, high + most
    definition = DEFINITIONS[metric]
    interval = (low, high) if low < high else None
    more = at_most if at_most > total else None
    precision = "lower bound: a spike was missed" if more else definition.precision
    return MetricValue(total, definition.unit, precision, at_most=more, interval=interval)


def _bounds(metric: Metric, side: SideMeasurement) -> tuple[int, int]:
    samples = trial_samples(metric, None, side).head
    if not samples:
        value = side.metrics[metric].value or 0
        return value, value
    interval = median_interval(samples, _CONFIDENCE)
    return int(interval.low), int(interval.high)
