"""Containers on the engine: what membudget asks of them, typed, with the engine's errors in our words."""

import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import requests
from docker.errors import APIError, ImageNotFound, NotFound
from docker.types import Healthcheck, LogConfig
from docker.utils import parse_repository_tag
from urllib3.exceptions import ReadTimeoutError

from membudget.core.errors import EnvironmentFault
from membudget.core.quantities import MIB
from membudget.engine.child_environment import client_mask
from membudget.engine.connection import RUN_LABEL, Engine, engine_errors
from membudget.engine.options import ContainerOptions, ExecOptions
from membudget.engine.run_id import RunId
from membudget.engine.stream import FramedStream, LineTail

LOG_TAIL_LINES = 50
HELPER_MEMORY_BYTES = 512 * MIB
"""For containers of our own: whatever a service answers, they do not take the machine's memory."""
LOG_OPTIONS = {"max-size": "10m", "max-file": "1"}
_SHORTEST_WAIT_S = 0.05
LOG_DRIVER = "json-file"
"""The same whatever the engine's default is: what a driver buffers is charged to containers on some engines."""


class CannotStart(Exception):
    """The engine refused to run this container: its command does not exist, say. The image's fault, not ours."""


@dataclass(frozen=True, slots=True)
class ContainerState:
    """What the engine knows of a container at one moment."""

    running: bool
    exit_code: int
    oom_killed: bool
    """Set by the engine on any OOM event in the container, also when PID 1 survived."""
    pid: int
    """PID 1's pid in the engine's own namespace; 0 when it does not run."""
    health: str | None
    """"starting", "healthy", "unhealthy"; None when the image has no HEALTHCHECK."""


