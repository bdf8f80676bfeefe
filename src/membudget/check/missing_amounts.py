"""Finds where missing amounts of memory can be written, such as the `resources: {}` of a values file.

As for amounts that are there (`value_places`), how a file looks proves nothing: an amount is written at each place that
may do, the manifest is read or rendered again, and the amount that comes out tells which place it was. What does not
come out, or changes anything else, is not suggested.
"""

import posixpath
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from membudget.check.manifest_files import Gathered
from membudget.check.value_places import MOST_S, MOST_SINGLE_TRIES, Read, file_text
from membudget.core.errors import ProgramFailed
from membudget.core.quantities import MIB
from membudget.judge.manifests import written
from membudget.manifests.deployed import Container, DeployedManifests, MemoryVolume
from membudget.manifests.kubernetes import TooMuchYaml, names_a_workload, read_kubernetes
from membudget.manifests.reading import ManifestReading
from membudget.manifests.spots import Spot, SpotKeys, SpotPart, SpotSource, insertion, plain_lines, step_of
from membudget.manifests.yaml_text import InvalidYaml, YamlValue, read_values

_MOST_SPOTS = 200
_MOST_VISITED, _DEEPEST = 3000, 20
_TRIES_OF_MANY = 2
"""The first tries write amounts at many spots at once."""
_FIRST_MIB = 1021
"""The first amount that is tried, in MiB. It looks like those of people, because a chart's schema may want that."""
_SIBLINGS = ("image", "replicaCount", "replicas")
"""A table of values with one of these keys describes a workload, which may take its resources from there."""
_LIMIT = (SpotKeys.RESOURCES, SpotKeys.LIMITS, SpotKeys.MEMORY)
_REQUEST = (SpotKeys.RESOURCES, SpotKeys.REQUESTS, SpotKeys.MEMORY)


def with_spots_of_file(
    deployment: DeployedManifests, path: str, text: str, read: Callable[[str], DeployedManifests]
) -> DeployedManifests:
    """Return what a file deploys, with only the spots that hold what they promise. `read` is how it was read."""
    if not deployment.spots:
        return deployment
    found = _tried(deployment, deployment.spots, {path: text}, lambda texts: read(texts[path]))
    return deployment.with_spots(found or {})


def with_spots_of_sources(
    deployment: DeployedManifests, gathered: Gathered, values: Collection[str], read: Read
) -> DeployedManifests:
    """Return what was rendered, with the spots in its sources. `values` are the values files that are given."""
    if not deployment.lacks_amounts:
        return deployment
    texts = {path: text for path, content in gathered.files.items() if (text := file_text(path, content)) is not None}
    usual, guessed = _in_manifests(texts), list[Spot]()
    for path, text in texts.items():
        if path in values or posixpath.basename(path).startswith("values."):
            named, others = _in_values(path, text)
            usual += named
            guessed += others
    usual, guessed = usual[:_MOST_SPOTS], guessed[:_MOST_SPOTS]
    tries = [[*usual, *guessed], usual, *([one] for one in [*usual, *guessed][:MOST_SINGLE_TRIES])]
    found: dict[int, Spot] = {}
    begun = time.monotonic()
    for number, some in enumerate(tries):
        if not some or time.monotonic() - begun > MOST_S:
            continue
        spots = _tried(deployment, some, texts, lambda changed: read(_files(gathered, changed)))
        found = (spots or {}) | found
        if spots and number < _TRIES_OF_MANY:
            break
    origins = {number: replace(spot, path=gathered.origin(spot.path)) for number, spot in found.items()}
    return deployment.with_spots(origins)


def _files(gathered: Gathered, changed: Mapping[str, str]) -> Mapping[str, bytes]:
    return {**gathered.files, **{path: text.encode() for path, text in changed.items()}}


def _in_manifests(texts: Mapping[str, str]) -> list[Spot]:
    """Return the spots in manifests among the sources: those of Kustomize, and templates that are YAML."""
    found: list[Spot] = []
    for path, text in texts.items():
        lines = plain_lines(text)
        if lines and names_a_workload(text):
            try:
                found += read_kubernetes(text, ManifestReading(path, path, lines=lines, step=step_of(text))).spots
            except (InvalidYaml, TooMuchYaml):
                continue  # most templates are none
    return found


