"""The profilers that there are, each for one runtime."""

from dataclasses import replace

from membudget.measure.live_heap.messages import AskableRuntime
from membudget.measure.profiling.cpython import TRACEMALLOC
from membudget.measure.profiling.go_profile import PPROF
from membudget.measure.profiling.jvm_profile import FLIGHT_RECORDER
from membudget.measure.profiling.mappings import SMAPS
from membudget.measure.profiling.node import V8_SAMPLING
from membudget.measure.profiling.profiler import Profiler
from membudget.measure.profiling.ruby import OBJECT_SPACE
from membudget.measure.runtimes.runtime import RuntimeKind

PROFILERS: tuple[Profiler, ...] = (
    TRACEMALLOC,
    FLIGHT_RECORDER,
    replace(FLIGHT_RECORDER, prepare=None),  # by class alone
    V8_SAMPLING,
    PPROF,
    replace(PPROF, prepare=None),  # with Go's own, lower rate of samples
    OBJECT_SPACE,
    SMAPS,
)
"""Of two for the same kind, the second is for containers that do not start with what the first needs."""


def profiler_of(kind: RuntimeKind | None, *, is_prepared: bool = True) -> Profiler:
    """Return the profiler for a container's main runtime.

    `is_prepared` says whether the container may be started with what a profiler needs.
    """
    fitting = (one for one in PROFILERS if kind in one.kinds and (is_prepared or one.prepare is None))
    return next(fitting, SMAPS)


def profiler_named(runtime: AskableRuntime) -> Profiler:
    """Return the profiler of a runtime that has one."""
    return next(one for one in PROFILERS if one.runtime is runtime)


def unprepared(profiler: Profiler) -> Profiler | None:
    """Return what profiles the same runtime as far as possible if nothing is prepared. None if that is `profiler`."""
    other = profiler_of(next(iter(profiler.kinds), None), is_prepared=False)
    return other if other != profiler else None
