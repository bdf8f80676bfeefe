"""Profiles Node: a module of ours samples its heap from the start, and is asked through the inspector.

NODE_OPTIONS loads the module (`in_node/profile.cjs`), also into worker threads and child processes. SIGUSR1 makes Node
open its inspector, which evaluates the module's function even while JavaScript runs (Node's documentation, "Debugger";
the Chrome DevTools protocol, and Node's own domain NodeWorker for worker threads).
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from membudget.measure.live_heap.confined import NoAnswer
from membudget.measure.live_heap.messages import AskableRuntime
from membudget.measure.live_heap.node import Debugger, DebuggerEvent, debugger
from membudget.measure.live_heap.runtimes import RunningRuntime
from membudget.measure.profiling.heap_profile import Frame, HeapProfile, ProfiledBy
from membudget.measure.profiling.profiler import IN_CONTAINER, Profiler, ServiceSeen, preloaded
from membudget.measure.profiling.summary import LONGEST_SUMMARY_BYTES, outside_of_live_heap, profile_of, summary_of
from membudget.measure.runtimes.runtime import RuntimeKind
from membudget.measure.trial import TrialInputs

IN_NODE = Path(__file__).parent / "in_node"
_MODULE = f"{IN_CONTAINER}/profile.cjs"
_LONGEST_MESSAGE_BYTES = 3 << 20
"""A summary has 1 MiB at most. JSON writes up to twice that, and the message to a worker thread writes it twice."""
_MOST_WORKERS = 32
_ASK = "[process.pid, ...(globalThis[Symbol.for('membudget.profile')]?.() ?? [])]"
_ASK_WORKER = json.dumps({"id": 1, "method": "Runtime.evaluate", "params": {"expression": _ASK, "returnByValue": True}})

_MOST_TEXT_BYTES = LONGEST_SUMMARY_BYTES - 1024
"""The rest is for the two frames below."""
_NOT_LIVE = Frame("V8 heap, not live")
"""What V8 held beside live objects: garbage, and memory that it keeps for new objects."""
_NATIVE = Frame("Node.js, native memory")
"""What the process held outside of V8's heaps and buffers: its garbage collector's, libraries', and add-ons' memory."""


@dataclass(frozen=True, slots=True)
class HeapSaid:
    """What the module says of one heap of V8: that of a process's main thread, or of a worker thread.

    V8 collects garbage before it gives the samples. The first two figures are from before.
    """

    text: bytes
    """The summary: live objects, and buffers."""
    resident_bytes: int
    """The memory of the whole process, as peak RSS counts it. 0 if unknown."""
    held_bytes: int
    """The part of it that is in this heap, or in buffers of its objects."""
    live_bytes: int
    """What the live objects and their buffers need."""


def prepared(inputs: TrialInputs, seen: ServiceSeen) -> TrialInputs:
    """Return `inputs` with which Node loads our module. Other programs do not notice."""
    return preloaded(inputs, seen, "NODE_OPTIONS", f"--require={_MODULE}", IN_NODE)


def capture(process: RunningRuntime, deadline: float) -> bytes:
    """Return the summaries of a Node's heap and of those of its worker threads. Runs confined beside Node.

    Raises NoAnswer, OSError, and TimeoutError at the deadline.
    """
    with debugger(process, deadline, _LONGEST_MESSAGE_BYTES) as asked:
        own = said(asked.call("Runtime.evaluate", expression=_ASK, returnByValue=True), process.pid)
        return together(own, list(_of_workers(asked, process.pid)))


def together(own: HeapSaid, workers: Sequence[HeapSaid | None]) -> bytes:
    """Return the summaries of a process's heaps, and of its memory beside live objects. A silent worker is None.

    Such a worker's heap would be taken for memory outside of V8. So that is left out then.
    """
    text, is_complete, heard = own.text, True, [own]
    for worker in workers:
        if worker is None or len(text) + len(worker.text) > _MOST_TEXT_BYTES:
            is_complete = False
        else:
            text += outside_of_live_heap(worker.text)  # `live_heap` is the main thread's
            heard.append(worker)
    not_live = sum(max(0, heap.held_bytes - heap.live_bytes) for heap in heard)
    native = own.resident_bytes - sum(heap.held_bytes for heap in heard) if is_complete else 0
    return text + outside_of_live_heap(summary_of([((_NOT_LIVE,), not_live), ((_NATIVE,), native)]))


def said(result: object, pid: int) -> HeapSaid:
    """Return what the module said, from the inspector's result. Raises NoAnswer if it is not of process `pid`."""
    match result:
        case {"result": {"value": [int(own), str(text), int(resident), int(held), int(live)]}}:
            if own != pid:
                raise NoAnswer(f"another process, {own}, has its inspector's port")
            return HeapSaid(text.encode(errors="replace"), resident, held, live)
        case {"result": {"value": [int()]}}:
            raise NoAnswer(
                "Node has not loaded the profiler: the service replaces NODE_OPTIONS, or this Node has no inspector"
            )
        case {"exceptionDetails": _}:
            raise NoAnswer("the profiler in Node failed")
    raise NoAnswer("its inspector did not say what its heap holds")


def _of_workers(asked: Debugger, pid: int) -> Iterator[HeapSaid | None]:
    """Yield what worker threads say. None for one that ends meanwhile, and for those that are too many."""
    try:
        asked.call("NodeWorker.enable", waitForDebuggerOnStart=False)
    except NoAnswer:  # this Node knows no workers
        return
    sessions = [one for event in asked.events() if (one := _session(event, "NodeWorker.attachedToWorker")) is not None]
    for session in sessions[:_MOST_WORKERS]:
        asked.tell("NodeWorker.sendMessageToWorker", sessionId=session, message=_ASK_WORKER)
        yield _answer(asked, session, pid)
    yield from (None for _ in sessions[_MOST_WORKERS:])


def _answer(asked: Debugger, session: str, pid: int) -> HeapSaid | None:
    while True:
        event = asked.next_event()
        if _session(event, "NodeWorker.detachedFromWorker") == session:
            return None
        match event.get("params"):
            case {"message": str(message)} if (
                _session(event, "NodeWorker.receivedMessageFromWorker") == session
                and (result := _result(message)) is not None
            ):
                try:
                    return said(result, pid)
                except NoAnswer:
                    return None


def _result(message: str) -> object:
    try:
        answer = json.loads(message)
    except (ValueError, RecursionError):
        return None
    return answer["result"] if isinstance(answer, dict) and answer.get("id") == 1 and "result" in answer else None


def _session(event: DebuggerEvent, method: str) -> str | None:
    """Return the worker's session if the event is of that kind."""
    match event:
        case {"method": str(name), "params": {"sessionId": str(session)}} if name == method:
            return session
    return None


def read(raw: bytes) -> HeapProfile:
    """Return the profile in what Node said. Raises ValueError."""
    return profile_of(raw, ProfiledBy.V8_SAMPLING, _frame)


def _frame(name: str, file: str | None, line: int | None) -> Frame:
    """Return a frame. V8 names modules by URL, and has no file for its own functions."""
    path = unquote(file.removeprefix("file://")) if file is not None and file.startswith("file://") else file
    is_library = path is None or path.startswith("node:") or "/node_modules/" in path or path == _MODULE
    return Frame(name, path, line, is_library)


V8_SAMPLING = Profiler(AskableRuntime.NODE, frozenset({RuntimeKind.NODE}), capture, read, prepared)
