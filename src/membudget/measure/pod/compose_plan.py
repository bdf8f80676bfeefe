"""Turns a compose file into a plan for a trial: which services, how each is made, in which order. Does no I/O.

The pull request controls the file. Keys that would reach the machine beyond the pod's own containers are refused. Files
that the definition mounts from the repository are copied instead. Everything else that compose understands is passed on
unchanged.
"""

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import PurePosixPath
from typing import cast

from pydantic import JsonValue

from membudget.budgets.container import ComposeSettings
from membudget.budgets.entries import Build
from membudget.core.errors import ConfigurationError
from membudget.measure.pod_plan import Condition, PodDefinition, PodPlan, PodService, mapping

_PASSED_ON = frozenset({
    "cap_drop", "command", "cpu_quota", "cpu_shares", "cpus", "cpuset", "domainname", "entrypoint", "environment",
    "extra_hosts", "group_add", "healthcheck", "hostname", "init", "mem_limit", "mem_reservation", "mem_swappiness",
    "memswap_limit", "networks", "pids_limit", "platform", "read_only", "shm_size", "stdin_open", "stop_grace_period",
    "stop_signal", "sysctls", "tmpfs", "tty", "ulimits", "user", "working_dir",
})  # fmt: skip
_WITHOUT_MEANING_HERE = frozenset({
    "annotations", "attach", "build", "configs", "container_name", "depends_on", "deploy", "develop", "expose", "image",
    "labels", "links", "logging", "network_mode", "ports", "profiles", "pull_policy", "restart", "scale", "secrets",
    "security_opt", "volumes",
})  # fmt: skip
"""Keys without effect, because nothing is published, kept or restarted, and keys that are handled below."""
_BUILD_KEYS = frozenset({
    "args", "context", "dockerfile", "labels", "network", "platforms", "pull", "tags", "target",
})  # fmt: skip
_BUILD_WITHOUT_MEANING = frozenset({"cache_from", "cache_to", "no_cache", "provenance", "sbom"})
"""Keys of a build that change how it is made, and not what."""
_USUAL_CAPABILITIES = frozenset({
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETFCAP", "SETGID",
    "SETPCAP", "SETUID", "SYS_CHROOT",
})  # fmt: skip
"""Capabilities that the engine gives to every container (docs.docker.com/engine/security), but for raw sockets and
devices. Files that drop all of them add some of these.
"""
_NAMED = ("volumes", "configs", "secrets")
_PIDS = 4096
_WITHOUT_GATEWAY: JsonValue = {"com.docker.network.bridge.inhibit_ipv4": "true"}
"""The bridge gets no address. The address of an internal network would lead to every address of the engine's machine.
"""
_REFUSED = "is not known here, or reaches the machine beyond the container, which a pull request's code may not"


def plan_pod(
    model: PodDefinition, settings: ComposeSettings, image_name: str, checkout: PurePosixPath, *, is_open: bool
) -> PodPlan:
    """Return the plan for measuring one service of a resolved compose file.

    `checkout` is the path of the repository that compose was given. `is_open` says whether its networks may reach the
    outside. Raises ConfigurationError if the file asks for something that is not allowed.
    """
    all_services = mapping(model.get("services"))
    measured = settings.service or image_name
    for name in (measured, *settings.sidecars):
        if name not in all_services:
            known = ", ".join(all_services) or "none"
            raise ConfigurationError(f"there is no service {name} (there: {known})", where=settings.file)
    reader = _Reader(settings, checkout, is_open=is_open)
    order = _in_order(all_services, (measured, *settings.sidecars), settings.file)
    services = {name: reader.service(name, mapping(all_services[name]), measured) for name in order}
    networks = {name: reader.network(name, value) for name, value in mapping(model.get("networks")).items()}
    used = {kind: _used(model, [mapping(all_services[name]) for name in order], kind) for kind in _NAMED}
    volumes = {name: reader.volume(name, value) for name, value in used["volumes"].items()}
    files = {kind: used[kind] for kind in ("configs", "secrets")}
    for kind, given in files.items():
        reader.check_files(given, kind)
    services = {
        name: PodService(
            service.definition,
            service.image,
            service.build,
            (*service.copies, *reader.granted(name, mapping(all_services[name]), files)),
            service.needs,
        )
        for name, service in services.items()
    }
    return PodPlan(measured, settings.sidecars, services, networks, volumes)


def _used(model: PodDefinition, services: list[PodDefinition], kind: str) -> PodDefinition:
    """Return the volumes, configs or secrets that services use. What only others or builds use has no meaning here."""
    sources = {mapping(grant).get("source") for service in services for grant in _list(service.get(kind))}
    return {name: value for name, value in mapping(model.get(kind)).items() if name in sources}


