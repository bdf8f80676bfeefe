"""Where HTTP drivers run: a process that enters the service's network namespace, or a container that shares it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from membudget.core.errors import EnvironmentFault
from membudget.engine.containers import HELPER_MEMORY_BYTES, Containers
from membudget.engine.helper import Helper
from membudget.engine.helper_container import DockerHelper
from membudget.engine.options import ContainerOptions
from membudget.engine.subprocess_helper import SubprocessHelper

_MODULE = "membudget.measure.workload.http_process"
_NOBODY = "65534:65534"


@dataclass(frozen=True, slots=True)
class PlacedDriver:
    """A driver that reaches one container."""

    helper: Helper
    network_namespace: str | None
    """What it has to enter first; None when it is inside already."""


class Drivers(Protocol):
    """Makes drivers that reach a container over its own loopback."""

    def reaching(self, container_id: str, pid: int) -> AbstractContextManager[PlacedDriver]:
        """A driver for one container, ended with the context."""

    def close(self) -> None:
        """End what is kept between trials."""


class HostDrivers:
    """One process for all trials, entering each container's namespace in turn. Needs root on the engine's host."""

    def __init__(self) -> None:
        self._helper: SubprocessHelper | None = None

    @contextmanager
    def reaching(self, container_id: str, pid: int) -> Iterator[PlacedDriver]:
        """A driver for the container whose PID 1 is `pid`."""
        del container_id
        if self._helper is None:
            self._helper = SubprocessHelper(_MODULE)
        try:
            yield PlacedDriver(self._helper, f"/proc/{pid}/ns/net")
        except BaseException:
            self._end(grace_s=0)  # it may be in the middle of something: the next trial gets a new one
            raise

    def close(self) -> None:
        """End the process."""
        self._end()

    def _end(self, grace_s: float = 2.0) -> None:
        if self._helper is not None:
            self._helper.close(grace_s)
            self._helper = None


class MissingDrivers:
    """Where there is neither: only workloads that need no driver can run."""

    def __init__(self, why: str) -> None:
        self._why = why

    def reaching(self, container_id: str, pid: int) -> AbstractContextManager[PlacedDriver]:
        """Raises EnvironmentFault."""
        del container_id, pid
        raise EnvironmentFault(f"HTTP requests need a helper container: {self._why}")

    def close(self) -> None:
        """Nothing is kept."""


class ContainerDrivers:
    """A container for each trial, in the network namespace of the measured one, outside its cgroup."""

    def __init__(self, containers: Containers, helper_image: str) -> None:
        self._containers = containers
        self._image = helper_image

    @contextmanager
    def reaching(self, container_id: str, pid: int) -> Iterator[PlacedDriver]:
        """A driver for the container of this id."""
        del pid
        options = ContainerOptions(
            image=self._image,
            name=f"driver-{container_id[:12]}",
            role="driver",
            entrypoint=("python3", "-m", _MODULE),
            command=(),
            memory_bytes=HELPER_MEMORY_BYTES,
            network=f"container:{container_id}",
            user=_NOBODY,
            capabilities=(),
            interactive=True,
        )
        helper = DockerHelper(self._containers, _MODULE, options)
        try:
            yield PlacedDriver(helper, None)
        finally:
            helper.close()

    def close(self) -> None:
        """Nothing is kept."""
