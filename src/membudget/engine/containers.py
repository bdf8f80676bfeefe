"""Containers on the engine: typed operations whose errors are membudget's."""

import tarfile
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal, cast

import requests
from docker.errors import APIError, NotFound
from docker.types import Healthcheck, LogConfig
from docker.utils import parse_repository_tag
from urllib3.exceptions import ReadTimeoutError

from membudget.core.errors import EnvironmentFault, shortened
from membudget.engine.child_environment import client_mask
from membudget.engine.connection import RUN_LABEL, Engine, engine_errors
from membudget.engine.options import ContainerOptions, Declarations, ExecOptions
from membudget.engine.pulling import pull_fix, pull_problem
from membudget.engine.removal import remove_container, remove_networks_and_volumes
from membudget.engine.run_id import RunId
from membudget.engine.stream import FramedStream, LineTail

LOG_TAIL_LINES = 50
LOG_OPTIONS = {"max-size": "10m", "max-file": "1"}
_SHORTEST_WAIT_S = 0.05
_MOST_HEALTH_OUTPUT_BYTES = 4096
"""How much of a HEALTHCHECK's output is kept. Docker keeps as much, and then writes dots (moby, daemon/health.go)."""
LOG_DRIVER = "json-file"
"""The log driver, whatever the engine's default. On some engines, buffers of other drivers are charged to containers.
"""


class CannotStart(Exception):
    """The engine refused to start the container because of its image. Its command may not exist, for example."""


@dataclass(frozen=True, slots=True)
class ContainerState:
    """The state of a container at one moment."""

    running: bool
    exit_code: int
    oom_killed: bool
    """The engine sets this after any OOM event in the container, even if PID 1 survived."""
    pid: int
    """The PID of the container's first process in the engine's namespace, or 0 if it does not run."""
    health: str | None
    """"starting", "healthy" or "unhealthy". None if the image has no HEALTHCHECK."""
    health_output: str | None = None
    """What the last HEALTHCHECK printed, which may be cut. None if it printed nothing.

    It may contain secrets.
    """
    health_passes: int = 0
    """How many of the last HEALTHCHECKs passed in a row, as far as the engine keeps them: five."""


