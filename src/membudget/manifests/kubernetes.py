"""Reads the workloads of Kubernetes manifests, and of Knative and Cloud Run, which have the same pods."""

import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, pairwise

from membudget.manifests.deployed import (
    MOST_CONTAINERS,
    Container,
    DeployedManifests,
    DeployedWorkload,
    ManifestPlatform,
    MemoryVolume,
    Role,
)
from membudget.manifests.reading import ManifestReading
from membudget.manifests.scalers import SCALERS, memory_scaler, pod_scaler
from membudget.manifests.spots import SpotKeys
from membudget.manifests.yaml_text import YamlValue, read_values

PODS = {
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
    "DaemonSet": ("spec", "template", "spec"),
    "Deployment": ("spec", "template", "spec"),
    "Job": ("spec", "template", "spec"),
    "Pod": ("spec",),
    "ReplicaSet": ("spec", "template", "spec"),
    "Rollout": ("spec", "template", "spec"),
    "Service": ("spec", "template", "spec"),  # of Knative; one of Kubernetes has no template
    "StatefulSet": ("spec", "template", "spec"),
}
"""Where each kind has its pod."""
RUN_TO_END = frozenset({"CronJob", "Job"})
_KINDS = (*PODS, *SCALERS, "List", "HorizontalPodAutoscalerList", "DeploymentList", "PodList")
_KIND = re.compile(rf"[\"']?\bkind[\"']?\s*:\s*[\"']?({'|'.join(_KINDS)})\b")
_SEPARATOR = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_SOURCE = re.compile(r"^# Source: [^/\s]+/(\S+)$", re.MULTILINE)
_MOST_LISTED = 500
MOST_TEXT = 1 << 19
"""The most characters of documents about workloads that are read of one entry. More take longer than ten seconds."""


class TooMuchYaml(Exception):
    """A text has more YAML about workloads than is read."""


def names_a_workload(text: str) -> bool:
    """Return whether a text may be a manifest of something that is read here."""
    return _KIND.search(text) is not None


def workloads_in(document: YamlValue) -> Iterator[tuple[str, YamlValue]]:
    """Yield the objects of one document with their kinds, or those of each entry if it is a list."""
    kind = document.get("kind").text or ""
    if kind.endswith("List"):
        for entry in islice(document.get("items").entries(), _MOST_LISTED):
            yield entry.get("kind").text or kind.removesuffix("List"), entry
    else:
        yield kind, document


def pod_of(kind: str, document: YamlValue) -> YamlValue:
    """Return the pod of a workload. Empty for other kinds."""
    pod = document.get(*PODS[kind]) if kind in PODS else YamlValue()
    return pod.get("template", "spec") or pod  # a Job of Cloud Run has an execution between itself and the pod


def read_kubernetes(text: str, reading: ManifestReading) -> DeployedManifests:
    """Return what a text of manifests deploys. Raises InvalidYaml and TooMuchYaml."""
    found = DeployedManifests()
    for offset, part in bounded_documents(text):
        source = _SOURCE.search(part)
        of_part = replace(reading, offset=offset)  # the faults stay one list
        if reading.is_rendered and source is not None:
            template = posixpath.normpath(f"{reading.source}/{source[1]}")
            of_part.path = template if not template.startswith("..") else reading.path  # a template may print anything
        for document in read_values(part):
            for kind, one in workloads_in(document):
                found = found.with_more(_read_one(kind, one, of_part))
    return found.with_more(DeployedManifests(faults=tuple(reading.faults)))


def bounded_documents(text: str, *, with_config_maps: bool = False) -> Iterator[tuple[int, str]]:
    """Yield the documents about workloads, each with the number of lines above it. Raises TooMuchYaml."""
    left = MOST_TEXT
    for lines_above, part in _documents_of(text):
        if names_a_workload(part) or (with_config_maps and "ConfigMap" in part):
            left -= len(part)
            if left < 0:
                raise TooMuchYaml
            yield lines_above, part


