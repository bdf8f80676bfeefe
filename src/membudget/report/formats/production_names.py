"""A report's figures by production's names, so that one query draws CI and production: see `core.production`.

The figures are those of the head, which is what may be deployed.
"""

import statistics
from collections.abc import Iterator

from membudget.core.metrics import Metric
from membudget.core.production import InProduction, ProductionMetric
from membudget.judge.measurement import ImageMeasurement, SideMeasurement
from membudget.judge.values import largest_samples
from membudget.manifests.deployed import Amount, Container, DeployedWorkload, ManifestPlatform, Role
from membudget.report.formats.exposition import JOB, Family, production_family
from membudget.report.report import Report


def production_families(report: Report) -> list[Family]:
    """Return production's metrics with what a report knows of them."""
    families = {metric: production_family(metric) for metric in ProductionMetric}
    for image in report.images:
        for container in container_names(report, image.name):
            for name, value in _values(image):
                families[name.metric].add(str(value), labels_in_production(container, image.name, name))
            families[ProductionMetric.LIMIT].add(str(image.limit_bytes), _labels(container, image.name))
    declared = {(metric, labels): size_bytes for metric, labels, size_bytes in _declared(report)}
    for (metric, labels), size_bytes in declared.items():
        families[metric].add(str(size_bytes), dict(labels))
    return list(families.values())


def container_names(report: Report, image: str) -> list[str]:
    """Return the names of the containers that run an image in Kubernetes. Its own name if no manifest is known."""
    return sorted({one.name for _, one in _deployed(report) if one.runs == image}) or [image]


def labels_in_production(container: str, image: str, name: InProduction) -> dict[str, str]:
    """Return the labels of a figure: cAdvisor's, and those that tell it from production's."""
    return _labels(container, image) | ({"moment": name.moment.value} if name.moment is not None else {})


def _labels(container: str, image: str) -> dict[str, str]:
    return {"job": JOB, "container": container, "image": image}


def _values(image: ImageMeasurement) -> Iterator[tuple[InProduction, int]]:
    side = image.side_for_maximums
    if side is None:
        return
    for metric in Metric:
        name = metric.definition.in_production
        found = side.metrics.get(metric)
        if name is None or found is None or found.value is None:
            continue
        value = found.value if name.column is None else _largest_sample(side, name.column, image.unjudged_phases)
        if value is not None:
            yield name, value


def _largest_sample(side: SideMeasurement, column: str, unjudged: tuple[str, ...]) -> int | None:
    samples = largest_samples(side, column, unjudged)
    return round(statistics.median(samples)) if samples else None


_Declared = tuple[ProductionMetric, tuple[tuple[str, str], ...], int]


def _declared(report: Report) -> Iterator[_Declared]:
    """Yield the requests and limits of the head's manifests, by the labels that kube-state-metrics gives them."""
    for workload, container in _deployed(report):
        labels = {"job": JOB, "container": container.name, "image": container.runs or ""}
        labels |= {"namespace": workload.namespace} if workload.namespace else {}
        labels |= {"workload": f"{workload.kind}/{workload.name}", "resource": "memory", "unit": "byte"}
        amounts: tuple[tuple[ProductionMetric, Amount | None], ...] = (
            (ProductionMetric.POD_LIMIT, container.limit),
            (ProductionMetric.POD_REQUEST, container.request),
        )
        for metric, amount in amounts:
            if amount is not None:
                yield metric, tuple(labels.items()), amount.size_bytes


def _deployed(report: Report) -> Iterator[tuple[DeployedWorkload, Container]]:
    """Yield the containers of the head's Kubernetes manifests that run an image of the budgets file."""
    workloads = report.manifests.head.workloads if report.manifests is not None else ()
    for workload in workloads:
        if workload.platform is ManifestPlatform.KUBERNETES:
            for container in workload.containers:
                if container.runs is not None and container.role is not Role.INIT:
                    yield workload, container
