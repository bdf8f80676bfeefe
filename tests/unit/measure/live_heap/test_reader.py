"""What becomes of the answers of runtimes."""

import json

import pytest

from membudget.core.errors import EngineLost, EnvironmentFault
from membudget.engine.helper import HelperFailed
from membudget.measure.live_heap.messages import AskableRuntime, HeapAnswer, ProcessHeap
from membudget.measure.live_heap.reader import live_heap, summed
from membudget.measure.workload.service import MissingDrivers
from tests.fakes.containers import FakeDrivers

FOUND = {"pid": 1, "runtime": "JVM", "heap_bytes": 1000, "reason": None}


def heap(heap_bytes: int | None, reason: str | None = None) -> ProcessHeap:
    return ProcessHeap(7, AskableRuntime.HOTSPOT, heap_bytes, reason)


def answer(*heaps: dict[str, object], fault: str | None = None) -> str:
    return json.dumps({"heaps": heaps, "fault": fault})


def test_the_processes_of_the_container_are_asked() -> None:
    drivers = FakeDrivers(answer(FOUND))
    value = live_heap(drivers, "id", 4711).value
    assert (value.value, value.reason, value.lesser_precision) == (1000, None, None)
    assert json.loads(drivers.orders[0])["first_pid"] == 4711


@pytest.mark.parametrize("runtime", AskableRuntime)
def test_python_is_told_because_it_was_started_otherwise(runtime: AskableRuntime) -> None:
    drivers = FakeDrivers(answer({**FOUND, "runtime": runtime.value}))
    assert live_heap(drivers, "id", 7).answered == {runtime}


def test_several_runtimes_are_added_up() -> None:
    assert summed(HeapAnswer((heap(1), heap(2)))).value == 3


@pytest.mark.parametrize(
    ("heaps", "fault", "reason"),
    [
        ((), None, "no process of the container is a runtime"),
        ((), "they cannot be looked at", "they cannot be looked at"),
        ((heap(1), heap(None, "it did not answer in time")), None, "JVM (PID 7): it did not answer in time"),
        ((heap(None, "no\x1b[2J\n"),), None, "JVM (PID 7): no?[2J?"),
        ((heap(-1),), None, "out of range"),
        ((heap(1 << 50),), None, "out of range"),
    ],
)
def test_a_missing_answer_leaves_no_sum(heaps: tuple[ProcessHeap, ...], fault: str | None, reason: str) -> None:
    value = summed(HeapAnswer(heaps, fault))
    assert value.value is None
    assert reason in str(value.reason)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (TimeoutError(), "did not answer within 150 s"),
        (HelperFailed("it ended"), "it ended"),
        ("{}", "no answer that can be read"),
        ("\x1b[2J", "no answer that can be read"),
        (answer({**FOUND, "heap_bytes": "much"}), "no answer that can be read"),
        (answer({**FOUND, "runtime": "abacus"}), "no answer that can be read"),
    ],
)
def test_a_failure_to_ask_is_a_reason(said: str | Exception, reason: str) -> None:
    drivers = FakeDrivers(said)
    assert reason in str(live_heap(drivers, "id", 7).value.reason)
    assert bool(drivers.failed) == isinstance(said, Exception) or drivers.ended == []


def test_without_a_helper_image_there_is_a_reason() -> None:
    assert "nobody built one" in str(live_heap(MissingDrivers("nobody built one"), "id", 7).value.reason)


def test_a_lost_engine_is_no_reason() -> None:
    with pytest.raises(EngineLost):
        live_heap(FakeDrivers(EngineLost("gone")), "id", 7)
    assert issubclass(EngineLost, EnvironmentFault)