class Containers:
    """The containers of one run."""

    def __init__(self, engine: Engine, run: RunId, slot: int | str = 0) -> None:
        self._engine = engine
        self.slot = f"-{slot}" if slot else ""
        """A suffix for names, for several containers of the same name at once."""
        self._api = engine.client.api
        self.run = run

    def numbered(self, number: int) -> "Containers":
        """Return a copy whose containers have other names."""
        return Containers(self._engine, self.run, slot=f"{self.slot.removeprefix('-') or 0}.{number}")

    def create(self, options: ContainerOptions) -> str:
        """Create a container and return its ID. Raises EnvironmentFault."""
        host_config = self._api.create_host_config(
            mem_limit=options.memory_bytes,
            memswap_limit=options.memory_bytes,
            cgroup_parent=options.cgroup_parent,
            network_mode=options.network,
            pids_limit=options.pids,
            security_opt=["no-new-privileges"],
            cap_drop=["ALL"] if options.capabilities is not None else None,
            cap_add=list(options.capabilities or ()) or None,
            binds=list(options.binds),
            pid_mode=options.pid_mode,
            cgroupns="host" if options.host_namespaces else None,
            cpuset_cpus=options.cpuset,
            devices=list(options.devices) or None,
            read_only=options.read_only,
            tmpfs={path: f"size={size},mode=1777" for path, size in options.tmpfs.items()} or None,
            log_config=LogConfig(type=LOG_DRIVER, config=LOG_OPTIONS),
        )
        with engine_errors(f"creating the container {options.name}"):
            created = self._api.create_container(
                options.image,
                command=list(options.command) if options.command is not None else None,
                entrypoint=list(options.entrypoint) if options.entrypoint is not None else None,
                name=f"membudget-{options.name}{self.slot}-{self.run}",
                labels={RUN_LABEL: str(self.run), f"{RUN_LABEL}.role": options.role},
                host_config=host_config,
                stdin_open=options.interactive,
                environment=dict(options.environment),
                user=options.user,
                working_dir=options.workdir,
                volumes=list(options.volumes) or None,
                healthcheck=Healthcheck(interval=options.health_interval_ms * 1_000_000)
                if options.health_interval_ms is not None
                else None,
                use_config_proxy=False,  # the user's proxies may contain passwords
            )
            return str(created["Id"])

    def start(self, container_id: str) -> None:
        """Start a container. Raises CannotStart if the container is at fault, otherwise EnvironmentFault."""
        with engine_errors("starting a container"):
            try:
                self._api.start(container_id)
            except APIError as error:
                if _is_of_image(error):
                    raise CannotStart(client_mask()(str(error.explanation))) from error
                raise

    def wait(self, container_id: str, timeout_s: float) -> bool:
        """Wait until a container has stopped. Return False if it still runs after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        with engine_errors("waiting for a container"):
            while (remaining := deadline - time.monotonic()) > 0:
                try:
                    # requests accepts fractions of a second, although the SDK's annotation says otherwise.
                    self._api.wait(container_id, timeout=cast("int", max(_SHORTEST_WAIT_S, remaining)))
                except (requests.exceptions.Timeout, ReadTimeoutError):
                    continue
                except requests.exceptions.ConnectionError as error:
                    if error.args and isinstance(error.args[0], ReadTimeoutError):
                        continue
                    raise
                return True
        return not self.state(container_id).running

    def state(self, container_id: str) -> ContainerState:
        """Return the current state of a container."""
        with engine_errors("inspecting a container"):
            raw = self._api.inspect_container(container_id)["State"]
        health = raw.get("Health") or {}
        checks = health.get("Log") or [{}]
        return ContainerState(
            running=bool(raw["Running"]),
            exit_code=int(raw["ExitCode"]),
            oom_killed=bool(raw["OOMKilled"]),
            pid=int(raw["Pid"]),
            health=str(health.get("Status") or "") or None,  # Podman: "" if there is no HEALTHCHECK
            health_output=_health_output(checks[-1].get("Output")),
            health_passes=sum(1 for _ in takewhile(lambda check: check.get("ExitCode") == 0, reversed(checks))),
        )

    def cpu_seconds(self, container_id: str) -> float | None:
        """Return the CPU time that a running container has used. None if the engine does not say."""
        with engine_errors("asking for a container's CPU time"):
            try:
                raw = cast("dict[str, Any]", self._api.stats(container_id, stream=False, one_shot=True))
            except APIError as error:
                if error.is_client_error():  # it has just ended
                    return None
                raise
        used = ((raw.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage")
        return used / 1e9 if isinstance(used, int) else None

    def declarations(self, image: str) -> Declarations:
        """Return what an image says about the service in it. Raises EnvironmentFault."""
        with engine_errors(f"inspecting the image {image}"):
            try:
                config = self._engine.client.images.get(image).attrs.get("Config") or {}
            except NotFound:
                raise EnvironmentFault(
                    f"the engine does not have the image {image} any more",
                    fix="something removed it meanwhile: keep `docker image prune` and the like away from a check",
                ) from None
        ports = [str(name).partition("/") for name in config.get("ExposedPorts") or ()]
        check = (config.get("Healthcheck") or {}).get("Test") or []
        variables = dict(str(variable).partition("=")[::2] for variable in config.get("Env") or ())
        return Declarations(
            tuple(sorted(int(port) for port, _, kind in ports if kind in ("", "tcp") and port.isdecimal())),
            check not in ([], ["NONE"]),
            frozenset(variables),
            variables.get("PYTHONPATH"),
            variables.get("RUBYOPT"),
        )

    def environment(self, image: str) -> tuple[str, ...]:
        """Return the variables that an image sets, as NAME=VALUE. Raises EnvironmentFault."""
        with engine_errors("inspecting an image"):
            config = self._engine.client.images.get(image).attrs.get("Config") or {}
        return tuple(map(str, config.get("Env") or ()))

    def run_healthcheck(self, container_id: str) -> None:
        """Run the container's HEALTHCHECK now on Podman, which leaves this to systemd even on machines without one."""
        if self._engine.info.kind == "podman":
            with engine_errors("running a container's HEALTHCHECK"):  # the container's state then shows the result
                self._api.get(f"{self._api.base_url}/v4.0.0/libpod/containers/{container_id}/healthcheck")

    def log_tail(self, container_id: str) -> tuple[str, ...]:
        """Return the last lines of the container's output."""
        tail = LineTail(LOG_TAIL_LINES)
        with engine_errors("reading a container's output"):
            # Read in pieces, because a single line may be as long as the whole log.
            for piece in self._api.logs(container_id, tail=LOG_TAIL_LINES, stream=True, follow=False):
                tail.feed(piece)
        return tail.lines()

    def attach(self, container_id: str, *, input_too: bool = False) -> FramedStream:
        """Attach to the output of a container before it starts. The caller closes the stream.

        When a container is attached later, with its log so far, the engine loses the output between the two.
        """
        params: dict[str, Literal[1]] = {"stdout": 1, "stderr": 1, "stream": 1}
        if input_too:
            params["stdin"] = 1
        with engine_errors("attaching to a container"):
            return FramedStream(self._api.attach_socket(container_id, params=params))

    def attach_input(self, container_id: str) -> FramedStream:
        """Attach only to the standard input of a container, before it starts. The caller closes the stream."""
        with engine_errors("attaching to a container's input"):
            return FramedStream(self._api.attach_socket(container_id, params={"stdin": 1, "stream": 1}))

    def copy_in(self, container_id: str, source: Path, folder: str, name: str = ".") -> None:
        """Copy a file, or the content of a folder, to `folder` of a container as `name`. Links remain links.

        The container may be running. Root becomes the owner, so that trials do not depend on the user of the checkout.
        """
        with tempfile.TemporaryFile() as archive, engine_errors(f"copying files to {folder}"):
            with tarfile.open(fileobj=archive, mode="w") as tar:
                tar.add(source, arcname=name, filter=_roots)
            archive.seek(0)
            if not self._api.put_archive(container_id, folder, cast("bytes", archive)):
                raise EnvironmentFault(f"the engine did not accept files for {folder}")

    def provide_image(self, image: str, named_in: str) -> None:
        """Pull an image unless the engine has it. `named_in` says where the user names it. Raises EnvironmentFault."""
        with engine_errors(f"looking for the image {image}"):
            try:
                self._engine.client.images.get(image)
                return
            except NotFound:
                pass
        with engine_errors(f"pulling the image {image}"):
            repository, tag = parse_repository_tag(image)
            try:
                self._api.pull(repository, tag=tag or "latest")
            except APIError as error:
                said = client_mask()(str(error.explanation or error))
                raise EnvironmentFault(
                    f"the engine does not have the image {image} and cannot pull it: {shortened(said, 120)}",
                    fix=pull_fix(pull_problem(said), image, named_in),
                ) from error

    def start_exec(self, container_id: str, options: ExecOptions) -> tuple[str, FramedStream]:
        """Start a command inside a running container. Return its exec ID and its output.

        The caller closes the stream.
        """
        with engine_errors(f"starting {options.command[0]} inside the container"):
            created = self._api.exec_create(
                container_id,
                list(options.command),
                stdin=options.reads_input,
                environment=dict(options.environment),
                workdir=options.workdir,
                user=options.user or "",
            )
            exec_id = str(created["Id"])
            return exec_id, FramedStream(self._api.exec_start(exec_id, socket=True))

    def exec_exit_code(self, exec_id: str) -> int:
        """Return the exit code of a command that has ended."""
        with engine_errors("inspecting a command inside the container"):
            return int(self._api.exec_inspect(exec_id)["ExitCode"])

    def kill(self, container_id: str) -> None:
        """Kill a container. It may have ended already."""
        with engine_errors("stopping a container"):
            try:
                self._api.kill(container_id)
            except APIError as error:
                if error.status_code not in (404, 409):  # gone, or not running
                    raise

    def find(self, name: str) -> str:
        """Return the ID of the container `name`. Raises EnvironmentFault."""
        with engine_errors(f"looking for the container {name}"):
            return str(self._api.inspect_container(name)["Id"])

    def remove_project(self, names: Iterable[str], prefix: str) -> None:
        """Remove containers by name, and this run's networks and volumes whose names start with `prefix`."""
        for name in names:
            self.remove(name)
        remove_networks_and_volumes(self._engine, self.run, prefix)

    def remove(self, container_id: str) -> None:
        """Remove a container and its anonymous volumes, even while it runs. It may be gone already."""
        with engine_errors("removing a container"):
            try:
                remove_container(self._engine, container_id)
            except APIError as error:
                if error.status_code != 409:  # being removed
                    raise


def _roots(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _health_output(output: object) -> str | None:
    said = str(output or "").encode(errors="replace")[:_MOST_HEALTH_OUTPUT_BYTES].decode(errors="ignore")
    return said if said.strip() else None


def _is_of_image(error: APIError) -> bool:
    """Return whether a container cannot start because of its image: its command, user or folder does not exist.

    The engine then answers 400 or 404 (Engine API, ContainerStart), or 500 with the runtime's own message ("OCI runtime
    create failed: …").
    """
    return error.is_client_error() or "OCI runtime" in str(error.explanation)
