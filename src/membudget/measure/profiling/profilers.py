"""The profilers that there are, each for one runtime: how it is prepared, asked, and its answer read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from membudget.measure.live_heap.confined import Ask
from membudget.measure.live_heap.messages import Runtime
from membudget.measure.profiling.heap_profile import HeapProfile
from membudget.measure.runtimes.runtime import RuntimeKind
from membudget.measure.trial import TrialInputs


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of the service before its profiled trial."""

    executable: str | None = None
    """The path of its main program in the container. Text from outside. None if unknown."""
    image_variables: Mapping[str, str] = field(default_factory=dict)
    """The variables that the image sets. Those of the trial's inputs override them."""


@dataclass(frozen=True, slots=True)
class Profiler:
    """How the processes of one runtime are profiled."""

    runtime: Runtime
    kinds: frozenset[RuntimeKind]
    """What it is for. The profiler without kinds is for everything else."""
    capture: Ask
    """Returns a bounded text summary. It runs in a child beside each process, and uses the standard library only."""
    read: Callable[[bytes], HeapProfile]
    """Reads the summary, which hostile code may have written. Raises ValueError."""
    prepare: Callable[[TrialInputs, Seen], TrialInputs] | None = None
    """Returns the inputs with what the runtime has to be started with. None if it needs nothing."""
    is_inside: bool = True
    """Whether `capture` runs where the process is, as its user. Otherwise it runs outside, and may read more of the
    process's folder in /proc.
    """


PROFILERS: tuple[Profiler, ...] = ()


def profiler_of(kind: RuntimeKind | None, *, has_pod: bool) -> Profiler | None:
    """Return the profiler for a container's main runtime, or None.

    `has_pod` says whether a compose file or a manifest decides what the container is started with. What has to be
    prepared cannot be profiled there.
    """
    fitting = [one for one in PROFILERS if kind in one.kinds and not (has_pod and one.prepare is not None)]
    return next(iter(fitting or (one for one in PROFILERS if not one.kinds)), None)


def profiler_named(runtime: Runtime) -> Profiler:
    """Return the profiler of a runtime that has one."""
    return next(one for one in PROFILERS if one.runtime is runtime)
