"""What Node says about its heap: a recorded answer, and other ones."""

import json
from pathlib import Path

import pytest

from membudget.core.quantities import MIB
from membudget.measure.live_heap.confined import NoAnswer
from membudget.measure.live_heap.node import Debugger
from membudget.measure.live_heap.websocket import Connection
from membudget.measure.profiling import node
from membudget.measure.profiling.heap_profile import Frame, ProfiledBy
from membudget.measure.profiling.node import IN_NODE, HeapSaid, prepared, read, said, together
from membudget.measure.profiling.profiler import IN_CONTAINER, ServiceSeen
from membudget.measure.trial import TrialInputs

RECORDED = Path(__file__).parent / "recorded"
HEAD = "membudget-profile 1\n"


class Sent(Connection):
    """A connection whose other end sends prepared messages, and then hangs."""

    def __init__(self, *messages: object) -> None:
        self._messages = [json.dumps(message).encode() for message in messages]
        self.asked: list[str] = []

    def send(self, text: str) -> None:
        self.asked.append(text)

    def receive(self) -> bytes:
        if not self._messages:
            raise TimeoutError
        return self._messages.pop(0)


def attached(session: str) -> object:
    return {"method": "NodeWorker.attachedToWorker", "params": {"sessionId": session, "workerInfo": {}}}


def received(session: str, message: str) -> object:
    return {"method": "NodeWorker.receivedMessageFromWorker", "params": {"sessionId": session, "message": message}}


def result(text: object, pid: int = 7) -> str:
    return json.dumps({"id": 1, "result": {"result": {"value": [pid, text, 100 * MIB, 12 * MIB, 9 * MIB]}}})


def heap(held: int, live: int, resident: int = 0, text: str = HEAD) -> HeapSaid:
    return HeapSaid(text.encode(), resident * MIB, held * MIB, live * MIB)


def beside(own: HeapSaid, *workers: HeapSaid | None) -> dict[str, int]:
    """The MiB of each frame beside live objects."""
    profile = read(together(own, workers))
    return {profile.frames[one.frames[0]].name: one.held_bytes // MIB for one in profile.stacks}


def of_workers(*messages: object) -> list[HeapSaid | None]:
    return list(node._of_workers(Debugger(Sent(*messages)), 7))


def test_the_function_that_grew_is_first() -> None:
    profile = read((RECORDED / "node-18.txt").read_bytes())
    assert profile.profiled_by is ProfiledBy.V8_SAMPLING
    first = profile.stacks[0]
    assert profile.frames[first.frames[0]] == Frame("addEntries", "/app/catalog/search.js", 4)
    assert first.held_bytes > 40 << 20
    assert [profile.frames[at].name for at in first.frames[:2]] == ["addEntries", "buildIndex"]
    others = [profile.frames[one.frames[0]] for one in profile.stacks[1:3]]
    assert [frame.name for frame in others] == ["V8 heap, not live", "Node.js, native memory"]
    assert {frame.name for frame in profile.frames if not frame.in_live_heap} == {frame.name for frame in others}


def test_only_what_live_heap_counts_is_marked_as_live() -> None:
    """`process.memoryUsage()`, which `live_heap` asks, knows the main thread's heap only."""
    main, worker = (f"{HEAD}f {name}\t/app/a.js\t1\ns {9 * MIB} 0\nr 0\n" for name in ("main", "worker"))
    profile = read(together(heap(12, 9, 40, main), [heap(12, 9, 40, worker)]))
    marks = {frame.name: frame.in_live_heap for frame in profile.frames}
    outside = {"V8 heap, not live": False, "Node.js, native memory": False}
    assert marks == {"main": True, "worker": False, **outside}


def test_code_of_node_and_of_packages_is_a_librarys() -> None:
    lines = (
        "node:net",
        "file:///app/node_modules/x/index.js",
        f"{IN_CONTAINER}/profile.cjs",
        "",
        "file:///app/a%20b.mjs",
    )
    frames = "".join(f"f name{number}\t{file}\t1\ns 1 {number}\n" for number, file in enumerate(lines))
    profile = read((HEAD + frames).encode())
    assert [(frame.file, frame.is_library) for frame in profile.frames] == [
        ("node:net", True),
        ("/app/node_modules/x/index.js", True),
        (f"{IN_CONTAINER}/profile.cjs", True),
        (None, True),
        ("/app/a b.mjs", False),
    ]


@pytest.mark.parametrize(
    ("environment", "variables", "options"),
    [
        ({}, {}, f"--require={IN_CONTAINER}/profile.cjs"),
        ({}, {"NODE_OPTIONS": "--enable-source-maps"}, f"--enable-source-maps --require={IN_CONTAINER}/profile.cjs"),
        ({"NODE_OPTIONS": "--own"}, {"NODE_OPTIONS": "--other"}, f"--own --require={IN_CONTAINER}/profile.cjs"),
    ],
)
def test_node_loads_our_module_beside_its_own_options(
    environment: dict[str, str], variables: dict[str, str], options: str
) -> None:
    inputs = prepared(TrialInputs(environment={"A": "b", **environment}), ServiceSeen(image_variables=variables))
    assert inputs.environment == {"A": "b", "NODE_OPTIONS": options}
    assert inputs.volumes == {IN_CONTAINER: IN_NODE}
    assert (IN_NODE / "profile.cjs").is_file()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"result": {"value": [8, HEAD, 3, 2, 1]}}, "another process, 8"),
        ({"result": {"value": [7]}}, "has not loaded the profiler"),
        ({"result": {"value": [7, HEAD]}}, "did not say"),
        ({"result": {"value": [7, HEAD, 3, 1e300, 1]}}, "did not say"),
        ({"exceptionDetails": {"text": "\x1b[2J"}}, "the profiler in Node failed"),
        ({"result": {"value": 9}}, "did not say"),
        (None, "did not say"),
    ],
)
def test_any_other_answer_has_a_reason(answer: object, reason: str) -> None:
    with pytest.raises(NoAnswer, match=reason):
        said(answer, 7)


