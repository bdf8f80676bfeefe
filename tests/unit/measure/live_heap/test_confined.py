"""A child that asks a runtime: whatever it brings is bounded."""

import sys
import time
from collections.abc import Callable

import pytest

from membudget.measure.live_heap import confined
from membudget.measure.live_heap.confined import NoAnswer, RuntimeSaid, said_confined
from membudget.measure.live_heap.messages import LONGEST_REASON, AskableRuntime
from membudget.measure.live_heap.runtimes import RunningRuntime

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="prctl(2) is Linux's")
_PROCESS = RunningRuntime(AskableRuntime.PROGRAM, 1, 0, 0, frozenset(), 0, 0)
_MOST = 4 << 20


def _said(ask: Callable[[RunningRuntime, float], bytes], timeout_s: float = 30.0) -> RuntimeSaid:
    return said_confined(_PROCESS, ask, timeout_s, most_bytes=_MOST, is_inside=False)


@pytest.mark.thorough
def test_an_answer_of_4_mib_passes() -> None:
    assert _said(lambda *_: b"x" * _MOST) == RuntimeSaid(b"x" * _MOST)


@pytest.mark.thorough
def test_a_large_parent_leaves_its_child_memory() -> None:
    held = b"x" * (300 << 20)
    assert _said(lambda *_: b"x" * _MOST) == RuntimeSaid(b"x" * _MOST)
    assert len(held) == 300 << 20


@pytest.mark.thorough
def test_an_empty_answer_is_an_answer() -> None:
    assert _said(lambda *_: b"") == RuntimeSaid(b"")


@pytest.mark.thorough
def test_a_longer_answer_is_refused() -> None:
    assert _said(lambda *_: b"x" * (_MOST + 1)) == RuntimeSaid(None, "its answer is too large")


@pytest.mark.thorough
def test_more_memory_than_a_child_has_is_refused() -> None:
    assert _said(lambda *_: b"x" * (1 << 30)) == RuntimeSaid(None, "its answer is too large")


@pytest.mark.thorough
def test_a_child_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confined, "_GRACE_S", 0.1)

    def hang(_process: RunningRuntime, _deadline: float) -> bytes:
        while True:
            time.sleep(60)

    assert _said(hang, 0.1) == RuntimeSaid(None, "it did not answer in time")


@pytest.mark.thorough
def test_a_reason_passes_shortened() -> None:
    def refuse(_process: RunningRuntime, _deadline: float) -> bytes:
        raise NoAnswer("ä\ud800" * 1000)

    said = _said(refuse)
    assert said.data is None
    assert said.reason is not None
    assert len(said.reason) == LONGEST_REASON


@pytest.mark.thorough
def test_a_child_that_dies_has_a_reason() -> None:
    def die(_process: RunningRuntime, _deadline: float) -> bytes:
        raise SystemError

    assert _said(die) == RuntimeSaid(None, "the process that asked it ended early")