def _in_order(services: PodDefinition, wanted: tuple[str, ...], file: str) -> list[str]:
    """Return the wanted services and all that they depend on, each after its dependencies."""
    graph: dict[str, set[str]] = {}
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name in graph:
            continue
        definition = mapping(services.get(name))
        needed = set(mapping(definition.get("depends_on")))
        needed |= {str(link).partition(":")[0] for link in _list(definition.get("links"))}
        shared = str(definition.get("network_mode") or "")
        if shared.startswith("service:"):
            needed.add(shared.removeprefix("service:"))
        graph[name] = {other for other in needed if other in services}
        waiting += graph[name]
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise ConfigurationError(f"services wait for each other: {' -> '.join(error.args[1])}", where=file) from None


class _Reader:
    """Reads definitions and refuses keys that are not allowed."""

    def __init__(self, settings: ComposeSettings, checkout: PurePosixPath, *, is_open: bool) -> None:
        self._file = settings.file
        self._settings = settings
        self._checkout = checkout
        self._is_open = is_open

    def service(self, name: str, given: PodDefinition, measured: str) -> PodService:
        where = f"services.{name}"
        for key, value in given.items():
            is_known = key in _PASSED_ON | _WITHOUT_MEANING_HERE or key.startswith("x-") or _is_usual(key, value)
            if not is_known and value not in (None, False, "", [], {}):
                raise self._refused(f"{where}.{key}", _REFUSED)
        for link in map(str, _list(given.get("links"))):
            if link.partition(":")[2] not in ("", link.partition(":")[0]):
                fix = "use the service's own name, or an alias of its network"
                raise self._refused(f"{where}.links", f"{link} gives a service another name", fix)
        mode = str(given.get("network_mode") or "")
        if mode and mode != "none" and not mode.startswith("service:"):  # "bridge" reaches the outside
            raise self._refused(f"{where}.network_mode", _REFUSED)
        definition: dict[str, JsonValue] = {
            key: value for key, value in given.items() if key in _PASSED_ON or (key == "cap_add" and value)
        }
        if mode:
            definition["network_mode"] = mode
            definition.pop("networks", None)
        limits = mapping(mapping(mapping(given.get("deploy")).get("resources")).get("limits"))
        if "memory" in limits:
            definition.setdefault("mem_limit", limits["memory"])
        definition.setdefault("pids_limit", _PIDS)
        definition["security_opt"] = ["no-new-privileges"]
        if not self._is_open:
            self._close(where, definition)
        kept, copies = self._volumes(where, given)
        if kept:
            definition["volumes"] = kept
        # The measured image is built as the budgets file says.
        is_built = given.get("build") is not None and name != measured
        build = self._build(where, mapping(given.get("build"))) if is_built else None
        image = None if given.get("build") is not None or given.get("image") is None else str(given["image"])
        return PodService(definition, image, build, copies, dict(self._needs(where, given)))

    def _close(self, where: str, definition: dict[str, JsonValue]) -> None:
        """Remove everything that reaches the engine's machine through the bridge other than over IPv4."""
        sysctls = definition.get("sysctls")
        names = list(sysctls) if isinstance(sysctls, dict | list) else []
        if any("ipv6" in str(name).lower() for name in names):  # the bridge has a link-local address
            fix = 'remove it, or set container.network to "open" in the budgets file'
            raise self._refused(f"{where}.sysctls", "IPv6 would lead to the engine's machine", fix)
        definition["cap_drop"] = [*_list(definition.get("cap_drop")), "NET_RAW"]  # raw frames need no address
        if "network_mode" not in definition:
            # Without this, some engines ask the machine's resolver for the container (CVE-2024-29018).
            definition["dns"] = ["127.0.0.1"]

    def network(self, name: str, value: JsonValue) -> JsonValue:
        given = mapping(value)
        # A network of somebody else's, such as a proxy's, is replaced by one of the trial's own.
        if given.get("driver") not in (None, "", "bridge"):
            raise self._refused(f"networks.{name}.driver", "is no bridge: trials run on one machine")
        if self._is_open and not given.get("internal"):
            return {"internal": False}
        return {"internal": True, "driver_opts": _WITHOUT_GATEWAY}

    def volume(self, name: str, value: JsonValue) -> JsonValue:
        given = mapping(value)
        for key in ("external", "driver_opts"):
            if given.get(key):
                raise self._refused(f"volumes.{name}.{key}", "is somebody else's: a trial has volumes of its own")
        if given.get("driver") not in (None, "", "local"):
            raise self._refused(f"volumes.{name}.driver", "is not the engine's own")
        return {}

    def check_files(self, given: PodDefinition, kind: str) -> None:
        """Raise ConfigurationError if a config or secret does not come from the repository."""
        for name, value in given.items():
            definition = mapping(value)
            if definition.get("file") is None:
                fix = "give it in budgets.toml: images.NAME.container.secrets" if kind == "secrets" else "name a file"
                raise self._refused(f"{kind}.{name}", "is no file of the repository", fix)
            self._copied(f"{kind}.{name}.file", str(definition["file"]))

    def granted(self, name: str, given: PodDefinition, files: Mapping[str, PodDefinition]) -> Iterator[tuple[str, str]]:
        """Yield the configs and secrets of a service as copies."""
        for kind, folder in (("configs", "/"), ("secrets", "/run/secrets/")):
            for grant in _list(given.get(kind)):
                source = str(mapping(grant).get("source"))
                target = str(mapping(grant).get("target") or source)
                path = str(mapping(files[kind].get(source)).get("file"))
                target = target if target.startswith("/") else f"{folder}{target}"
                copied = self._copied(f"services.{name}.{kind}", path)
                if copied is not None:
                    yield copied, target

    def _volumes(self, where: str, given: PodDefinition) -> tuple[list[JsonValue], tuple[tuple[str, str], ...]]:
        kept: list[JsonValue] = []
        copies = []
        for mount in _list(given.get("volumes")):
            definition = mapping(mount)
            match definition.get("type"):
                case "volume" | "tmpfs":
                    kept.append(mount)
                case "bind":
                    source, target = str(definition.get("source")), str(definition.get("target"))
                    copied = self._copied(f"{where}.volumes", source)
                    if copied is not None:
                        copies.append((copied, target))
                    elif self._would_be_made(source, target):
                        kept.append({"type": "volume", "target": target})
                case other:
                    raise self._refused(f"{where}.volumes", f"of type {other}: {_REFUSED}")
        return kept, tuple(copies)

    def _build(self, where: str, given: PodDefinition) -> Build:
        for key, value in given.items():
            is_known = key in _BUILD_KEYS | _BUILD_WITHOUT_MEANING or key.startswith("x-")
            if not is_known and value:
                raise self._refused(f"{where}.build.{key}", "is not known here")
        if given.get("network") not in (None, "", "default", "none"):
            raise self._refused(f"{where}.build.network", "is neither default nor none")
        args = {name: str(value) for name, value in mapping(given.get("args")).items() if value is not None}
        return Build(
            context=self._relative(f"{where}.build.context", str(given.get("context"))),
            dockerfile=str(given.get("dockerfile") or "Dockerfile"),
            target=cast("str | None", given.get("target")),
            args={name: value.replace("$$", "$") for name, value in args.items()},
            network="none" if given.get("network") == "none" else "default",
        )

    def _needs(self, where: str, given: PodDefinition) -> Iterator[tuple[str, Condition]]:
        for name, value in mapping(given.get("depends_on")).items():
            said = str(mapping(value).get("condition") or Condition.STARTED)
            if said not in set(Condition) - {Condition.ANSWERS}:
                raise self._refused(f"{where}.depends_on.{name}.condition", f"{said} is not known here")
            yield name, Condition(said)

    def _would_be_made(self, source: str, target: str) -> bool:
        """Return whether compose would mount an empty folder for a missing path. Paths of the machine are left out."""
        return PurePosixPath(source).is_relative_to(self._checkout) and "." not in PurePosixPath(target).name

    def _copied(self, where: str, path: str) -> str | None:
        """Return the path of what is copied for a path of the file, from the top of the repository.

        None if the container runs without it.
        """
        pure = PurePosixPath(path.replace("$$", "$"))
        is_inside = ".." not in pure.parts and pure.is_relative_to(self._checkout)
        name = str(pure.relative_to(self._checkout)) if is_inside else str(pure)
        if name in self._settings.stand_ins:
            return self._settings.stand_in(name)
        fix = f'name a file or folder of the repository; or run without: compose.stand_ins = {{ "{name}" = false }}'
        return self._relative(where, path, fix)

    def _relative(self, where: str, path: str, fix: str = "name a file or folder of the repository") -> str:
        """Return a path inside the repository, from its top."""
        pure = PurePosixPath(path.replace("$$", "$"))
        if ".." in pure.parts or not pure.is_relative_to(self._checkout):
            raise self._refused(where, f"{path} is not in the repository", fix)
        return str(pure.relative_to(self._checkout))

    def _refused(self, key: str, why: str, fix: str | None = None) -> ConfigurationError:
        return ConfigurationError(why, where=f"{self._file}: {key}", fix=fix)


def _is_usual(key: str, value: JsonValue) -> bool:
    """Return whether a key adds only capabilities that a container would have anyway."""
    names = {str(name).upper().removeprefix("CAP_") for name in _list(value)}
    return key == "cap_add" and names <= _USUAL_CAPABILITIES


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
