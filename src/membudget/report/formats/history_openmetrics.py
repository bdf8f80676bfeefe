"""The history as OpenMetrics with the times of the commits, for `promtool tsdb create-blocks-from openmetrics`."""

from collections.abc import Iterable, Sequence

from membudget.core.metrics import IMAGE_METRICS, Metric
from membudget.core.production import ProductionMetric
from membudget.history.series import MetricSeries
from membudget.report.formats.exposition import (
    PREFIX,
    Family,
    figure,
    metric_family,
    openmetrics,
    production_family,
)
from membudget.report.formats.history import time_of
from membudget.report.formats.production_names import labels_in_production


def render_openmetrics(found: Sequence[MetricSeries]) -> str:
    """Return all points. The samples of each series are in the order of their times, which the format demands."""
    metrics = [metric for metric in Metric if any(series.metric is metric for series in found)]
    own = (_family(metric, (one for one in found if one.metric is metric)) for metric in metrics)
    return openmetrics([*own, *_in_production(found)])


def _family(metric: Metric, found: Iterable[MetricSeries]) -> Family:
    family = metric_family(f"{PREFIX}_history", metric, f"{metric.definition.label} of the main branch")
    for series in found:
        _add(family, series, {"image": series.image})
    return family


def _in_production(found: Sequence[MetricSeries]) -> Iterable[Family]:
    families: dict[ProductionMetric, Family] = {}
    for series in found:
        name = series.metric.definition.in_production
        if name is not None and name.column is None:  # the history keeps no samples over time
            family = families.setdefault(name.metric, production_family(name.metric))
            _add(family, series, labels_in_production(series.image, series.image, name))
    return families.values()


def _add(family: Family, series: MetricSeries, labels: dict[str, str]) -> None:
    """Add the points, those of each kind of machine as a series. Of commits of one second, the newest counts."""
    by_machine: dict[str, dict[int, int]] = {}
    for point in series.points:
        machine = point.line.machine if series.metric not in IMAGE_METRICS else ""  # all measure the same size
        by_machine.setdefault(machine, {})[int(time_of(point).timestamp())] = point.line.value
    for machine, points in sorted(by_machine.items()):
        of_machine = {**labels, "machine": machine} if machine else labels
        for time_s, value in sorted(points.items()):
            family.add(figure(series.metric.definition.unit, value), of_machine, time_s)