class Containers:
    """The containers of one run."""

    def __init__(self, engine: Engine, run: RunId, slot: int | str = 0) -> None:
        self._engine = engine
        self._slot = f"-{slot}" if slot else ""
        """Tells containers of one name apart, where several of a run are at work."""
        self._api = engine.client.api
        self.run = run

    def numbered(self, number: int) -> "Containers":
        """The same, for more containers of the same names."""
        return Containers(self._engine, self.run, slot=f"{self._slot.removeprefix('-') or 0}.{number}")

    def create(self, options: ContainerOptions) -> str:
        """Create a container; its id. Raises EnvironmentFault."""
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
            pid_mode="host" if options.host_namespaces else None,
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
                name=f"membudget-{options.name}{self._slot}-{self.run}",
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
                use_config_proxy=False,  # the user's proxies, passwords and all, are not the container's business
            )
            return str(created["Id"])

    def start(self, container_id: str) -> None:
        """Start a container. Raises CannotStart when the container is at fault, EnvironmentFault otherwise."""
        with engine_errors("starting a container"):
            try:
                self._api.start(container_id)
            except APIError as error:
                # 400 and 404: the OCI runtime found no such command, user or folder (Engine API, ContainerStart).
                if error.is_client_error() or "OCI runtime" in str(error.explanation):
                    raise CannotStart(client_mask()(str(error.explanation))) from error
                raise

    def wait(self, container_id: str, timeout_s: float) -> bool:
        """Wait until a container does not run; False when it still does after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        with engine_errors("waiting for a container"):
            while (remaining := deadline - time.monotonic()) > 0:
                try:
                    # requests takes fractions of a second, whatever the SDK's hint says.
                    self._api.wait(container_id, timeout=cast("int", max(_SHORTEST_WAIT_S, remaining)))
                except (requests.exceptions.Timeout, ReadTimeoutError):
                    continue
                except requests.exceptions.ConnectionError as error:
                    if "timed out" in str(error).lower():
                        continue
                    raise
                return True
        return not self.state(container_id).running

    def state(self, container_id: str) -> ContainerState:
        """What the engine knows of it now."""
        with engine_errors("inspecting a container"):
            raw = self._api.inspect_container(container_id)["State"]
        return ContainerState(
            running=bool(raw["Running"]),
            exit_code=int(raw["ExitCode"]),
            oom_killed=bool(raw["OOMKilled"]),
            pid=int(raw["Pid"]),
            health=str((raw.get("Health") or {}).get("Status") or "") or None,  # Podman: "" where there is none
        )

    def run_healthcheck(self, container_id: str) -> None:
        """Have its HEALTHCHECK run now, where the engine leaves that to systemd: Podman, also without a systemd."""
        if self._engine.info.kind == "podman":
            with engine_errors("running a container's HEALTHCHECK"):  # its answer is in the container's state
                self._api.get(f"{self._api.base_url}/v4.0.0/libpod/containers/{container_id}/healthcheck")

    def log_tail(self, container_id: str) -> tuple[str, ...]:
        """The last lines of its output."""
        tail = LineTail(LOG_TAIL_LINES)
        with engine_errors("reading a container's output"):
            # In pieces: a line may be as long as the log.
            for piece in self._api.logs(container_id, tail=LOG_TAIL_LINES, stream=True, follow=False):
                tail.feed(piece)
        return tail.lines()

    def attach(self, container_id: str, *, input_too: bool = False) -> FramedStream:
        """Its output from the first byte on, when attached before it starts. The caller closes the stream.

        Attached later, with the log so far, the engine loses what is printed between the two.
        """
        params: dict[str, Literal[1]] = {"stdout": 1, "stderr": 1, "stream": 1}
        if input_too:
            params["stdin"] = 1
        with engine_errors("attaching to a container"):
            return FramedStream(self._api.attach_socket(container_id, params=params))

    def attach_input(self, container_id: str) -> FramedStream:
        """Its standard input alone, attached before it starts. The caller closes the stream."""
        with engine_errors("attaching to a container's input"):
            return FramedStream(self._api.attach_socket(container_id, params={"stdin": 1, "stream": 1}))

    def copy_in(self, container_id: str, source: Path, folder: str, name: str = ".") -> None:
        """Copy a file or what is in a folder to `folder` of the container, running or not, as `name`; links stay links.

        Owners become root's: a trial does not depend on who checked the repository out.
        """
        with tempfile.TemporaryFile() as archive, engine_errors(f"copying files to {folder}"):
            with tarfile.open(fileobj=archive, mode="w") as tar:
                tar.add(source, arcname=name, filter=_roots)
            archive.seek(0)
            if not self._api.put_archive(container_id, folder, cast("bytes", archive)):
                raise EnvironmentFault(f"the engine did not take files for {folder}")

    def provide_image(self, image: str) -> None:
        """Have the engine pull an image that it has not. Raises EnvironmentFault."""
        with engine_errors(f"looking for the image {image}"):
            try:
                self._engine.client.images.get(image)
                return
            except NotFound:
                pass
        with engine_errors(f"pulling the image {image}, which the engine has not"):
            repository, tag = parse_repository_tag(image)
            self._api.pull(repository, tag=tag or "latest")

    def start_exec(self, container_id: str, options: ExecOptions) -> tuple[str, FramedStream]:
        """Start a command inside a running container: its exec id and its output. The caller closes the stream."""
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
        """The exit code of a command that ended."""
        with engine_errors("inspecting a command inside the container"):
            return int(self._api.exec_inspect(exec_id)["ExitCode"])

    def kill(self, container_id: str) -> None:
        """End it now. One that has ended already is fine."""
        with engine_errors("stopping a container"):
            try:
                self._api.kill(container_id)
            except APIError as error:
                if error.status_code not in (404, 409):  # gone, or not running
                    raise

    def find(self, name: str) -> str:
        """The id of the container called `name`. Raises EnvironmentFault."""
        with engine_errors(f"looking for the container {name}"):
            return str(self._api.inspect_container(name)["Id"])

    def remove_project(self, names: Iterable[str], prefix: str) -> None:
        """Remove containers by name, and this run's networks and volumes whose names begin with `prefix`."""
        for name in names:
            self.remove(name)
        remove_networks_and_volumes(self._engine, self.run, prefix)

    def remove(self, container_id: str) -> None:
        """Remove it with its anonymous volumes, running or not. One that is gone already is fine."""
        with engine_errors("removing a container"):
            try:
                self._api.remove_container(container_id, force=True, v=True)
            except APIError as error:
                if error.status_code not in (404, 409):  # gone, or its removal is in progress
                    raise


def _roots(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def remove_networks_and_volumes(engine: Engine, run: RunId, prefix: str) -> None:
    """Those with the label of `run` whose names begin with `prefix`; what is gone already is fine."""
    api, label = engine.client.api, {"label": f"{RUN_LABEL}={run}"}
    with engine_errors("removing networks and volumes"):
        networks = [str(network["Name"]) for network in api.networks(filters=label)]
        volumes = [str(volume["Name"]) for volume in api.volumes(filters=label)["Volumes"] or ()]
        for names, remove in ((networks, api.remove_network), (volumes, api.remove_volume)):
            for name in names:
                if name.startswith(prefix):
                    unless_gone(remove, name)


def unless_gone(remove: Callable[[str], object], name: str) -> None:
    """Remove what has this name or id. It may be gone already."""
    try:
        remove(name)
    except (NotFound, ImageNotFound):
        return
