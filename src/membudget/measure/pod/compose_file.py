"""Compose files: the checkout's and a trial's own.

The pull request controls the checkout's file, which may therefore read nothing outside the checkout.
"""

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import yaml
from pydantic import JsonValue, TypeAdapter, ValidationError

from membudget.budgets.container import ComposeSettings
from membudget.core.errors import ConfigurationError
from membudget.engine.compose import ComposeModel, ComposeRefused, literally
from membudget.engine.connection import RUN_LABEL
from membudget.engine.containers import LOG_DRIVER, LOG_OPTIONS
from membudget.engine.options import ContainerOptions
from membudget.measure.inputs import LARGEST_SETTINGS_BYTES, read_input
from membudget.measure.pod.compose_plan import plan_pod
from membudget.measure.pod.compose_references import fix_for, needed_part, variables_file, with_readable_files
from membudget.measure.pod_plan import Condition, PodPlan

_OBJECT = TypeAdapter(dict[str, JsonValue])
_MOST_VALUES = 100_000
"""The number of values with every alias expanded. A few lines of aliases can expand to more than fits in memory."""

Resolve = Callable[[ComposeModel, Path, Path | None], ComposeModel]


def read_pod(settings: ComposeSettings, image_name: str, checkout: Path, resolve: Resolve, *, is_open: bool) -> PodPlan:
    """Return the pod that measures `image_name`. Raises ConfigurationError if the compose file is invalid.

    `resolve` lets compose itself interpret the file.
    """
    model = read_model(settings.file, f"images.{image_name}.compose.file", checkout)
    model = needed_part(model, (settings.service or image_name, *settings.sidecars))
    model = with_readable_files(model, settings, checkout)
    project = checkout / posixpath.dirname(posixpath.normpath(settings.file))
    try:
        resolved = resolve(model, project, variables_file(settings, checkout))
    except ComposeRefused as error:
        fix = fix_for(str(error))
        raise ConfigurationError(f"docker compose says: {error}", where=settings.file, fix=fix) from None
    return plan_pod(resolved, settings, image_name, PurePosixPath(checkout), is_open=is_open)


def read_model(name: str, where: str, checkout: Path, most_bytes: int = LARGEST_SETTINGS_BYTES) -> ComposeModel:
    """Return a compose file as it is written. Raises ConfigurationError, also if it is larger than `most_bytes`.

    `where` is the place that names the file.
    """
    content = read_input(checkout, name, where, most_bytes)
    try:
        given = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"cannot be read as YAML: {error}", where=name) from None
    if _size(given, {}) > _MOST_VALUES:
        raise ConfigurationError(f"has more than {_MOST_VALUES:,} values", where=name)
    try:
        return _OBJECT.validate_python(given)
    except (ValidationError, RecursionError):
        raise ConfigurationError("is no compose file: its keys are names, its values plain", where=name) from None


def _size(value: object, known: dict[int, int]) -> int:
    """Return the number of values with every alias expanded. A value that contains itself counts as too many."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in known:
        known[id(value)] = _MOST_VALUES + 1  # until it is counted
        inner = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_size(part, known) for part in inner)
    return known[id(value)]


_HEALTH_INTERVAL = "500ms"
"""The engine's first check comes after one interval, which is 30 s by default."""

_PROXIES = tuple(
    name for kind in ("http", "https", "ftp", "no", "all") for name in (f"{kind}_proxy", f"{kind}_proxy".upper())
)
"""Variables that compose sets from the user's `proxies` (~/.docker/config.json), including passwords. A null value
keeps a variable unset.
"""


@dataclass(frozen=True, slots=True)
class Project:
    """What a trial adds to a pod's plan."""

    name: str
    run: str
    images: Mapping[str, str | None]
    """Images by service. The next two are also by service."""
    container_names: Mapping[str, str]
    places: Mapping[str, ContainerOptions]
    """The options of the measured services."""


def project_model(plan: PodPlan, project: Project) -> dict[str, JsonValue]:
    """Return the compose file of one trial."""
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
        "volumes": {name: {**_object(given), "labels": marks} for name, given in plan.volumes.items()},
    }


def _environment(definition: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return the variables that have a value.

    Compose would fill the others from membudget's environment, and would add the user's proxies.
    """
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
    """Return environment, files and rights. The budgets file overrides the compose file."""
    environment = {name: literally(value) for name, value in place.environment.items()}
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
    """Return the command of a one-shot job."""
    changes: dict[str, JsonValue] = {}
    if place.command is not None:
        changes["command"] = [literally(word) for word in place.command]
    if place.workdir is not None:
        changes["working_dir"] = place.workdir
    if place.interactive:
        changes["stdin_open"] = True
    return changes


def _object(value: JsonValue) -> dict[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
