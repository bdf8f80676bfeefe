"""Turns what was found about an image into what a budgets file says: how it is built, and ways to exercise it.

Which way works is only known once the image has run. So each image has several, the most telling first.
"""

import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from pydantic import ValidationError

from membudget.budgets.entries import ImageSpec
from membudget.setup.found import BakeTarget, BuildDefinition, Fact, FoundImage, HealthProbe, Skipped
from membudget.setup.made_up import local_values, without_secrets

TomlValue: TypeAlias = "str | int | bool | Sequence[TomlValue] | Mapping[str, TomlValue]"

IDLE = "3s"
_NOT_HTTP = frozenset({
    21, 22, 25, 53, 389, 465, 587, 636, 993, 1433, 1521, 1883, 2181, 2379, 3306, 4222, 5432, 5671, 5672, 6379, 6432,
    6650, 9042, 9092, 11211, 26257, 27017, 50051,
})  # fmt: skip
"""Ports of databases, queues and the like (IANA, and their documentation), which are not asked for a page."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_REQUESTS = 100
_TODO_REQUESTS = (
    "TODO: replace this with what your users send, for example:",
    '  kind = "http"',
    '  requests = [{ path = "/books?page=1", count = 500 }]',
)
_TODO_PATH = (
    "TODO: replace the path with what your users ask for. This one only says whether the service is healthy.",
)
_TODO_PAGE = ("TODO: replace the path with what your users ask for. This one answered with 200.",)
_TODO_WORK = (
    "TODO: replace the idle step with work for the service, for example:",
    '  steps = [{ exec = [["./manage", "process", "--once"]] }]',
    "If it answers HTTP requests, replace `kind` and `steps`, for example:",
    '  kind = "http"',
    "  port = 8080",
    '  requests = [{ path = "/books?page=1", count = 500 }]',
)
_SEEN = ("it listened on this port when it ran",)
TODO_COMMAND = (
    "TODO: it ended by itself. If it needs arguments, add the command that it runs, for example:",
    '  command = ["import", "--file", "example.csv"]',
)


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of a budgets file, with the comment above it."""

    key: str
    value: TomlValue
    comment: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Way:
    """A way to run the image."""

    name: str
    """The way in a few words, for the summary."""
    workload: tuple[Setting, ...]
    around: Setting | None = None
    """What the container needs around it: a compose file, or variables. None if it runs alone."""
    is_guess: bool = False
    """Whether nothing in the repository speaks for it, so that it is tried and nothing is said where it fails."""

    @property
    def runs_to_end(self) -> bool:
        """Whether the container has to end by itself."""
        return self._kind == "command"

    @property
    def finds_port(self) -> bool:
        """Whether requests go to the port that the container turns out to listen on."""
        return self._kind == "http" and all(setting.key != "port" for setting in self.workload)

    @property
    def _kind(self) -> object:
        return next((setting.value for setting in self.workload if setting.key == "kind"), None)

    def with_port(self, port: int) -> "Way":
        """Return the way with the port that the container was seen to listen on."""
        kind, *others = self.workload
        return replace(self, workload=(kind, Setting("port", port, _SEEN), *others))


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """An image, and the ways to exercise it."""

    found: FoundImage
    build: Setting
    """How the budgets file says that the image is built."""
    ways: tuple[Way, ...]
    plain_build: Mapping[str, TomlValue] = field(default_factory=dict)
    """The same without a bake file."""

    @property
    def name(self) -> str:
        """The name of the image."""
        return self.found.name

    @property
    def likely_way(self) -> Way:
        """The way to write down if the image cannot be run: the first that is no guess."""
        return next(way for way in self.ways if not way.is_guess)

    def spec(self, way: Way) -> ImageSpec:
        """Return the image as a budgets file describes it. Raises pydantic's ValidationError."""
        table: dict[str, TomlValue] = {"build": self.plain_build or self.build.value, "limit": "256MiB"}
        table["workload"] = {setting.key: setting.value for setting in way.workload}
        if way.around is not None:
            table[way.around.key] = way.around.value
        return ImageSpec.model_validate(table)

    def can_be_written(self, way: Way) -> bool:
        """Return whether a budgets file can have what this way says."""
        try:
            self.spec(way)
            written = [setting.value for setting in (self.build, way.around, *way.workload) if setting is not None]
            json.dumps(written, ensure_ascii=False).encode()
        except (ValidationError, UnicodeEncodeError):  # YAML can name half of a character
            return False
        return True


