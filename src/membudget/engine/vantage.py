"""What this process can see and do on the engine's machine without a helper container."""

import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from membudget.core.errors import ConfigurationError, DoctorCheck, EnvironmentFault
from membudget.engine.connection import Engine

ProbePlace = Literal["auto", "host", "container"]

# The kernel gives the initial namespaces fixed inode numbers (include/linux/proc_ns.h).
_INITIAL_PID_NAMESPACE = 0xEFFFFFFC
_INITIAL_CGROUP_NAMESPACE = 0xEFFFFFFB


@dataclass(frozen=True, slots=True)
class Vantage:
    """What this process can do without a helper container."""

    reads_cgroups: bool
    """The process sees the engine's cgroups below /sys/fs/cgroup."""
    is_root: bool
    """The process may also enter network namespaces and remove cgroups."""
    only_statistics: str | None = None
    """Why only the engine's own statistics can be measured, from any place. None if cgroups can be read."""

    @property
    def acts_alone(self) -> bool:
        """Return whether no helper container is needed."""
        return self.reads_cgroups and self.is_root


def vantage_on(engine: Engine, asked: ProbePlace = "auto") -> Vantage:
    """Return what this process can see of `engine`.

    Raises ConfigurationError if nothing can be seen from the `asked` place, and EnvironmentFault if there is no other.
    """
    if engine.info.rootless:
        return _look_at_rootless(engine, asked)
    on_host = _is_on_host_of(engine)
    if asked == "host" and not on_host:
        raise ConfigurationError(
            f"--probe host: this process does not run on the machine of the engine {engine.info.name},"
            " or not in its initial namespaces",
            fix="leave --probe out, or say --probe container",
        )
    is_root = sys.platform == "linux" and os.geteuid() == 0
    return Vantage(reads_cgroups=on_host and asked != "container", is_root=is_root)


def _look_at_rootless(engine: Engine, asked: ProbePlace) -> Vantage:
    """Return the vantage on a rootless engine, whose trials get no cgroups of their own.

    These would be slices of the user's systemd, which only that systemd can remove.
    """
    why = (
        f"the engine {engine.info.name} is rootless, and membudget cannot remove cgroups over the D-Bus of the engine's"
        " user yet: its trials get none of their own"
    )
    if engine.info.kind == "podman":  # its statistics, the last resort, do not contain RSS
        raise EnvironmentFault(why, fix="use an engine that runs as root (docs/engines.md)", check=DoctorCheck.PROBE)
    if asked != "auto":
        raise ConfigurationError(
            f"--probe {asked}: {why}",
            fix="say --probe engine, to measure by the engine's statistics, or use an engine that runs as root",
        )
    return Vantage(reads_cgroups=False, is_root=False, only_statistics=why)


def _is_on_host_of(engine: Engine) -> bool:
    if sys.platform != "linux" or not engine.is_local_socket:
        return False
    same_machine = engine.info.name == socket.gethostname() and engine.info.kernel == os.uname().release
    return same_machine and _in_initial_namespaces()


def _in_initial_namespaces() -> bool:
    try:
        pid, cgroup = (Path("/proc/self/ns", name).stat().st_ino for name in ("pid", "cgroup"))
    except OSError:
        return False
    return (pid, cgroup) == (_INITIAL_PID_NAMESPACE, _INITIAL_CGROUP_NAMESPACE)
