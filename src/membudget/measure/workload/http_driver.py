"""membudget's side of the HTTP driver: the driver's orders and its reports."""

import dataclasses
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from membudget.budgets.workload_parts import HttpRequests, Readiness, Requests
from membudget.engine.helper import HelperFailed
from membudget.measure.inputs import read_input
from membudget.measure.load import DriveEvent, DriveOrder, LoadProgress, LoadUnit, RequestGroup
from membudget.measure.trial import WorkloadResult
from membudget.measure.workload.service import Service

HTTP_DRIVER = "membudget.measure.workload.http_process"
_EVENT = TypeAdapter(DriveEvent)
_MOST_POINTS = 100_000
"""The most points of one group. The driver sends about 100 each time that their distance doubles."""
_LONGEST_REASON = 2000


def wait_until_ready(
    service: Service, readiness: Readiness, deadline: float, on_ready: Callable[[bool], None]
) -> WorkloadResult:
    """Let the driver ask the service until it is ready. Raises the same errors as `Service.ask`.

    `on_ready` is told whether the first attempt succeeded.
    """
    ready_by = min(deadline, time.monotonic() + readiness.timeout / 1000)
    order = DriveOrder(
        network_namespace=None,
        port=service.port,
        ready_tcp=readiness.tcp,
        ready_http=readiness.http,
        ready_timeout_ms=max(1, round((ready_by - time.monotonic()) * 1000)),
        groups=(),
    )
    return service.unless_ended(_drive(service, order, deadline, on_ready))


def send_requests(requests: Requests, service: Service, deadline: float) -> WorkloadResult:
    """Let the driver send the requests. Raises the same errors as `Service.ask`."""
    order = DriveOrder(
        network_namespace=None,
        port=service.port,
        ready_tcp=None,
        ready_http=None,
        ready_timeout_ms=1000,
        groups=tuple(_group(group, requests.phase, service.checkout) for group in requests.groups),
    )
    service.progress += [LoadProgress(_unit(group), [], requests.phase) for group in requests.groups]
    return service.unless_ended(_drive(service, order, deadline, lambda _: None))


def _drive(service: Service, order: DriveOrder, deadline: float, on_ready: Callable[[bool], None]) -> str | None:
    """Return what went wrong, or None."""
    first = len(service.progress) - len(order.groups)
    answers = service.ask(HTTP_DRIVER, dataclasses.asdict(order), deadline)
    while True:
        event = _event(next(answers))
        if event.event == "done":
            return None
        if event.event == "failed":
            return (event.reason or "the driver gave no reason")[:_LONGEST_REASON]
        if event.event == "ready":
            on_ready(event.at_once)
        else:
            _note(service, event, first)


def _note(service: Service, event: DriveEvent, first: int) -> None:
    """Note a point or a result. `first` is the number of the order's first group in the trial."""
    if not 0 <= event.group < len(service.progress) - first or len(service.loads) > len(service.progress):
        raise HelperFailed("the HTTP driver told of requests that it was not asked to send")
    points = service.progress[first + event.group].points
    if event.point is not None and len(points) < _MOST_POINTS:
        points.append(event.point)
    elif event.load is not None:
        service.loads.append(event.load)


def _unit(group: HttpRequests) -> LoadUnit:
    """Return the unit that grows while the group is sent, over which memory is fitted."""
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
        timeout_ms=group.timeout,
        expect=group.expect,
        errors_percent=group.errors,
        phase=phase,
    )


def _event(line: str) -> DriveEvent:
    try:
        return _EVENT.validate_json(line)
    except ValidationError as error:
        raise HelperFailed(f"the HTTP driver's answer cannot be read: {error}") from None
