"""A pod as compose is told to make it: its services as their file says, in the places that a trial gives them."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from membudget.engine.connection import RUN_LABEL
from membudget.engine.containers import LOG_DRIVER, LOG_OPTIONS
from membudget.engine.options import ContainerOptions
from membudget.measure.pod_plan import Condition, PodPlan

_HEALTH_INTERVAL = "500ms"
"""An engine waits for one interval before it looks the first time: 30 s by default."""

_PROXIES = tuple(
    name for kind in ("http", "https", "ftp", "no", "all") for name in (f"{kind}_proxy", f"{kind}_proxy".upper())
)
"""What compose takes from the user's `proxies` (~/.docker/config.json), passwords and all. Null: it stays unset."""


@dataclass(frozen=True, slots=True)
class Project:
    """What a trial adds to a pod's plan."""

    name: str
    run: str
    images: Mapping[str, str | None]
    """By service, as the other two."""
    container_names: Mapping[str, str]
    places: Mapping[str, ContainerOptions]
    """Of what is measured."""


def project_model(plan: PodPlan, project: Project) -> dict[str, JsonValue]:
    """The compose file of one trial."""
    marks: dict[str, JsonValue] = {RUN_LABEL: project.run}
    needs = [need for service in plan.services.values() for need in service.needs.items()]
    awaited = {name for name, condition in needs if condition is Condition.HEALTHY}
    services: dict[str, JsonValue] = {}
    for name, service in plan.services.items():
        definition: dict[str, JsonValue] = {**service.definition}
        place = project.places.get(name)
        if place is not None:
            definition |= _cgroup(place)
        if place is not None and name == plan.measured:
            definition |= _limits(place) | _contents(definition, place) | _command(place)
        if name in awaited or (place is not None and place.health_interval_ms is not None):
            definition["healthcheck"] = {**_object(definition.get("healthcheck")), "interval": _HEALTH_INTERVAL}
        definition["environment"] = _environment(definition)
        definition["logging"] = {"driver": LOG_DRIVER, "options": {**LOG_OPTIONS}}
        definition["image"] = project.images[name]
        definition["container_name"] = project.container_names[name]
        definition["labels"] = marks | {f"{RUN_LABEL}.role": "trial"}
        services[name] = definition
    return {
        "name": project.name,
        "services": services,
        "networks": {name: {**_object(given), "labels": marks} for name, given in plan.networks.items()},
        "volumes": {name: {"labels": marks} for name in plan.volumes},
    }


def _environment(definition: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Its variables that have a value. One without would get ours, and compose adds the user's proxies to the rest."""
    given = {name: value for name, value in _object(definition.get("environment")).items() if value is not None}
    return dict.fromkeys(_PROXIES) | given


def _cgroup(place: ContainerOptions) -> dict[str, JsonValue]:
    given: dict[str, JsonValue] = {"cgroup_parent": place.cgroup_parent, "cpuset": place.cpuset}
    return {key: value for key, value in given.items() if value is not None}


def _limits(place: ContainerOptions) -> dict[str, JsonValue]:
    if place.memory_bytes is None:
        return {}
    return {"mem_limit": place.memory_bytes, "memswap_limit": place.memory_bytes}


def _contents(definition: Mapping[str, JsonValue], place: ContainerOptions) -> dict[str, JsonValue]:
    """Environment, files and rights: those of the budgets file over those of the compose file."""
    environment = {name: _literally(value) for name, value in place.environment.items()}
    tmpfs: list[JsonValue] = [f"{path}:size={size},mode=1777" for path, size in place.tmpfs.items()]
    volumes: list[JsonValue] = [{"type": "volume", "target": path} for path in place.volumes]
    changes: dict[str, JsonValue] = {
        "environment": {**_object(definition.get("environment")), **environment},
        "tmpfs": [*_list(definition.get("tmpfs")), *tmpfs],
        "volumes": [*_list(definition.get("volumes")), *volumes],
    }
    if place.user is not None:
        changes["user"] = place.user
    if place.read_only:
        changes["read_only"] = True
    return changes


def _command(place: ContainerOptions) -> dict[str, JsonValue]:
    """Of a one-shot job."""
    changes: dict[str, JsonValue] = {}
    if place.command is not None:
        changes["command"] = [_literally(word) for word in place.command]
    if place.workdir is not None:
        changes["working_dir"] = place.workdir
    if place.interactive:
        changes["stdin_open"] = True
    return changes


def _literally(text: str) -> str:
    """Compose fills in variables; here there are none."""
    return text.replace("$", "$$")


def _object(value: JsonValue) -> dict[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
