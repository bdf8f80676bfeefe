"""Asks Node for its live heap, by its inspector.

SIGUSR1 makes Node listen on loopback, on port 9229 unless that is taken or configured otherwise. The inspector's
protocol collects garbage (HeapProfiler.collectGarbage) and evaluates `process.memoryUsage()` (Node's documentation,
"Debugger", and the Chrome DevTools protocol).
"""

import json
import re
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

from membudget.measure.listening import parse_listening
from membudget.measure.live_heap.confined import NoAnswer
from membudget.measure.live_heap.runtimes import RunningRuntime, read_file
from membudget.measure.live_heap.websocket import LONGEST_MESSAGE_BYTES, Connection

_USUAL_PORT = 9229
_ROUNDS = 3
"""How often Node collects. What the first collection finds may be freed only after its finalizers have run."""
_PAUSE_S = 0.1
"""The time for finalizers."""
_LISTENING_S = 5.0
"""How long Node may take to listen. If it listened before, nothing changes."""
_POLL_S = 0.02
_MOST_EVENTS = 1000
_SOCKET_PATH = re.compile(r"ws://[^/\s]+(/[0-9a-f-]{36})")
_USED = "[process.pid, process.memoryUsage().heapUsed, process.memoryUsage().external]"
"""The heap in use, and the memory of buffers outside of it that its objects own."""

DebuggerEvent = dict[str, object]
"""A message of the inspector: an event, or a result."""


def live_bytes(process: RunningRuntime, deadline: float) -> int:
    """Return the bytes of the heap in use, and of the buffers that it owns. Runs confined beside Node.

    Raises NoAnswer, OSError, and TimeoutError at the deadline.
    """
    with debugger(process, deadline) as asked:
        for _ in range(_ROUNDS):
            asked.call("HeapProfiler.collectGarbage")
            time.sleep(_PAUSE_S)
        return used_bytes(asked.call("Runtime.evaluate", expression=_USED, returnByValue=True), process.pid)


def used_bytes(result: object, pid: int) -> int:
    """Return the bytes in use, from the inspector's result. Raises NoAnswer if it is not of process `pid`."""
    match result:
        case {"result": {"value": [int(own), int(heap), int(external)]}} if heap >= 0 and external >= 0:
            if own != pid:
                raise NoAnswer(f"another process, {own}, has its inspector's port")
            return heap + external
    raise NoAnswer("its inspector did not say how much memory it uses")


class Debugger:
    """Calls methods of the inspector, one after another."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._number = 0
        self._events: list[DebuggerEvent] = []

    def call(self, method: str, **parameters: object) -> object:
        """Return the method's result. Raises NoAnswer."""
        self.tell(method, **parameters)
        while True:
            said = self._next()
            if said.get("id") == self._number:
                if "result" not in said:
                    raise NoAnswer(f"its inspector refused {method}")
                return said["result"]
            if "method" in said and len(self._events) < _MOST_EVENTS:
                self._events.append(said)

    def tell(self, method: str, **parameters: object) -> None:
        """Call a method without waiting for its result."""
        self._number += 1
        self._connection.send(json.dumps({"id": self._number, "method": method, "params": parameters}))

    def events(self) -> list[DebuggerEvent]:
        """Return the events that came before the last result, and forget them."""
        events, self._events = self._events, []
        return events

    def next_event(self) -> DebuggerEvent:
        """Wait for an event and return it. Raises NoAnswer."""
        if self._events:
            return self._events.pop(0)
        while "method" not in (said := self._next()):
            pass
        return said

    def _next(self) -> DebuggerEvent:
        try:
            said = json.loads(self._connection.receive())
        except (ValueError, RecursionError):
            raise NoAnswer("its inspector sent something that is not JSON") from None
        return said if isinstance(said, dict) else {}


@contextmanager
def debugger(
    process: RunningRuntime, deadline: float, longest_message_bytes: int = LONGEST_MESSAGE_BYTES
) -> Iterator[Debugger]:
    """Provide a connection to a Node's inspector, and close the inspector in any case. Runs confined beside Node.

    Another process of Node in this container would want the same port. Raises NoAnswer, OSError, and TimeoutError.
    """
    if signal.SIGUSR1 not in process.caught:
        raise NoAnswer("it does not handle SIGUSR1, by which Node is asked (--disable-sigusr1, or no Node)")
    port = _inspector_port(process, deadline)
    with closing(Connection(port, deadline)) as connection:
        listed = connection.get("/json/list").decode(errors="replace")
    path = _SOCKET_PATH.search(listed)
    if path is None:
        raise NoAnswer("its inspector names no debugger's address")
    with closing(Connection(port, deadline, longest_message_bytes)) as connection:
        connection.upgrade(path[1])
        asked = Debugger(connection)
        try:
            yield asked
        finally:
            with suppress(OSError):  # Node is gone, or it is too late
                asked.tell("Runtime.evaluate", expression="process._debugEnd()")


def _inspector_port(process: RunningRuntime, deadline: float) -> int:
    """Make Node listen, and return the port."""
    before = _ports(process)
    process.signal(signal.SIGUSR1)
    until = min(deadline, time.monotonic() + _LISTENING_S)
    while not (new := _ports(process) - before):
        if _USUAL_PORT in before:  # it ran with --inspect
            return _USUAL_PORT
        if time.monotonic() > until:
            raise NoAnswer("its inspector did not listen in time (a handler of its own for SIGUSR1, or no Node)")
        time.sleep(_POLL_S)
    return min(new)


def _ports(process: RunningRuntime) -> frozenset[int]:
    return frozenset(one.port for one in parse_listening(read_file("net/tcp", process.folder)) if one.is_reachable)
