"""HTTP load on one container: what the driver is told to do, and what it says of it."""

import dataclasses
import json
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from pydantic import TypeAdapter, ValidationError

from membudget.budgets.workload_parts import HttpRequests, Readiness
from membudget.core.errors import EnvironmentFault
from membudget.engine.containers import HELPER_MEMORY_BYTES, Containers
from membudget.engine.helper import DockerHelper, Helper, HelperFailed, SubprocessHelper
from membudget.engine.options import ContainerOptions
from membudget.measure.inputs import read_input
from membudget.measure.load import DriveEvent, DriveOrder, LoadResult, RequestGroup
from membudget.measure.unit_cost import LoadProgress, LoadUnit

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


_EVENT = TypeAdapter(DriveEvent)
_LIVENESS_POLL_S = 0.25
_MOST_POINTS = 100_000
"""Of one group: the driver sends some 100 each time that their distance doubles."""
_LONGEST_REASON = 2000


class ServiceGone(Exception):
    """The service ended while it was driven, or its network did."""


class HttpLoad:
    """Drives one container, with one driver for all of its orders: a context, which ends the driver."""

    def __init__(self, containers: Containers, drivers: Drivers, container_id: str) -> None:
        self._containers = containers
        self._drivers = drivers
        self._container_id = container_id
        self._stack = ExitStack()
        self._placed: PlacedDriver | None = None
        self.results: list[LoadResult] = []
        """What became of the requests, group by group."""
        self.progress: list[LoadProgress] = []
        """How they went on, group by group."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._stack.__exit__(kind, error, trace)

    def wait_until_ready(
        self, port: int, readiness: Readiness, deadline: float, on_ready: Callable[[bool], None]
    ) -> str | None:
        """Why the service is not ready in time, None when it is; `on_ready` is told whether it was so at once.

        Raises TimeoutError when `deadline` (on `time.monotonic`) passes, ServiceGone, HelperFailed.
        """
        ready_by = min(deadline, time.monotonic() + readiness.timeout / 1000)
        order = DriveOrder(
            network_namespace=None,
            port=port,
            ready_tcp=readiness.tcp,
            ready_http=readiness.http,
            ready_timeout_ms=max(1, round((ready_by - time.monotonic()) * 1000)),
            groups=(),
        )
        return self._drive(order, deadline, on_ready)

    def send(
        self, port: int, groups: Sequence[HttpRequests], phase: str, checkout: Path | None, deadline: float
    ) -> str | None:
        """Send requests: what went wrong with them, None when nothing did. Raises as `wait_until_ready`."""
        order = DriveOrder(
            network_namespace=None,
            port=port,
            ready_tcp=None,
            ready_http=None,
            ready_timeout_ms=1000,
            groups=tuple(_group(group, phase, checkout) for group in groups),
        )
        self.progress += [LoadProgress(_unit(group), [], phase) for group in groups]
        return self._drive(order, deadline, lambda _: None)

    def _drive(self, order: DriveOrder, deadline: float, on_ready: Callable[[bool], None]) -> str | None:
        placed = self._reach()
        placed_order = dataclasses.replace(order, network_namespace=placed.network_namespace)
        first = len(self.progress) - len(order.groups)
        try:
            placed.helper.send(json.dumps(dataclasses.asdict(placed_order)))
            while True:
                event = _next_event(placed.helper, deadline)
                if event is None:
                    self._expect_life()
                elif event.event == "done":
                    return None
                elif event.event == "failed":
                    return (event.reason or "the driver gave no reason")[:_LONGEST_REASON]
                elif event.event == "ready":
                    on_ready(event.at_once)
                else:
                    self._note(event, first)
        except HelperFailed:
            if self._containers.state(self._container_id).running:
                raise
            raise ServiceGone from None  # its network went away, and the driver's with it

    def _reach(self) -> PlacedDriver:
        pid = self._containers.state(self._container_id).pid
        if pid == 0:
            raise ServiceGone
        if self._placed is None:
            self._placed = self._stack.enter_context(self._drivers.reaching(self._container_id, pid))
        return self._placed

    def _note(self, event: DriveEvent, first: int) -> None:
        """A point or a result. `first`: which group of the trial is the order's first."""
        if not 0 <= event.group < len(self.progress) - first or len(self.results) > len(self.progress):
            raise HelperFailed("the HTTP driver told of requests that it was not asked to send")
        points = self.progress[first + event.group].points
        if event.point is not None and len(points) < _MOST_POINTS:
            points.append(event.point)
        elif event.load is not None:
            self.results.append(event.load)

    def _expect_life(self) -> None:
        if not self._containers.state(self._container_id).running:
            raise ServiceGone


def _unit(group: HttpRequests) -> LoadUnit:
    """What grows while the group is sent: what memory is fitted over."""
    if group.connections:
        return LoadUnit.CONNECTION
    return LoadUnit.STREAM if group.read_rate is not None or group.read_for is not None else LoadUnit.REQUEST


def _group(group: HttpRequests, phase: str, checkout: Path | None) -> RequestGroup:
    body = group.body.encode() if group.body is not None else None
    if group.body_file is not None:
        body = read_input(checkout, group.body_file, "workload.requests.body_file")
    return RequestGroup(
        method=group.method,
        path=group.path,
        headers=dict(group.headers),
        body_base64=b64encode(body).decode() if body is not None else None,
        body_size=group.body_size,
        count=group.requests,
        duration_ms=group.duration,
        concurrency=group.concurrency,
        rate=group.rate,
        ramp_ms=group.ramp or 0,
        keep_alive=group.keep_alive,
        connections=group.connections,
        read_rate=group.read_rate,
        read_for_ms=group.read_for,
        expect=group.expect,
        errors_percent=group.errors,
        phase=phase,
    )


def _next_event(driver: Helper, deadline: float) -> DriveEvent | None:
    """The driver's next event, or None when it is time to look after the service. Raises TimeoutError."""
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError
    try:
        line = driver.receive(min(_LIVENESS_POLL_S, remaining))
    except TimeoutError:
        return None
    try:
        return _EVENT.validate_json(line)
    except ValidationError as error:
        raise HelperFailed(f"the HTTP driver's answer cannot be read: {error}") from None
