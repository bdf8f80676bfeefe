"""membudget's side of the HTTP driver: the driver's orders and its reports."""

import dataclasses
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from membudget.budgets.workload_parts import HttpRequests, Readiness, Requests
from membudget.core.errors import EngineLost, EnvironmentFault
from membudget.engine.containers import CannotStart
from membudget.engine.helper import HelperFailed
from membudget.measure.inputs import read_input
from membudget.measure.latencies import Latencies
from membudget.measure.listening import Listening
from membudget.measure.load import DriveEvent, DriveFault, DriveOrder, LoadProgress, LoadUnit, RequestGroup
from membudget.measure.throughput import Served
from membudget.measure.trial import WORKLOAD_PASSED, WorkloadResult
from membudget.measure.workload.explained import Unready, elsewhere, not_ready
from membudget.measure.workload.service import Service, ServiceGone

HTTP_DRIVER = "membudget.measure.workload.http_process"
_EVENT = TypeAdapter(DriveEvent)
_MOST_POINTS = 100_000
"""The most points of one group. The driver sends about 100 each time that their distance doubles."""
_LONGEST_REASON = 2000
LAST_WORD_S = 0.5
_PORT_TIMEOUT_MS = 5000
"""How long a ready service may take until it listens on a port, if no port is named."""
_USUAL_PORT = 8080
"""The port to take if a service listens on several, and neither the budgets file nor the image names one."""


def wait_until_ready(
    service: Service, readiness: Readiness, deadline: float, on_ready: Callable[[DriveEvent], None]
) -> WorkloadResult:
    """Let the driver ask the service until it is ready. Raises the same errors as `Service.ask`.

    `on_ready` gets the event. A service that is not ready is told with where it listens.
    """
    last_s = deadline - LAST_WORD_S  # the driver needs a moment before the deadline to say what it saw
    ends_with_trial = time.monotonic() + readiness.timeout / 1000 > last_s
    if ends_with_trial:
        look(service)  # which starts the driver: its own start would take that moment
    ready_by = min(last_s, time.monotonic() + readiness.timeout / 1000)
    order = DriveOrder(
        network_namespace=None,
        port=readiness.port or service.port,
        ready_tcp=readiness.tcp,
        ready_http=readiness.http,
        ready_timeout_ms=max(1, round((ready_by - time.monotonic()) * 1000)),
        groups=(),
        preferred=_preferred(service),
        ends_with_trial=ends_with_trial,
    )
    failed = _drive(service, order, deadline, on_ready)
    if not isinstance(failed, _Failed):
        return failed
    unready = Unready(
        asked=readiness.tcp or readiness.port or service.port,
        names_tcp=service.names_tcp,
        says_nowhere=failed.fault is DriveFault.LISTENS_NOWHERE,
        output=service.containers.log_tail(service.container_id),
    )
    result = WorkloadResult(passed=False, reason=failed.reason, timed_out=ends_with_trial)
    return not_ready(result, service.listening, unready)


def look(service: Service, timeout_s: float = 5.0) -> tuple[Listening, ...] | None:
    """Return where the service listens. None if nobody can tell: there is no helper, or the service has ended.

    Raises EngineLost.
    """
    order = DriveOrder(None, None, None, None, 1000, (), only_looks=True)
    try:
        event = _event(next(service.ask(HTTP_DRIVER, dataclasses.asdict(order), time.monotonic() + timeout_s)))
    except EngineLost:
        raise
    except (EnvironmentFault, CannotStart, TimeoutError, ServiceGone):
        service.give_up(HTTP_DRIVER)
        return None
    service.listening = event.listening or ()
    return service.listening


def _preferred(service: Service) -> tuple[int, ...]:
    return service.exposed or (_USUAL_PORT,)


def send_requests(requests: Requests, service: Service, deadline: float) -> WorkloadResult:
    """Let the driver send the requests. Raises the same errors as `Service.ask`."""
    order = DriveOrder(
        network_namespace=None,
        port=service.port,
        ready_tcp=None,
        ready_http=None,
        ready_timeout_ms=_PORT_TIMEOUT_MS,
        preferred=_preferred(service),
        groups=tuple(_group(group, requests.phase, service.checkout) for group in requests.groups),
    )
    service.progress += [LoadProgress(_unit(group), [], requests.phase) for group in requests.groups]
    failed = _drive(service, order, deadline, lambda _: None)
    if not isinstance(failed, _Failed):
        return failed
    result = WorkloadResult(passed=False, reason=failed.reason)
    return elsewhere(result, service.listening, service.port) if look(service) else result


@dataclasses.dataclass(frozen=True, slots=True)
class _Failed:
    """Why the driver could not obey an order."""

    reason: str
    fault: DriveFault | None


def _drive(
    service: Service, order: DriveOrder, deadline: float, on_ready: Callable[[DriveEvent], None]
) -> WorkloadResult | _Failed:
    """Return the result if the driver obeyed, or if the service ended. Else return what went wrong."""
    first = len(service.progress) - len(order.groups)
    answers = service.ask(HTTP_DRIVER, dataclasses.asdict(order), deadline)
    while True:
        event = _event(next(answers))
        if event.event == "done":
            return WORKLOAD_PASSED
        if event.event == "failed":
            service.listening = event.listening or service.listening
            reason = (event.reason or "the driver gave no reason")[:_LONGEST_REASON]
            return service.just_ended(reason) or _Failed(reason, event.fault)
        if event.event == "ready":
            if order.port is None:
                service.port = event.port
            on_ready(event)
        else:
            _note(service, event, first)


def _note(service: Service, event: DriveEvent, first: int) -> None:
    """Note a point or a result. `first` is the number of the order's first group in the trial."""
    if not 0 <= event.group < len(service.progress) - first or len(service.served) >= len(service.progress):
        raise HelperFailed("the HTTP driver told of requests that it was not asked to send")
    points = service.progress[first + event.group].points
    if event.point is not None and len(points) < _MOST_POINTS:
        points.append(event.point)
    elif event.load is not None:
        unit = service.progress[len(service.served)].unit
        service.served.append(Served(event.load, Latencies.of(event.latencies), unit))


def _unit(group: HttpRequests) -> LoadUnit:
    """Return the unit that grows while the group is sent, over which memory is fitted."""
    if group.connections:
        return LoadUnit.CONNECTION
    return LoadUnit.STREAM if group.is_stream else LoadUnit.REQUEST


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