def test_worker_threads_are_asked_as_well() -> None:
    found = of_workers(
        attached("1"), {"id": 1, "result": {}}, {"id": 2, "result": {}}, received("1", '{"method": "other"}'),
        attached("2"), received("1", result(HEAD)),
    )  # fmt: skip
    assert found == [heap(12, 9, 100)]


@pytest.mark.parametrize(
    "answer",
    [
        received("1", json.dumps({"id": 1, "result": {"result": {"value": [7]}}})),
        received("1", result(HEAD, pid=99)),
        {"method": "NodeWorker.detachedFromWorker", "params": {"sessionId": "1"}},
    ],
)
def test_a_worker_that_says_nothing_of_use_is_silent(answer: object) -> None:
    assert of_workers(attached("1"), {"id": 1, "result": {}}, answer) == [None]


def test_workers_that_are_too_many_are_silent() -> None:
    sessions = [str(number) for number in range(34)]
    answers = [received(one, result(HEAD)) for one in sessions]
    found = of_workers(*map(attached, sessions), {"id": 1, "result": {}}, *answers)
    assert (len(found), found[31:]) == (34, [heap(12, 9, 100), None, None])


def test_memory_beside_live_objects_has_a_name() -> None:
    """The process has 90 MiB. V8 has 71 MiB of them, and 56 MiB of these are live objects."""
    own = heap(71, 56, resident=90, text=f"{HEAD}f keep\t/app/a.js\t3\ns {50 * MIB} 0\nr 0\n")
    assert beside(own) == {"keep": 50, "Node.js, native memory": 19, "V8 heap, not live": 15}


def test_heaps_of_worker_threads_are_no_native_memory() -> None:
    assert beside(heap(20, 15, 90), heap(30, 10, 90), heap(10, 9, 90)) == {
        "Node.js, native memory": 30,
        "V8 heap, not live": 26,
    }


@pytest.mark.parametrize("missing", [None, heap(30, 30, text=HEAD + "f a\t\t0\n" * 600_000)])
def test_native_memory_is_unknown_if_a_workers_heap_is(missing: HeapSaid | None) -> None:
    assert beside(heap(20, 15, 90), missing, heap(10, 9)) == {"V8 heap, not live": 6}


@pytest.mark.parametrize("resident", [0, 15])
def test_what_is_not_resident_is_no_native_memory(resident: int) -> None:
    """A buffer that nobody has written to is in V8's sum, and in no page."""
    assert beside(heap(20, 15, resident)) == {"V8 heap, not live": 5}


@pytest.mark.parametrize("message", ["[" * 100_000, "7", "{}", '{"id": 1}', result(HEAD)[:-1]])
def test_a_worker_that_lies_ends_at_the_deadline(message: str) -> None:
    with pytest.raises(TimeoutError):
        of_workers(attached("1"), {"id": 1, "result": {}}, received("1", message))


def test_an_old_node_has_no_workers() -> None:
    assert of_workers({"id": 1, "error": {"message": "not found"}}) == []