def _in_values(path: str, text: str) -> tuple[list[Spot], list[Spot]]:
    """Return the spots in a values file: those below keys for resources, and those where such a key may belong."""
    named, guessed = list[Spot](), list[Spot]()
    source = SpotSource(path, plain_lines(text), step=step_of(text))
    try:
        documents = read_values(text)
    except InvalidYaml:
        return named, guessed
    for key, mapping in _mappings(documents):
        if key.lower().endswith("resources") and key != "resources":
            named += _spots(source, mapping, _LIMIT[1:], _REQUEST[1:])
        elif mapping.get("resources"):
            named += _spots(source, mapping, _LIMIT, _REQUEST)
        elif any(mapping.get(sibling) for sibling in _SIBLINGS):
            guessed += _spots(source, mapping, _LIMIT, _REQUEST)
    return named, guessed


def _spots(source: SpotSource, mapping: YamlValue, *keys: tuple[SpotKeys, ...]) -> list[Spot]:
    return [spot for one in keys if (spot := source.spot(mapping, *one)) is not None]


def _mappings(documents: Sequence[YamlValue]) -> Iterator[tuple[str, YamlValue]]:
    """Yield the mappings of a values file with their keys, each once, as far as they are within bounds."""
    waiting, seen = [("", one, 0) for one in documents[:1]], set[int]()
    while waiting and len(seen) < _MOST_VISITED:
        key, value, depth = waiting.pop()
        if id(value.node) in seen or depth > _DEEPEST:
            continue
        seen.add(id(value.node))
        if value.is_mapping:
            yield key, value
            waiting += [(name, inner, depth + 1) for name, inner in value.items()]
        waiting += [("", entry, depth + 1) for entry in value.entries()]


def _tried(
    deployment: DeployedManifests,
    spots: Sequence[Spot],
    texts: Mapping[str, str],
    read: Callable[[Mapping[str, str]], DeployedManifests],
) -> dict[int, Spot] | None:
    """Return the spots that come out if an amount is written at each, by the number of the missing amount.

    None if what comes out differs otherwise, or cannot be read.
    """
    taken, probes = {amount.size_bytes for amount in deployment.amounts}, dict[int, Spot]()
    parts: list[SpotPart] = []
    size_mib = _FIRST_MIB
    for spot in dict.fromkeys(spots):
        while size_mib * MIB in taken:
            size_mib += 1
        parts.append((spot, written(size_mib * MIB, deployment.workloads[0].platform)))
        probes[size_mib * MIB] = spot
        size_mib += 1
    paths = {spot.path for spot in spots}
    changed = {path: _written(texts[path], [one for one in parts if one[0].path == path]) for path in paths}
    try:
        other = read(changed)
    except (ProgramFailed, InvalidYaml, TooMuchYaml):
        return None
    if _shape(other) != _shape(deployment) or len(other.faults) != len(deployment.faults):
        return None
    found: dict[int, Spot] = {}
    for number, (before, after) in enumerate(zip(deployment.possible_amounts, other.possible_amounts, strict=True)):
        if before is None and after is not None and after.size_bytes in probes:
            found[number] = probes[after.size_bytes]
        elif (before and before.size_bytes) != (after and after.size_bytes):
            return None
    return found


def _written(text: str, parts: Sequence[SpotPart]) -> str:
    """Return a text with amounts written at spots."""
    lines = text.split("\n")
    together: list[list[SpotPart]] = []
    for part in parts:
        beside = next((group for group in together if group[0][0].is_beside(part[0])), None)
        if beside is None:
            together.append([part])
        else:
            beside.append(part)
    inserted = sorted(((group[0][0].line - 1, *insertion(group)) for group in together), reverse=True)
    for number, at, new in inserted:
        lines[number] = f"{lines[number][:at]}{new}{lines[number][at:]}"
    return "\n".join(lines)


def _shape(deployment: DeployedManifests) -> list[object]:
    """Return what must stay the same when an amount is added: everything but amounts and lines."""

    def container(one: Container) -> object:
        return one.name, one.image, one.role, one.volumes

    def volume(one: MemoryVolume) -> object:
        return one.name

    return [
        [(one.kind, one.namespace, one.name, list(map(container, one.containers)), list(map(volume, one.volumes)))
         for one in deployment.workloads],
        [(one.kind, one.namespace, one.target, one.name) for one in deployment.pod_scalers],
        [(one.kind, one.namespace, one.target, one.name) for one in deployment.memory_scalers],
    ]  # fmt: skip
