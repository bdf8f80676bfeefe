"""What Node says about its heap: a recorded answer, and other ones."""

import json
from pathlib import Path

import pytest

from membudget.measure.live_heap.confined import NoAnswer
from membudget.measure.live_heap.node import Debugger
from membudget.measure.live_heap.websocket import Connection
from membudget.measure.profiling import node
from membudget.measure.profiling.heap_profile import Frame, ProfiledBy
from membudget.measure.profiling.node import IN_NODE, prepared, read, said
from membudget.measure.profiling.profiler import IN_CONTAINER, Seen
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
    return json.dumps({"id": 1, "result": {"result": {"value": [pid, text]}}})


def of_workers(*messages: object) -> list[bytes]:
    return list(node._of_workers(Debugger(Sent(*messages)), 7))


def test_the_function_that_grew_is_first() -> None:
    profile = read((RECORDED / "node-18.txt").read_bytes())
    assert profile.profiled_by is ProfiledBy.V8_SAMPLING
    first = profile.stacks[0]
    assert profile.frames[first.frames[0]] == Frame("addEntries", "/app/catalog/search.js", 4)
    assert first.held_bytes > 40 << 20
    assert [profile.frames[at].name for at in first.frames[:2]] == ["addEntries", "buildIndex"]


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
    inputs = prepared(TrialInputs(environment={"A": "b", **environment}), Seen(image_variables=variables))
    assert inputs.environment == {"A": "b", "NODE_OPTIONS": options}
    assert inputs.volumes == {IN_CONTAINER: IN_NODE}
    assert (IN_NODE / "profile.cjs").is_file()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"result": {"value": [8, HEAD]}}, "another process, 8"),
        ({"result": {"value": [7, None]}}, "has not loaded the profiler"),
        ({"result": {"value": [7]}}, "has not loaded the profiler"),
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
    assert found == [HEAD.encode()]


@pytest.mark.parametrize(
    "answer",
    [
        received("1", result(None)),
        received("1", result(HEAD, pid=99)),
        {"method": "NodeWorker.detachedFromWorker", "params": {"sessionId": "1"}},
    ],
)
def test_a_worker_that_says_nothing_of_use_is_left_out(answer: object) -> None:
    assert of_workers(attached("1"), {"id": 1, "result": {}}, answer) == []


@pytest.mark.parametrize("message", ["[" * 100_000, "7", "{}", '{"id": 1}', result(HEAD)[:-1]])
def test_a_worker_that_lies_ends_at_the_deadline(message: str) -> None:
    with pytest.raises(TimeoutError):
        of_workers(attached("1"), {"id": 1, "result": {}}, received("1", message))


def test_an_old_node_has_no_workers() -> None:
    assert of_workers({"id": 1, "error": {"message": "not found"}}) == []