def plans(images: Iterable[FoundImage]) -> tuple[list[ImagePlan], list[Skipped]]:
    """Return the plans of all images, and the images that no budgets file can describe: texts may be of any kind."""
    planned, skipped = [], []
    for found in images:
        whole = plan(found)
        usable = tuple(way for way in whole.ways if whole.can_be_written(way))
        if any(not way.is_guess for way in usable):
            planned.append(replace(whole, ways=usable))
        else:
            reason = f"line {found.build.origin.line}: no budgets file can have what it says of {found.name}"
            skipped.append(Skipped(found.build.origin.path, reason))
    return planned, skipped


def plan(found: FoundImage) -> ImagePlan:
    """Return what a budgets file says about an image before it has run."""
    build = found.build
    surroundings = [*(one for one in (_compose(found), _variables(found)) if one is not None), None]
    workloads = list(_workloads(found))
    ways = tuple(replace(one, around=around) for around in surroundings for one in workloads)
    if build.bake is not None:  # what it says stays in its file, also a value that looks like a secret
        table = _bake_build(build.origin.path, build.bake)
        plain = _plain_build(build, build.args)
        return ImagePlan(found, Setting("build", table, (f"from {build.origin}",)), ways, plain)
    is_own = build.origin.path == build.dockerfile
    origin = f"from {build.dockerfile}: no other file builds it" if is_own else f"from {build.origin}"
    args = local_values(build.args)
    return ImagePlan(found, Setting("build", _plain_build(build, args.values), (origin, *args.todo)), ways)


def _plain_build(build: BuildDefinition, args: Mapping[str, str]) -> dict[str, TomlValue]:
    table: dict[str, TomlValue] = {"context": build.context}
    dockerfile = posixpath.relpath(build.dockerfile, build.context)
    if dockerfile != "Dockerfile":
        table["dockerfile"] = dockerfile
    if build.target is not None:
        table["target"] = build.target
    if args:
        table["args"] = dict(args)
    if build.platform is not None:
        table["platform"] = build.platform
    if build.network != "default":
        table["network"] = build.network
    return table


def _bake_build(path: str, target: BakeTarget) -> dict[str, TomlValue]:
    folder: dict[str, TomlValue] = {"context": target.folder} if target.folder is not None else {}
    return {"bake": path, "target": target.name, **folder}


def _compose(found: FoundImage) -> Setting | None:
    """Return the compose service to measure, with what takes the place of files that are not committed."""
    service = found.compose
    if service is None or not service.needs_its_file:
        return None
    table: dict[str, TomlValue] = {"file": service.deployed.origin.path}
    if service.service != found.name:
        table["service"] = service.service
    if service.stand_ins:
        table["stand_ins"] = dict(service.stand_ins)
    origin = f"from {service.deployed.origin}: what it depends on runs beside it"
    return Setting("compose", table, (origin, *service.remarks))


def _variables(found: FoundImage) -> Setting | None:
    """Return the container's variables, without secrets. Names that a budgets file cannot have are left out."""
    if found.variables is None:
        return None
    named = {name: value for name, value in found.variables.value.items() if _NAME.fullmatch(name)}
    variables = local_values(named)
    origin = f"from {found.variables.origin}: the variables whose values it has"
    comment = (origin, *variables.todo, *unknown_variables(found))
    return Setting("container", {"env": variables.values}, comment) if variables.values else None


