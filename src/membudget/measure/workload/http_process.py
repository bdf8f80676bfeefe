"""The HTTP driver: readiness and load over loopback, from inside the service's own network namespace.

It runs as `python -m membudget.measure.workload.http_process`. It is a process of its own because only a whole process
can enter a network namespace. Load generation also shares neither the measured cgroup nor membudget's interpreter. The
driver reads no data of the service itself. A forked child does so after it has entered the namespace and given up all
rights.
"""

import asyncio
import dataclasses
import json
import sys
import time
from collections import Counter
from functools import partial
from typing import Any

import aiohttp
from pydantic import TypeAdapter

from membudget.measure.listening import chosen, read_listening
from membudget.measure.load import DriveEvent, DriveFault, DriveOrder, LoadPoint, LoadResult, RequestGroup
from membudget.measure.workload.confinement import (
    BoundedConnector,
    ChildEnding,
    end_out_of_memory,
    enter_network,
    is_out_of_memory,
    run_confined,
)
from membudget.measure.workload.http_sender import in_words, send

_READINESS_POLL_S = 0.02
_PREFERENCE_S = 1.0
"""How long a preferred port is waited for once the service listens on another."""
_TELLING_S = 0.1
"""An attempt that was cut off after less time says nothing about the service."""
_ATTEMPT_TIMEOUT_S = 60.0
"""How long one attempt waits to learn whether the service is ready."""
_MEMORY_BYTES = 512 << 20
"""The child's memory limit, the same as that of the container in which the driver runs if it cannot run on the host."""


def main() -> None:
    """Obey orders from standard input, one after another."""
    order_type = TypeAdapter(DriveOrder)
    for line in sys.stdin:
        order = order_type.validate_json(line)
        namespace = order.network_namespace
        enter = partial(enter_network, namespace) if namespace is not None else None
        ending = run_confined(partial(_obey, order), _MEMORY_BYTES, enter)
        if ending is ChildEnding.OUT_OF_MEMORY:
            _say(DriveEvent("failed", _out_of_memory(order), DriveFault.OUT_OF_MEMORY))
        elif ending is ChildEnding.FAILED:
            sys.exit(1)


def _obey(order: DriveOrder) -> None:
    asyncio.run(_drive(order))


def _out_of_memory(order: DriveOrder) -> str:
    asked = [f"{group.method} {group.path}" for group in order.groups] or [f"GET {order.ready_http}"]
    return (
        f"the HTTP driver reached its memory limit of {_MEMORY_BYTES >> 20} MiB while it read the service's answers to"
        f" {', '.join(dict.fromkeys(asked))}: the service sends what a client cannot hold, or the workload holds too"
        " many connections"
    )


def _on_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if is_out_of_memory(context.get("exception")):
        end_out_of_memory()
    loop.default_exception_handler(context)


async def _drive(order: DriveOrder) -> None:
    asyncio.get_running_loop().set_exception_handler(_on_loop_error)
    if order.only_looks:
        _say(DriveEvent("looked", listening=read_listening()))
        return
    waiting = _Waiting(order)
    unready = await _become_ready(waiting)
    if unready is not None:
        _say(DriveEvent("failed", unready.reason, unready.fault, listening=read_listening()))
        return
    port = waiting.port
    _say(DriveEvent("ready", at_once=waiting.attempts == 1, port=port, late_ms=waiting.late_ms))
    for number, group in enumerate(order.groups):
        try:
            assert port is not None  # noqa: S101 - a service is ready at a port before it gets requests
            sent = await send(port, group, partial(_say_point, number))
        except OSError as error:
            why = in_words(error, group.timeout_ms / 1000)
            problem = f"{group.connections} connections could not be opened: {why}"
            _say(DriveEvent("failed", problem, DriveFault.NOT_CONNECTED))
            return
        _say(DriveEvent("load", load=sent.result, latencies=sent.latencies.counts))
        if sent.result.errors > sent.result.requests * group.errors_percent / 100:
            _say(DriveEvent("failed", _describe(group, sent.result, sent.failures), DriveFault.REQUESTS_FAILED))
            return
    _say(DriveEvent("done"))


@dataclasses.dataclass(frozen=True, slots=True)
class _Unready:
    """Why a service is not ready."""

    reason: str
    fault: DriveFault = DriveFault.NOT_READY