def _documents_of(text: str) -> Iterator[tuple[int, str]]:
    """Yield the documents of a text, each with the number of lines above it. `---` begins one wherever it stands."""
    starts = [0, *(matched.start() for matched in _SEPARATOR.finditer(text)), len(text)]
    lines = 0
    for start, end in pairwise(starts):
        part = text[start:end]
        yield lines, part
        lines += part.count("\n")


def _read_one(kind: str, document: YamlValue, reading: ManifestReading) -> DeployedManifests:
    if kind == "HorizontalPodAutoscaler":
        scaler = pod_scaler(document, reading)
        return DeployedManifests(pod_scalers=(scaler,) if scaler.targets else ())
    if kind == "VerticalPodAutoscaler":
        return DeployedManifests(memory_scalers=(memory_scaler(document, reading),))
    pod = pod_of(kind, document)
    return DeployedManifests((_workload(kind, document, pod, reading),) if pod.get("containers") else ())


def _workload(kind: str, document: YamlValue, pod: YamlValue, reading: ManifestReading) -> DeployedWorkload:
    name = reading.name(document.get("metadata", "name")) or reading.name(document.get("metadata", "generateName"))
    volumes = tuple(_volumes(pod, reading))
    in_memory = {volume.name for volume in volumes}
    where = f"{kind}/{name}"
    return DeployedWorkload(
        reading.source, ManifestPlatform.KUBERNETES, kind[:100], name, reading.place(document),
        tuple(islice(_containers(pod, where, in_memory, reading), MOST_CONTAINERS)), volumes,
        reading.amount(pod.get("resources", "limits", "memory"), f"{where}: resources.limits.memory"),
        reading.amount(pod.get("resources", "requests", "memory"), f"{where}: resources.requests.memory"),
        reading.name(document.get("metadata", "namespace")),
    )  # fmt: skip


def _containers(pod: YamlValue, where: str, in_memory: set[str], reading: ManifestReading) -> Iterator[Container]:
    for entry in pod.get("initContainers").entries():
        role = Role.SIDECAR if entry.get("restartPolicy").text == "Always" else Role.INIT
        yield _container(entry, role, where, in_memory, reading)
    for entry in pod.get("containers").entries():
        yield _container(entry, Role.MAIN, where, in_memory, reading)


def _container(entry: YamlValue, role: Role, where: str, in_memory: set[str], reading: ManifestReading) -> Container:
    name = reading.name(entry.get("name"))
    mounts = (mount.get("name").text or "" for mount in entry.get("volumeMounts").entries())
    key, resources = f"{where}: {name}: resources", entry.get("resources")
    return Container(
        name, reading.name(entry.get("image")), reading.place(entry), role,
        reading.amount(resources.get("requests", "memory"), f"{key}.requests.memory"),
        reading.amount(resources.get("limits", "memory"), f"{key}.limits.memory"),
        tuple(dict.fromkeys(mount for mount in mounts if mount in in_memory)), None,
        reading.spot(entry, SpotKeys.RESOURCES, SpotKeys.LIMITS, SpotKeys.MEMORY),
        reading.spot(entry, SpotKeys.RESOURCES, SpotKeys.REQUESTS, SpotKeys.MEMORY),
        reading.cpu_limit(resources.get("limits", "cpu")),
    )  # fmt: skip


def _volumes(pod: YamlValue, reading: ManifestReading) -> Iterator[MemoryVolume]:
    for entry in islice(pod.get("volumes").entries(), MOST_CONTAINERS):
        folder = entry.get("emptyDir")
        if folder.get("medium").text == "Memory":
            name = reading.name(entry.get("name"))
            size = reading.amount(folder.get("sizeLimit"), f"volumes: {name}: emptyDir.sizeLimit")
            yield MemoryVolume(name, reading.place(folder or entry), size, reading.spot(folder, SpotKeys.SIZE_LIMIT))
