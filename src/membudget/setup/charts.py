"""Finds what Helm charts deploy: what `helm template` makes of a chart if helm is there, else what its values say.

Values have no fixed form. Read are the usual keys: `image.repository`, `resources.limits.memory`, `service.port`,
`containerPort` and the probes, at the top of the file or below the name of a component.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Protocol

from membudget.core.errors import ProgramFailed, shortened
from membudget.manifests.yaml_text import InvalidYaml, YamlValue, read_values
from membudget.setup.found import Deployed, Fact, Origin, image_name, last_part
from membudget.setup.manifest_variables import config_maps
from membudget.setup.manifests import deployed_in, limit_of, probes_of
from membudget.setup.repository import RepositoryFiles

_VALUES = ("values.yaml", "values.yml")
_DEEPEST = 4
_MOST_COMPONENTS = 100
_PORTS = (
    ("containerPort",),
    ("service", "targetPort"),
    ("service", "internalPort"),
    ("service", "containerPort"),
    ("service", "port"),
    ("port",),
)
"""Where values have the container's port, the most telling first."""
_DEPENDENCIES = re.compile(r"^dependencies:.*\n(?:[ \t#-].*\n|\n)*", re.MULTILINE)
_CHART_FILES = (".yaml", ".yml", ".tpl", ".json", ".txt", ".helmignore")
_MOST_CHART_FILES, _MOST_CHARTS = 500, 50
"""Rendering a chart takes helm up to half a minute, if somebody wants it to."""


class ChartRenderer(Protocol):
    """Renders charts."""

    def render(self, chart: Mapping[str, str]) -> str:
        """Return the manifests of a chart, given as texts by path. Raises ProgramFailed."""


def chart_folders(files: RepositoryFiles) -> tuple[str, ...]:
    """Return the folders of all charts, without charts inside of charts."""
    found = [
        posixpath.dirname(path) or "." for path in files.having(lambda path: posixpath.basename(path) == "Chart.yaml")
    ]
    if len(found) > _MOST_CHARTS:
        files.skip(found[_MOST_CHARTS], f"more than {_MOST_CHARTS} charts were found before")
    found = found[:_MOST_CHARTS]  # those nearest to the top come first
    return tuple(folder for folder in found if not any(folder.startswith(f"{other}/") for other in found))


def read_charts(files: RepositoryFiles, folders: tuple[str, ...], renderer: ChartRenderer | None) -> Iterator[Deployed]:
    """Yield the containers of all charts. Origins are lines of the values: rendered manifests have none that stay."""
    for folder in folders:
        from_values = list(_of_values(files, folder))
        rendered = list(_rendered(files, folder, renderer)) if renderer is not None else []
        for one in rendered:
            yield _with_lines_of(one, from_values)
        yield from from_values


def _with_lines_of(one: Deployed, from_values: list[Deployed]) -> Deployed:
    """Return what was rendered, with the values' lines for the facts that the values have under the same name."""
    for other in from_values:
        if set(one.names) & set(other.names):
            is_same = one.limit is not None and other.limit is not None and one.limit.value == other.limit.value
            ports = {port.value: port for port in other.ports}
            probes = {probe.value: probe for probe in other.probes}
            return replace(
                one,
                limit=other.limit if is_same else one.limit,
                ports=tuple(ports.get(port.value, port) for port in one.ports),
                probes=tuple(probes.get(probe.value, probe) for probe in one.probes),
            )
    return one


