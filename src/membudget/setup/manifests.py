"""Finds the containers that Kubernetes manifests deploy: their memory limits, ports and probes."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import TypeGuard

from membudget.budgets.fields import LARGEST_SIZE_BYTES
from membudget.budgets.possible import SMALLEST_LIMIT_BYTES
from membudget.manifests.kubernetes import PODS, RUN_TO_END, names_a_workload, pod_of, workloads_in
from membudget.manifests.quantities import InvalidQuantity, kubernetes_bytes
from membudget.manifests.yaml_text import YamlValue
from membudget.setup.dockerfiles import asked_by, ports_in_command
from membudget.setup.found import Deployed, Fact, HealthProbe, Origin, image_name, last_part
from membudget.setup.manifest_variables import ConfigMaps, config_maps, variables_of
from membudget.setup.repository import RepositoryFiles

_PROBES = ("readinessProbe", "startupProbe", "livenessProbe")
_MOST_CONTAINERS = 50
_CONFIG_MAP = re.compile(r"\bkind[\"']?\s*:\s*[\"']?ConfigMap\b")


def read_manifests(files: RepositoryFiles, charts: tuple[str, ...]) -> Iterator[Deployed]:
    """Yield the containers of all manifests, with the values of ConfigMaps of the same folder.

    Manifests of charts are left out: they are templates and no YAML.
    """
    read: list[tuple[str, YamlValue]] = []
    folders = tuple(f"{chart}/" if chart != "." else "templates/" for chart in charts)
    for path in files.having(lambda path: path.endswith((".yaml", ".yml")) and not path.startswith(folders)):
        if "/.github/" in f"/{path}":
            continue
        text = files.text(path)
        if text is not None and (names_a_workload(text) or _CONFIG_MAP.search(text) is not None):
            read += [(path, document) for document in files.documents(path, text)]
    of_folders: dict[str, list[tuple[str, YamlValue]]] = {}
    for path, document in read:
        of_folders.setdefault(posixpath.dirname(path), []).append((path, document))
    for documents in of_folders.values():
        maps = config_maps(documents)
        for path, document in documents:
            yield from deployed_in(path, document, maps)


def deployed_in(path: str, document: YamlValue, maps: ConfigMaps) -> Iterator[Deployed]:
    """Yield the containers of one document, or of each entry if it is a list."""
    for kind, workload in workloads_in(document):
        if kind in PODS:
            yield from _of_workload(path, kind, workload, maps)


def _of_workload(path: str, kind: str, document: YamlValue, maps: ConfigMaps) -> Iterator[Deployed]:
    pod = pod_of(kind, document)
    containers = list(islice(pod.get("containers").entries(), _MOST_CONTAINERS))
    workload = document.get("metadata", "name").text if len(containers) == 1 else None
    for container in containers:
        yield replace(_deployed(path, container, workload, maps), runs_to_end=kind in RUN_TO_END)


def _deployed(path: str, container: YamlValue, workload: str | None, maps: ConfigMaps) -> Deployed:
    """Return what a container of a pod says. `workload` is the name of its pod's owner, if it is the only container."""
    image = container.get("image").text
    names = (last_part(image) if image is not None else None, container.get("name").text, workload)
    ports = dict(_ports(path, container))
    variables = variables_of(container, maps)
    words = [*container.get("command").texts(), *container.get("args").texts()]
    at_command = Origin(path, (container.get("args") or container.get("command")).line)
    named = [Fact(port, at_command) for port in ports_in_command(" ".join(words))]
    return Deployed(
        names=tuple(dict.fromkeys(image_name(name) for name in names if name)),
        origin=Origin(path, container.line),
        limit=limit_of(path, container),
        ports=tuple(ports.values()) or tuple(named),
        probes=tuple(probes_of(path, container, ports)),
        variables=variables.values,
        unknown_variables=variables.unknown,
        sources=(path, *variables.sources),
        has_own_command=bool(words),
    )


def limit_of(path: str, container: YamlValue) -> Fact[int] | None:
    """Return the memory limit in bytes. None if there is none, or if it is no quantity of Kubernetes."""
    limit = container.get("resources", "limits", "memory")
    try:
        limit_bytes = kubernetes_bytes(limit.text.strip()) if limit.text is not None else None
    except InvalidQuantity:
        return None
    return Fact(limit_bytes, Origin(path, limit.line)) if is_possible(limit_bytes) else None


def is_possible(limit_bytes: int | None) -> TypeGuard[int]:
    """Return whether a limit is known, and one that a budgets file can have."""
    return limit_bytes is not None and SMALLEST_LIMIT_BYTES <= limit_bytes <= LARGEST_SIZE_BYTES


def _ports(path: str, container: YamlValue) -> Iterator[tuple[str, Fact[int]]]:
    """Yield the TCP ports by name. A port without a name has its number as one."""
    for entry in container.get("ports").entries():
        port = entry.get("containerPort")
        number = port.number
        if number is not None and 1 <= number <= 65535 and entry.get("protocol").text in (None, "TCP"):
            yield entry.get("name").text or str(number), Fact(number, Origin(path, port.line))


def probes_of(path: str, container: YamlValue, ports: Mapping[str, Fact[int]]) -> Iterator[Fact[HealthProbe]]:
    """Yield the probes of a container that membudget can repeat, the one for readiness first."""
    for key in _PROBES:
        probe = container.get(key)
        origin = Origin(path, probe.line)
        for kind in ("httpGet", "tcpSocket"):
            asked = probe.get(kind)
            port = _port(asked.get("port"), ports)
            target = asked.get("path").text or "/"
            is_plain = asked.get("scheme").text in (None, "HTTP")
            if asked and port is not None and is_plain:
                yield Fact(HealthProbe(target if kind == "httpGet" else None, port), Origin(path, asked.line))
        command = asked_by(" ".join(probe.get("exec", "command").texts()), {})
        if command is not None:
            yield Fact(command, origin)


def _port(value: YamlValue, ports: Mapping[str, Fact[int]]) -> int | None:
    number = value.number
    if number is not None:
        return number if 1 <= number <= 65535 else None
    named = ports.get(value.text or "")
    return named.value if named is not None else None
