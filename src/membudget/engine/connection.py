"""The connection to the container engine, and the engine's properties."""

import json
import os
import socket
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import docker
import requests
from docker.context import ContextAPI
from docker.errors import APIError, DockerException
from urllib3.exceptions import HTTPError

from membudget.core.errors import BuildFailed, DoctorCheck, EngineLost, EnvironmentFault, MembudgetError, shortened
from membudget.core.masking import masked_errors
from membudget.engine.cgroups import CgroupDriver, CgroupVersion, EngineKind
from membudget.engine.child_environment import client_mask

RUN_LABEL = "membudget"
"""The label of everything that membudget creates. Its value is the run ID."""

_TIMEOUT_S = 60
_START_DOCKER = "start Docker, or point DOCKER_HOST at an engine that answers"
_ROOTLESS_LIMITS = (
    "use an engine that runs as root; a rootless one needs cgroup v2, systemd as its cgroup driver, and the memory"
    " controller delegated to its user (docs/engines.md)"
)


_ASKED = 5
SLOW_MS = 100.0
"""Engines on the same machine answer in a few milliseconds, or in tens of them if the machine is busy."""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """The engine's properties (GET /info, GET /version)."""

    name: str
    """The host name of the engine's machine."""
    version: str
    api_version: str
    cgroup_version: CgroupVersion
    cgroup_driver: CgroupDriver
    kernel: str
    platform: str
    """Operating system and architecture, such as "linux/amd64"."""
    storage_driver: str
    cpus: int
    memory_bytes: int
    kind: EngineKind = "docker"
    rootless: bool = False
    """The engine runs in a user namespace without root. Its cgroups are below those of its user's systemd."""
    limits_swap: bool = True
    """The engine can limit memory and swap together. Otherwise, a container with a memory limit may swap without bound.
    """


class Engine:
    """A connected engine. Only the modules of this package and a few adapters use its `client`."""

    def __init__(self, client: docker.DockerClient, info: EngineInfo, address: str) -> None:
        self.client = client
        self.info = info
        self.address = address
        """The engine's address, as in DOCKER_HOST."""

    @property
    def is_local_socket(self) -> bool:
        """Return whether the engine is reached over a Unix socket."""
        return self.address.startswith(("unix://", "http+unix://"))

    def close(self) -> None:
        """Close the connection."""
        self.client.close()


def connect(environ: Mapping[str, str] = os.environ) -> Engine:
    """Connect to the engine that the docker command would use: DOCKER_HOST, else the current docker context.

    Raises EnvironmentFault if no engine answers, or if it cannot limit memory.
    """
    address = engine_address(environ)
    try:
        _reach(address)
        client = docker.DockerClient.from_env(environment={**environ, "DOCKER_HOST": address}, timeout=_TIMEOUT_S)
        try:
            raw_info, raw_version = client.info(), client.version()
        except BaseException:
            client.close()
            raise
    except (DockerException, requests.RequestException, HTTPError, OSError) as error:
        hide = client_mask(environ)
        raise EnvironmentFault(
            hide(f"no container engine answers at {address}: {_innermost(error)}"),
            fix=_START_DOCKER,
            check=DoctorCheck.ENGINE,
        ) from None
    return Engine(client, _engine_info(raw_info, raw_version), address)


def _reach(address: str) -> None:
    """Raise OSError if nobody listens on a Unix socket. The SDK would raise it, too, but leave its own socket open."""
    if address.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_TIMEOUT_S)
            connection.connect(address.removeprefix("unix://"))


def engine_address(environ: Mapping[str, str] = os.environ) -> str:
    """Return the address of the engine that the docker command would use, whether or not one answers there.

    Raises EnvironmentFault if DOCKER_CONTEXT names no context.
    """
    return environ.get("DOCKER_HOST") or _context_host(environ.get("DOCKER_CONTEXT")) or "unix:///var/run/docker.sock"


@contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Translate errors of the SDK to EnvironmentFault, or to EngineLost if the engine is gone.

    Messages start with `doing`. Failed requests may repeat the login of a proxy or a registry, so all secrets are
    hidden.
    """
    with masked_errors(client_mask), _translated(doing):
        yield


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        yield
    except APIError as error:
        said = _engine_message(error.explanation) or str(error)
        raise EnvironmentFault(f"{doing}: the engine says: {said}", check=DoctorCheck.SELF_TEST) from error
    except (requests.RequestException, HTTPError, ConnectionError, BrokenPipeError) as error:
        raise EngineLost(
            f"{doing}: the engine stopped answering: {_innermost(error)}",
            fix="look at the engine's own log; the next run removes what this one could not",
        ) from error
    except DockerException as error:
        raise EnvironmentFault(f"{doing}: {error}") from error


def require_answer(engine: Engine, doing: str) -> None:
    """Check that the engine still answers. Raises EngineLost, with `doing` in the message, if it does not."""
    with engine_errors(doing):
        engine.client.ping()


@contextmanager
def engine_lost_is_told(engine: Engine, doing: str) -> Iterator[None]:
    """Raise EngineLost instead of another error if the engine has died.

    The first error may not tell: the docker client reports a failed build, and a helper in a container an early exit.
    """
    try:
        yield
        return
    except EngineLost:
        raise
    except (BuildFailed, EnvironmentFault) as error:
        failed = error
    require_answer(engine, doing)
    raise failed


def answer_ms(engine: Engine) -> float:
    """Return how long the engine takes to answer the simplest request: the median of a few, in milliseconds."""
    taken = []
    for _ in range(_ASKED):
        begun = time.monotonic()
        require_answer(engine, "asking the engine")
        taken.append(time.monotonic() - begun)
    return 1000 * statistics.median(taken)


def slowness(engine: Engine) -> str | None:
    """Return a warning if the engine answers the simplest request slowly, otherwise None."""
    call_ms = answer_ms(engine)
    if call_ms < SLOW_MS:
        return None
    return (
        f"the engine is slow: a call takes {call_ms:.0f} ms (median of {_ASKED}). Figures are right, and"
        " the check takes longer. Look at the load of the engine's machine, and at the connection to it"
    )


def _context_host(name: str | None) -> str | None:
    """Return the address of a docker context, or of the current one if there is no name."""
    try:
        context = ContextAPI.get_context(name or None)
    except (DockerException, OSError, json.JSONDecodeError):
        context = None
    if context is None and name:
        raise EnvironmentFault(f"there is no docker context {shortened(name)}", fix="choose one of `docker context ls`")
    return context.Host if context is not None else None


def _engine_message(explanation: str | None) -> str:
    """Return the engine's message without the JSON that sometimes surrounds it."""
    text = (explanation or "").strip()
    try:
        decoded = json.loads(text)
    except ValueError:
        return text
    return str(decoded.get("message", text)) if isinstance(decoded, dict) else text


