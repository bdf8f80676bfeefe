"""The environment variables of containers in Kubernetes manifests: values, also of ConfigMaps, and what has none."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from membudget.manifests.kubernetes import workloads_in
from membudget.manifests.yaml_text import YamlValue

_MOST_VARIABLES, _MOST_SOURCES, _MOST_CONFIG_MAPS = 200, 20, 200


@dataclass(frozen=True, slots=True)
class ConfigMap:
    """The values of a ConfigMap, and the file that it was found in."""

    path: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ContainerVariables:
    """The variables of one container."""

    values: Mapping[str, str]
    unknown: tuple[str, ...] = ()
    """What no manifest gives a value: names of variables, and secrets that a container takes as a whole."""
    sources: tuple[str, ...] = ()
    """The files of the ConfigMaps."""


ConfigMaps = Mapping[str, ConfigMap]


def config_maps(documents: Iterable[tuple[str, YamlValue]]) -> ConfigMaps:
    """Return the ConfigMaps of documents, each with its path, by name. Of several of one name, the first counts."""
    found: dict[str, ConfigMap] = {}
    for path, document in documents:
        for kind, entry in workloads_in(document):
            name = entry.get("metadata", "name").text
            if kind == "ConfigMap" and name is not None and name not in found and len(found) < _MOST_CONFIG_MAPS:
                values = islice(entry.get("data").items(), _MOST_VARIABLES)
                found[name] = ConfigMap(path, {key: value.text for key, value in values if value.text is not None})
    return found


def variables_of(container: YamlValue, maps: ConfigMaps) -> ContainerVariables:
    """Return the variables of a container. Those that name other variables have no value that is known."""
    values: dict[str, str] = {}
    unknown: list[str] = []
    used: list[str] = []
    for entry in islice(container.get("envFrom").entries(), _MOST_SOURCES):
        prefix, secret = entry.get("prefix").text or "", entry.get("secretRef", "name").text
        found = maps.get(entry.get("configMapRef", "name").text or "")
        if found is not None:
            values |= {f"{prefix}{name}": value for name, value in found.values.items()}
            used.append(found.path)
        if secret is not None:
            unknown.append(f"all of the secret {secret}")
    for name, value, path in _named(container, maps):
        if value is not None:
            values[name] = value
        else:
            values.pop(name, None)
            unknown.append(name)
        used += [path] if path is not None else []
    return ContainerVariables(values, tuple(dict.fromkeys(unknown)), tuple(dict.fromkeys(used)))


def _named(container: YamlValue, maps: ConfigMaps) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield the name of each variable, its value, and the file of the ConfigMap that has the value."""
    for entry in islice(container.get("env").entries(), _MOST_VARIABLES):
        name, value, source = entry.get("name").text, entry.get("value").text, entry.get("valueFrom")
        if name is None:
            continue
        if value is not None and "$(" not in value:
            yield name, value, None
        elif source.get("configMapKeyRef"):
            found = maps.get(source.get("configMapKeyRef", "name").text or "")
            given = found.values.get(source.get("configMapKeyRef", "key").text or "") if found is not None else None
            yield name, given, found.path if found is not None and given is not None else None
        elif source.get("secretKeyRef") or value is not None:
            yield name, None, None
