"""Which profiler is for what."""

import pytest

from membudget.measure.live_heap.messages import AskableRuntime
from membudget.measure.profiling.profilers import PROFILERS, profiler_named, profiler_of, unprepared
from membudget.measure.runtimes.runtime import RuntimeKind


def test_what_needs_a_preparation_has_a_profiler_that_needs_none() -> None:
    for one in PROFILERS:
        other = unprepared(one)
        assert (other is None) is (one.prepare is None)
        assert other is None or other.prepare is None


def test_a_jvm_that_cannot_be_prepared_is_profiled_by_the_same_questions() -> None:
    usual, other = (profiler_of(RuntimeKind.JVM, is_prepared=is_prepared) for is_prepared in (True, False))
    assert (usual.prepare is None, other.prepare) == (False, None)
    assert other.capture is usual.capture
    assert unprepared(usual) == other


@pytest.mark.parametrize("runtime", AskableRuntime)
def test_each_runtime_has_a_profiler(runtime: AskableRuntime) -> None:
    assert profiler_named(runtime).runtime is runtime