@dataclasses.dataclass(slots=True)
class _Waiting:
    """What is known of a service that may not be ready yet."""

    order: DriveOrder
    port: int | None = None
    """The port of the service. None while that is not known."""
    attempts: int = 0
    other_since: float | None = None
    """Since when the service has listened on a port that is not a preferred one."""

    def __post_init__(self) -> None:
        self.port = self.order.port

    @property
    def late_ms(self) -> int:
        """For how long the service has listened on a port that is not a preferred one."""
        return round((time.monotonic() - self.other_since) * 1000) if self.other_since is not None else 0

    @property
    def asked(self) -> str:
        """What the service is asked and where, in words that the result follows."""
        if self.order.ready_http is not None and self.port is not None:
            return f"GET {self.order.ready_http} at port {self.port}: "
        return f"port {self.order.ready_tcp}: " if self.order.ready_tcp is not None else ""

    def find_port(self) -> _Unready | None:
        """Look for the service's port. Return why there is none yet."""
        found = chosen(read_listening(), self.order.preferred)
        if found is None:
            return _Unready("nothing listens on a TCP port", DriveFault.LISTENS_NOWHERE)
        if self.order.preferred and found.port not in self.order.preferred:
            self.other_since = self.other_since or time.monotonic()
            if self.late_ms < _PREFERENCE_S * 1000:
                return _Unready(f"it listens on {found}")
        else:
            self.other_since = None
        self.port = found.port
        return None


async def _become_ready(waiting: _Waiting) -> _Unready | None:
    connections = BoundedConnector()
    timeout = aiohttp.ClientTimeout(total=_ATTEMPT_TIMEOUT_S)
    async with aiohttp.ClientSession(connector=connections, timeout=timeout, auto_decompress=False) as session:
        return await _wait_until_ready(session, waiting)


async def _wait_until_ready(session: aiohttp.ClientSession, waiting: _Waiting) -> _Unready | None:
    """Return why the service was not ready in time, or None if it was."""
    deadline = time.monotonic() + waiting.order.ready_timeout_ms / 1000
    seen: _Unready | None = None
    while (remaining := deadline - time.monotonic()) > 0:
        waiting.attempts += 1
        try:
            async with asyncio.timeout(remaining):
                problem = await _not_ready(session, waiting)
        except TimeoutError:
            if seen is None:
                seen = _Unready(f"{waiting.asked}no answer came")
            elif remaining >= _TELLING_S:
                seen = _Unready(f"{waiting.asked}no answer came; before that: {seen.reason}", seen.fault)
            break
        if problem is None:
            return None
        seen = problem
        await asyncio.sleep(_READINESS_POLL_S)
    waited_s = waiting.order.ready_timeout_ms / 1000
    within = "" if waiting.order.ends_with_trial else f" within {round(waited_s, 2):g} s"
    seen = seen or _Unready("no time to ask")
    return _Unready(f"not ready{within}: {seen.reason}", seen.fault)


async def _not_ready(session: aiohttp.ClientSession, waiting: _Waiting) -> _Unready | None:
    order = waiting.order
    try:
        if waiting.port is None and order.ready_tcp is None and (problem := waiting.find_port()) is not None:
            return problem
        if order.ready_http is not None:
            # The status is enough. The body may be endless and is not read.
            asked = f"http://127.0.0.1:{waiting.port}{order.ready_http}"
            async with session.get(asked, allow_redirects=False) as answer:
                return None if answer.status < 400 else _Unready(f"{waiting.asked}status {answer.status}")
        if order.ready_tcp is not None:
            _, writer = await asyncio.open_connection("127.0.0.1", order.ready_tcp)
            writer.close()
    except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: an invalid status
        return _Unready(f"{waiting.asked}{in_words(error, _ATTEMPT_TIMEOUT_S)}")
    return None


def _describe(group: RequestGroup, result: LoadResult, failures: Counter[str]) -> str:
    kinds = "; ".join(f"{count} x {kind}" for kind, count in failures.most_common(3))
    of = group.count if group.count is not None else result.requests
    return (
        f"{result.errors} of {of} requests {group.method} {group.path} failed: {kinds} (expected status {group.expect})"
    )


def _say_point(group: int, point: LoadPoint) -> None:
    _say(DriveEvent("point", group=group, point=point))


def _say(event: DriveEvent) -> None:
    sys.stdout.write(json.dumps(dataclasses.asdict(event)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
