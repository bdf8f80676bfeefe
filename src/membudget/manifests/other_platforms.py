"""Reads the containers of compose files and of ECS task definitions."""

import re
from collections.abc import Callable
from itertools import islice

from membudget.manifests.deployed import (
    MOST_CONTAINERS,
    MOST_WORKLOADS,
    Amount,
    Container,
    DeployedManifests,
    DeployedWorkload,
    ManifestPlatform,
    MemoryVolume,
)
from membudget.manifests.quantities import compose_bytes, ecs_bytes
from membudget.manifests.reading import ManifestReading
from membudget.manifests.spots import Spot, SpotKeys
from membudget.manifests.yaml_text import YamlValue, read_values

LIMIT_OF_COMPOSE = (("deploy", "resources", "limits", "memory"), ("mem_limit",))
"""The keys of a service's memory limit, those that count first."""
_REQUEST_OF_COMPOSE = (("deploy", "resources", "reservations", "memory"), ("mem_reservation",))
_VARIABLE = re.compile(r"\$\{\w+:?-([^${}]*)\}", re.ASCII)
_TMPFS_SIZE = re.compile(r"(?:^|[:,])size=([^,]*)")


def read_compose(text: str, reading: ManifestReading) -> DeployedManifests:
    """Return the services of a compose file. Raises InvalidYaml. Of variables, the defaults are read."""
    workloads = []
    for document in read_values(text)[:1]:
        for name, service in islice(document.get("services").items(), MOST_WORKLOADS):
            where, place = f"services.{name}", reading.place(service)
            limit = _first(service, LIMIT_OF_COMPOSE, where, reading)
            request = _first(service, _REQUEST_OF_COMPOSE, where, reading)
            volumes = tuple(_tmpfs(service, where, reading))
            names = tuple(volume.name for volume in volumes)
            image = _defaulted(service.get("image").text or "")[:300]
            spot = _spot(service, reading) if limit is None else None
            cpus = service.get("deploy", "resources", "limits", "cpus") or service.get("cpus")
            container = Container(
                name[:300], image, place, request=request, limit=limit, volumes=names, limit_spot=spot,
                cpu_limit=reading.cpu_limit(cpus),
            )  # fmt: skip
            workloads.append(
                DeployedWorkload(
                    reading.source, ManifestPlatform.COMPOSE, "service", name[:300], place, (container,), volumes
                )
            )
    return DeployedManifests(tuple(workloads), faults=tuple(reading.faults))


def _spot(service: YamlValue, reading: ManifestReading) -> Spot | None:
    """Return where a service without a limit can have one. Compose refuses both keys at once."""
    if any(service.get(*keys) for keys in LIMIT_OF_COMPOSE):
        return None
    if service.get("deploy", "resources"):
        return reading.spot(service, SpotKeys.DEPLOY, SpotKeys.RESOURCES, SpotKeys.LIMITS, SpotKeys.MEMORY)
    return reading.spot(service, SpotKeys.MEM_LIMIT)


def _first(
    service: YamlValue, keys: tuple[tuple[str, ...], ...], where: str, reading: ManifestReading
) -> Amount | None:
    for key in keys:
        value = service.get(*key)
        if value.text is not None and "$" in _defaulted(value.text):
            reading.fault(value, f"{where}.{'.'.join(key)}", "it is a variable without a default")
        elif value:
            return reading.amount(value, f"{where}.{'.'.join(key)}", _with_defaults(compose_bytes))
    return None


def _tmpfs(service: YamlValue, where: str, reading: ManifestReading) -> list[MemoryVolume]:
    found = []
    for text in service.get("tmpfs").texts()[:MOST_CONTAINERS]:
        folder, matched = text.split(":")[0], _TMPFS_SIZE.search(text)
        place, value = reading.place(service.get("tmpfs")), service.get("tmpfs")
        try:
            size = Amount(compose_bytes(matched[1]), matched[1][:50], place) if matched is not None else None
        except ValueError as error:
            reading.fault(value, f"{where}.tmpfs", f"{matched[1] if matched else ''!r} is no amount of memory: {error}")
            size = None
        found.append(MemoryVolume(folder[:300], place, size))
    return found


def _defaulted(text: str) -> str:
    """Return a text of a compose file with the defaults of its variables."""
    return _VARIABLE.sub(r"\1", text)


def _with_defaults(parse: Callable[[str], int]) -> Callable[[str], int]:
    return lambda text: parse(_defaulted(text))


def read_ecs(text: str, reading: ManifestReading) -> DeployedManifests:
    """Return the task of an ECS task definition, in JSON. Raises InvalidYaml, as JSON is read as YAML with places."""
    for document in read_values(text.replace("\t", " "))[:1]:
        task = document.get("taskDefinition") or document
        name, place = reading.name(task.get("family")) or "task", reading.place(task)
        containers = []
        for entry in islice(task.get("containerDefinitions").entries(), MOST_CONTAINERS):
            own = reading.name(entry.get("name"))
            where = f"containerDefinitions: {own}"
            containers.append(
                Container(
                    own,
                    reading.name(entry.get("image")),
                    reading.place(entry),
                    request=reading.amount(entry.get("memoryReservation"), f"{where}: memoryReservation", ecs_bytes),
                    limit=reading.amount(entry.get("memory"), f"{where}: memory", ecs_bytes),
                    limit_spot=reading.spot(entry, SpotKeys.MEMORY),
                    request_spot=reading.spot(entry, SpotKeys.MEMORY_RESERVATION),
                )
            )
        limit = reading.amount(task.get("memory"), "memory", ecs_bytes)
        task_of = DeployedWorkload(
            reading.source, ManifestPlatform.ECS, "task", name, place, tuple(containers), limit=limit
        )
        return DeployedManifests((task_of,), faults=tuple(reading.faults))
    return DeployedManifests(faults=tuple(reading.faults))