def unknown_variables(found: FoundImage) -> tuple[str, ...]:
    """Return the comment about variables that the image is deployed with and whose values no file has."""
    unknown = found.unknown_variables
    if unknown is None:
        return ()
    return (f"no value in the repository, so it runs without them ({unknown.origin}): {', '.join(unknown.value)}",)


def _workloads(found: FoundImage) -> Iterator[Way]:
    """Yield the ways to exercise an image, without compose, the most telling first."""
    if found.runs_to_end is not None:
        yield command((f"from {found.runs_to_end}: it runs to its end",))
        return
    port = next(iter(found.ports), None)
    asks_path = any(probe.value.path is not None for probe in found.probes)
    says_port = port is not None or asks_path
    if not says_port:
        yield _any_port()
    if port is not None and port.value not in _NOT_HTTP and not asks_path:
        yield _front_page(port)
    for probe in found.probes[:2]:
        way = _asked(found, probe)
        if way is not None:
            yield way
    if port is not None and not any(probe.value.path is None and probe.value.port for probe in found.probes):
        yield _listening(port.value, (f"from {port.origin}",))
    if says_port:
        yield _any_port()  # what the files say of the port may be wrong
    yield _idle()


def command(comment: tuple[str, ...]) -> Way:
    """Return the way of a container that runs to its end."""
    return Way("runs to its end", (Setting("kind", "command", comment),))


def _any_port() -> Way:
    return Way(f"{_REQUESTS} requests for /", (Setting("kind", "http"), _front_page_requests()), is_guess=True)


def _front_page_requests() -> Setting:
    return Setting("requests", [{"path": "/", "count": _REQUESTS}], _TODO_PAGE)


def _front_page(port: Fact[int]) -> Way:
    settings = (
        Setting("kind", "http"),
        Setting("port", port.value, (f"from {port.origin}",)),
        _front_page_requests(),
    )
    return Way(f"{_REQUESTS} requests for /", settings, is_guess=True)


def _asked(found: FoundImage, probe: Fact[HealthProbe]) -> Way | None:
    port = probe.value.port or next((port.value for port in found.ports), None)
    origin = f"from {probe.origin}"
    if probe.value.path is not None:
        return _requests(probe.value.path, port, origin) if port is not None else None
    if probe.value.port is not None:
        return _listening(probe.value.port, (origin,))
    settings = (
        Setting("kind", "steps", _TODO_REQUESTS if port is not None else _TODO_WORK),
        *([Setting("port", port)] if port is not None else []),
        Setting("ready", {"healthcheck": True}, (origin,)),
        _idle_step(),
    )
    return Way(f"idle for {IDLE} once healthy", settings)


def _requests(path: str, port: int, origin: str) -> Way | None:
    if not path.startswith("/") or any(character.isspace() or not character.isprintable() for character in path):
        return None
    if without_secrets("path", path) != path:
        return None
    settings = (
        Setting("kind", "http"),
        Setting("port", port, (origin,)),
        Setting("ready", {"http": path}),
        Setting("requests", [{"path": path, "count": _REQUESTS}], _TODO_PATH),
    )
    return Way(f"{_REQUESTS} requests for {path}", settings)


def seen_listening(port: int) -> Way:
    """Return the way of a service that listens on a port and does not answer a request for its front page."""
    return _listening(port, _SEEN)


def _listening(port: int, comment: tuple[str, ...]) -> Way:
    settings = (
        Setting("kind", "steps", _TODO_REQUESTS),
        Setting("port", port, comment),
        Setting("ready", {"tcp": port}),
        _idle_step(),
    )
    return Way(f"idle for {IDLE} once port {port} answers", settings)


def _idle() -> Way:
    return Way(f"idle for {IDLE}", (Setting("kind", "steps", _TODO_WORK), _idle_step()))


def _idle_step() -> Setting:
    return Setting("steps", [{"phase": "idle", "idle": IDLE}])
