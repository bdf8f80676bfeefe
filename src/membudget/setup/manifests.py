"""Finds the containers that Kubernetes manifests deploy: their memory limits, ports and probes."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TypeGuard

from membudget.budgets.fields import LARGEST_SIZE_BYTES
from membudget.budgets.possible import SMALLEST_LIMIT_BYTES
from membudget.manifests.kubernetes import PODS, RUN_TO_END, names_a_workload, pod_of, workloads_in
from membudget.manifests.quantities import InvalidQuantity, kubernetes_bytes
from membudget.manifests.yaml_text import YamlValue
from membudget.setup.dockerfiles import asked_by
from membudget.setup.found import Deployed, Fact, Origin, Probe, image_name, last_part
from membudget.setup.repository import RepositoryFiles

_PROBES = ("readinessProbe", "startupProbe", "livenessProbe")
_MOST_CONTAINERS = 50
_MOST_VARIABLES = 200


def read_manifests(files: RepositoryFiles, charts: tuple[str, ...]) -> Iterator[Deployed]:
    """Yield the containers of all manifests. Those of charts are left out: they are templates and no YAML."""
    folders = tuple(f"{chart}/" if chart != "." else "templates/" for chart in charts)
    for path in files.having(lambda path: path.endswith((".yaml", ".yml")) and not path.startswith(folders)):
        if "/.github/" in f"/{path}":
            continue
        text = files.text(path)
        if text is None or not names_a_workload(text):
            continue
        for document in files.documents(path, text):
            yield from deployed_in(path, document)


def deployed_in(path: str, document: YamlValue) -> Iterator[Deployed]:
    """Yield the containers of one document, or of each entry if it is a list."""
    for kind, workload in workloads_in(document):
        if kind in PODS:
            yield from _of_workload(path, kind, workload)


def _of_workload(path: str, kind: str, document: YamlValue) -> Iterator[Deployed]:
    pod = pod_of(kind, document)
    containers = list(islice(pod.get("containers").entries(), _MOST_CONTAINERS))
    workload = document.get("metadata", "name").text if len(containers) == 1 else None
    for container in containers:
        yield deployed(path, container, kind in RUN_TO_END, workload)


def deployed(path: str, container: YamlValue, runs_to_end: bool, workload: str | None) -> Deployed:
    """Return what a container of a pod says. `workload` is the name of its pod's owner, if it is the only container."""
    image = container.get("image").text
    names = (last_part(image) if image is not None else None, container.get("name").text, workload)
    ports = dict(_ports(path, container))
    return Deployed(
        names=tuple(dict.fromkeys(image_name(name) for name in names if name)),
        origin=Origin(path, container.line),
        limit=limit_of(path, container),
        ports=tuple(ports.values()),
        probes=tuple(probes_of(path, container, ports)),
        runs_to_end=runs_to_end,
        variables=dict(_variables(container)),
        has_own_command=bool(container.get("command") or container.get("args")),
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


def _variables(container: YamlValue) -> Iterator[tuple[str, str]]:
    """Yield the variables with a value. Those from secrets, fields and other variables have none that is known."""
    for entry in islice(container.get("env").entries(), _MOST_VARIABLES):
        name, value = entry.get("name").text, entry.get("value").text
        if name is not None and value is not None and "$(" not in value:
            yield name, value


def _ports(path: str, container: YamlValue) -> Iterator[tuple[str, Fact[int]]]:
    """Yield the TCP ports by name. A port without a name has its number as one."""
    for entry in container.get("ports").entries():
        port = entry.get("containerPort")
        number = port.number
        if number is not None and 1 <= number <= 65535 and entry.get("protocol").text in (None, "TCP"):
            yield entry.get("name").text or str(number), Fact(number, Origin(path, port.line))


def probes_of(path: str, container: YamlValue, ports: Mapping[str, Fact[int]]) -> Iterator[Fact[Probe]]:
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
                yield Fact(Probe(target if kind == "httpGet" else None, port), Origin(path, asked.line))
        command = asked_by(" ".join(probe.get("exec", "command").texts()), {})
        if command is not None:
            yield Fact(command, origin)


def _port(value: YamlValue, ports: Mapping[str, Fact[int]]) -> int | None:
    number = value.number
    if number is not None:
        return number if 1 <= number <= 65535 else None
    named = ports.get(value.text or "")
    return named.value if named is not None else None
