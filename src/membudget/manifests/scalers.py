"""Reads autoscalers of Kubernetes: HorizontalPodAutoscaler (v2, and its betas) and VerticalPodAutoscaler."""

from collections.abc import Iterator
from itertools import islice

from membudget.manifests.deployed import MOST_CONTAINERS, ContainerPolicy, MemoryScaler, MemoryTarget, PodScaler
from membudget.manifests.reading import ManifestReading
from membudget.manifests.spots import SpotKeys
from membudget.manifests.yaml_text import YamlValue

SCALERS = ("HorizontalPodAutoscaler", "VerticalPodAutoscaler")
_MOST = 1_000_000


def pod_scaler(document: YamlValue, reading: ManifestReading) -> PodScaler:
    """Return a HorizontalPodAutoscaler, with its targets for memory alone."""
    spec, name = document.get("spec"), reading.name(document.get("metadata", "name"))
    least, most = spec.get("minReplicas").number, spec.get("maxReplicas").number
    least = 1 if least is None else min(least, _MOST)
    return PodScaler(
        name, reading.place(document), *_target(spec.get("scaleTargetRef"), reading),
        tuple(islice(_targets(spec, name, reading), MOST_CONTAINERS)), least, min(max(most or least, least), _MOST),
        reading.name(document.get("metadata", "namespace")),
    )  # fmt: skip


def _targets(spec: YamlValue, name: str, reading: ManifestReading) -> Iterator[MemoryTarget]:
    for metric in spec.get("metrics").entries():
        for kind in ("resource", "containerResource"):
            resource = metric.get(kind)
            if resource.get("name").text == "memory":
                target = _memory_target(resource, f"HorizontalPodAutoscaler/{name}", reading)
                if target is not None:
                    yield target


def _memory_target(resource: YamlValue, where: str, reading: ManifestReading) -> MemoryTarget | None:
    container = reading.name(resource.get("container")) or None
    percent = resource.get("target", "averageUtilization") or resource.get("targetAverageUtilization")
    if percent:
        if not percent.number or percent.number > _MOST:
            reading.fault(percent, f"{where}: averageUtilization", "it is no percentage of 1 or more")
            return None
        return MemoryTarget(reading.place(percent), percent.number, None, container)
    average = resource.get("target", "averageValue") or resource.get("targetAverageValue")
    amount = reading.amount(average, f"{where}: averageValue")
    return MemoryTarget(amount.place, None, amount.size_bytes, container) if amount is not None else None


def memory_scaler(document: YamlValue, reading: ManifestReading) -> MemoryScaler:
    """Return a VerticalPodAutoscaler."""
    spec, name = document.get("spec"), reading.name(document.get("metadata", "name"))
    mode = spec.get("updatePolicy", "updateMode").text
    policies = islice(spec.get("resourcePolicy", "containerPolicies").entries(), MOST_CONTAINERS)
    return MemoryScaler(
        name, reading.place(document), *_target(spec.get("targetRef"), reading), mode != "Off",
        tuple(_policy(policy, f"VerticalPodAutoscaler/{name}", reading) for policy in policies),
        reading.name(document.get("metadata", "namespace")),
        reading.spot(spec, SpotKeys.RESOURCE_POLICY, SpotKeys.CONTAINER_POLICIES),
    )  # fmt: skip


def _policy(policy: YamlValue, where: str, reading: ManifestReading) -> ContainerPolicy:
    resources = policy.get("controlledResources")
    sets_memory = policy.get("mode").text != "Off" and (not resources or "memory" in resources.texts())
    name = reading.name(policy.get("containerName")) or "*"
    return ContainerPolicy(
        name, sets_memory,
        reading.amount(policy.get("maxAllowed", "memory"), f"{where}: {name}: maxAllowed.memory"),
        reading.amount(policy.get("minAllowed", "memory"), f"{where}: {name}: minAllowed.memory"),
        reading.spot(policy, SpotKeys.CONTROLLED_RESOURCES),
    )  # fmt: skip


def _target(reference: YamlValue, reading: ManifestReading) -> tuple[str, str]:
    return reading.name(reference.get("kind")), reading.name(reference.get("name"))