def _rendered(files: RepositoryFiles, folder: str, renderer: ChartRenderer) -> Iterator[Deployed]:
    """Yield the containers of a rendered chart. Their origin is the chart's own file."""
    prefix = "" if folder == "." else f"{folder}/"
    inside = files.having(lambda path: path.startswith(prefix) and path.endswith(_CHART_FILES))
    texts = {path.removeprefix(prefix): files.text(path) for path in inside[:_MOST_CHART_FILES]}
    chart_file = f"{prefix}Chart.yaml"
    known = {path: text for path, text in texts.items() if text is not None}
    try:
        documents = read_values(_manifests(renderer, known))
    except (ProgramFailed, InvalidYaml) as error:
        files.skip(chart_file, shortened(f"helm template: {error}", 200))
        return
    maps = config_maps((chart_file, document) for document in documents)
    for document in documents:
        for one in deployed_in(chart_file, document, maps):
            at_top = Origin(chart_file, 1)
            limit = Fact(one.limit.value, at_top) if one.limit is not None else None
            ports = tuple(Fact(port.value, at_top) for port in one.ports)
            probes = tuple(Fact(probe.value, at_top) for probe in one.probes)
            sources = tuple(f"{prefix}{path}" for path in known)
            yield replace(one, origin=at_top, limit=limit, ports=ports, probes=probes, sources=sources)


def _manifests(renderer: ChartRenderer, chart: Mapping[str, str]) -> str:
    """Return the manifests of a chart. Raises ProgramFailed.

    Charts that it depends on are seldom committed. Without them, helm refuses to render what the chart itself deploys.
    """
    try:
        return renderer.render(chart)
    except ProgramFailed:
        without = _DEPENDENCIES.sub("", chart.get("Chart.yaml", ""))
        if without == chart.get("Chart.yaml", ""):
            raise
        locks = ("Chart.lock", "requirements.yaml", "requirements.lock")
        alone = {path: text for path, text in chart.items() if path not in locks}
        return renderer.render({**alone, "Chart.yaml": without})


def _of_values(files: RepositoryFiles, folder: str) -> Iterator[Deployed]:
    prefix = "" if folder == "." else f"{folder}/"
    path = next((f"{prefix}{name}" for name in _VALUES if files.has_file(f"{prefix}{name}")), None)
    if path is None:
        return
    chart = _chart_name(files, folder)
    for document in files.documents(path)[:1]:
        components = islice(_components(document, chart, 0, set()), _MOST_COMPONENTS)
        yield from (_deployed(path, name, values) for name, values in components)


def _chart_name(files: RepositoryFiles, folder: str) -> str:
    documents = files.documents("Chart.yaml" if folder == "." else f"{folder}/Chart.yaml")
    named = documents[0].get("name").text if documents else None
    return named or posixpath.basename(folder)


def _components(values: YamlValue, name: str, depth: int, seen: set[int]) -> Iterator[tuple[str, YamlValue]]:
    """Yield the mappings that describe a container, with their names. `seen` keeps aliases from multiplying."""
    if id(values.node) in seen:
        return
    seen.add(id(values.node))
    if values.get("image") or values.get("resources", "limits"):
        yield name, values
    if depth < _DEEPEST:
        for key, value in islice(values.items(), _MOST_COMPONENTS):
            if value.is_mapping and key not in ("image", "resources", "service", "ingress", "global"):
                yield from _components(value, key, depth + 1, seen)


def _deployed(path: str, name: str, values: YamlValue) -> Deployed:
    image = values.get("image")
    reference = image.text or image.get("repository").text or image.get("name").text
    names = (last_part(reference) if reference is not None else None, name)
    ports = {str(fact.value): fact for fact in _ports(path, values)}
    first = next(iter(ports.values()), None)
    named = {**ports, "http": first} if first is not None else ports  # the name that `helm create` gives the port
    return Deployed(
        names=tuple(dict.fromkeys(image_name(one) for one in names if one)),
        origin=Origin(path, values.line),
        limit=limit_of(path, values),
        ports=tuple(ports.values()),
        probes=tuple(probes_of(path, values, named)),
    )


def _ports(path: str, values: YamlValue) -> Iterator[Fact[int]]:
    for keys in _PORTS:
        value = values.get(*keys)
        if value.number is not None and 1 <= value.number <= 65535:
            yield Fact(value.number, Origin(path, value.line))
