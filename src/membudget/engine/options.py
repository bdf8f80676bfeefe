"""The options of containers, and of commands inside of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerOptions:
    """The options of a container. The defaults are meant for untrusted code."""

    image: str
    name: str
    role: str
    """The purpose, which becomes a label: trial, probe, driver, removal."""
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    memory_bytes: int | None = None
    """The limit of memory including swap, so that the container cannot swap."""
    cgroup_parent: str | None = None
    network: str = "none"
    """"none", "bridge", or "container:ID" for the namespace of another container."""
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    workdir: str | None = None
    read_only: bool = False
    tmpfs: Mapping[str, int] = field(default_factory=dict)
    """The sizes in bytes, by path."""
    volumes: tuple[str, ...] = ()
    """The paths of new volumes, which are removed with the container."""
    pids: int = 4096
    capabilities: tuple[str, ...] | None = None
    """The only capabilities. None keeps the engine's defaults."""
    binds: tuple[str, ...] = ()
    pid_namespace_of: str | None = None
    """The ID of the container whose PID namespace to share. None for a namespace of its own."""
    host_namespaces: bool = False
    """Use the PID and cgroup namespaces of the host, to see the cgroups of other containers."""
    cpuset: str | None = None
    """The CPUs that it may run on, in the kernel's list format: "0-1". None means all."""
    devices: tuple[str, ...] = ()
    """Devices of the host, such as "/dev/kmsg:/dev/kmsg:r"."""
    health_interval_ms: int | None = None
    """The interval of the image's HEALTHCHECK. None keeps the interval of the image, which is 30 s by default."""
    interactive: bool = False
    """Keep standard input open until membudget closes it."""

    @property
    def pid_mode(self) -> str | None:
        """The engine's word for the PID namespace. None stands for a new one."""
        if self.pid_namespace_of is not None:
            return f"container:{self.pid_namespace_of}"
        return "host" if self.host_namespaces else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecOptions:
    """The options of a command inside a container."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    workdir: str | None = None
    user: str | None = None
    reads_input: bool = False


@dataclass(frozen=True, slots=True)
class Declarations:
    """What an image says about the service in it."""

    ports: tuple[int, ...]
    """The TCP ports of EXPOSE, lowest first."""
    has_healthcheck: bool
    variables: frozenset[str]
    """The names of the environment variables that it sets."""
    python_path: str | None = None
    """Its PYTHONPATH. None if it sets none."""
    ruby_options: str | None = None
    """Its RUBYOPT. None if it sets none."""
