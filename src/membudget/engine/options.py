"""How containers, and commands inside of them, are asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerOptions:
    """How a container is made. The defaults are the ones for code that nobody has read."""

    image: str
    name: str
    role: str
    """What it is for, in a label: trial, probe, driver, removal."""
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    memory_bytes: int | None = None
    """Memory limit; swap included, so that there is none."""
    cgroup_parent: str | None = None
    network: str = "none"
    """"none", "bridge", or "container:ID" for another container's namespace."""
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    workdir: str | None = None
    read_only: bool = False
    tmpfs: Mapping[str, int] = field(default_factory=dict)
    """Sizes in bytes, by path."""
    volumes: tuple[str, ...] = ()
    """Paths of fresh volumes, which go away with the container."""
    pids: int = 4096
    capabilities: tuple[str, ...] | None = None
    """Exactly these; None leaves the engine's default set."""
    binds: tuple[str, ...] = ()
    host_namespaces: bool = False
    """The host's PID and cgroup namespaces, to see other containers' cgroups."""
    cpuset: str | None = None
    """The CPUs it may run on, as the kernel lists them: "0-1"; None: all."""
    devices: tuple[str, ...] = ()
    """Devices of the host, like "/dev/kmsg:/dev/kmsg:r"."""
    health_interval_ms: int | None = None
    """How often the image's HEALTHCHECK runs; None leaves the image's own interval, 30 s unless it says otherwise."""
    interactive: bool = False
    """Standard input stays open until we hang up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecOptions:
    """How a command is run inside a container."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    workdir: str | None = None
    user: str | None = None
    reads_input: bool = False