def _innermost(error: BaseException) -> str:
    """Return the innermost cause, which tells the user the most.

    The search stops at an error of membudget, which belongs to an earlier call.
    """
    cause = error.__cause__ or error.__context__
    while cause is not None and not isinstance(cause, MembudgetError):
        error, cause = cause, cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__


def _engine_info(info: Mapping[str, object], version: Mapping[str, object]) -> EngineInfo:
    """Return the engine's properties. Raises EnvironmentFault if it cannot limit memory, which every trial needs."""
    kind, rootless = _kind(version), _is_rootless(info)
    driver = info.get("CgroupDriver")
    cgroup_version: CgroupVersion = 2 if str(info.get("CgroupVersion", "1")) == "2" else 1  # absent before API 1.41: v1
    if rootless:
        _require_rootless_limits(kind, cgroup_version, driver, info)
    if driver not in ("cgroupfs", "systemd"):
        raise EnvironmentFault(
            f"the engine manages no cgroups (cgroup driver: {driver or 'none'}), so it cannot limit memory",
            fix="use an engine whose `docker info` names the cgroupfs or the systemd driver",
            check=DoctorCheck.CGROUPS,
        )
    if not info.get("MemoryLimit", False):
        raise EnvironmentFault(
            "the engine cannot limit memory: its memory cgroup controller is off",
            fix="boot the engine's machine with cgroup_enable=memory, or delegate the memory controller to it",
            check=DoctorCheck.MEMORY,
        )
    return EngineInfo(
        name=str(info.get("Name", "")),
        version=str(info.get("ServerVersion", "")),
        api_version=str(version.get("ApiVersion", "")),
        cgroup_version=cgroup_version,
        cgroup_driver="systemd" if driver == "systemd" else "cgroupfs",
        kernel=str(info.get("KernelVersion", "")),
        platform=f"{version.get('Os', 'linux')}/{version.get('Arch', '')}",
        storage_driver=str(info.get("Driver", "")),
        cpus=int(str(info.get("NCPU", 0))),
        memory_bytes=int(str(info.get("MemTotal", 0))),
        kind=kind,
        rootless=rootless,
        limits_swap=info.get("SwapLimit", cgroup_version == 2) is True,
    )


def _kind(version: Mapping[str, object]) -> EngineKind:
    """Return the kind of engine. Podman names itself in the components of GET /version, after Docker's own entries."""
    components = version.get("Components")
    names = [one.get("Name") for one in components if isinstance(one, dict)] if isinstance(components, list) else []
    return "podman" if "Podman Engine" in names else "docker"


def _is_rootless(info: Mapping[str, object]) -> bool:
    """Return whether the engine is rootless. Docker says so in its security options, Podman in a separate field."""
    options = info.get("SecurityOptions")
    said = isinstance(options, list) and any(str(option).split(",")[0] == "name=rootless" for option in options)
    return said or info.get("Rootless") is True


def _require_rootless_limits(
    kind: EngineKind, version: CgroupVersion, driver: object, info: Mapping[str, object]
) -> None:
    """Raise EnvironmentFault if a rootless engine cannot limit memory.

    Only systemd can delegate cgroups to a user, and only on v2. Podman claims that it can limit memory in any case.
    """
    missing = None
    if version == 1:
        missing = "its machine has cgroup v1, where only root may"
    elif driver != "systemd":
        missing = f"its cgroup driver is {driver or 'none'}, not systemd"
    elif not info.get("MemoryLimit", False):
        missing = "the memory controller is not delegated to its user"
    if missing is not None:
        name = "Podman" if kind == "podman" else "Docker"
        raise EnvironmentFault(
            f"this rootless {name} cannot limit memory: {missing}", fix=_ROOTLESS_LIMITS, check=DoctorCheck.CGROUPS
        )


def clock_skew_s(engine: Engine) -> float | None:
    """Return how many seconds the engine's clock is ahead (GET /info, SystemTime). None if the engine does not tell."""
    with engine_errors("asking the engine for its time"):
        before = time.time()
        told = engine.client.info().get("SystemTime")
        after = time.time()
    try:
        then = datetime.fromisoformat(str(told)).timestamp()
    except ValueError:
        return None
    return then - (before + after) / 2 if abs(then - before) > after - before else 0.0


def engine_folder(engine: Engine) -> str | None:
    """Return the folder of the engine's machine that holds images and containers (GET /info, DockerRootDir)."""
    with engine_errors("asking the engine where it keeps images"):
        return str(engine.client.info().get("DockerRootDir") or "") or None
