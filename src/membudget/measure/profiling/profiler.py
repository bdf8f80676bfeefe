"""A profiler: how the processes of one runtime are started and asked, and how their answers are read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from membudget.measure.inputs import with_option
from membudget.measure.live_heap.confined import AskLiveHeap
from membudget.measure.live_heap.messages import AskableRuntime
from membudget.measure.profiling.heap_profile import HeapProfile
from membudget.measure.runtimes.runtime import RuntimeKind
from membudget.measure.trial import TrialInputs


@dataclass(frozen=True, slots=True)
class ServiceSeen:
    """What is known of the service before its profiled trial."""

    executable: str | None = None
    """The path of its main program in the container. Text from outside. None if unknown."""
    image_variables: Mapping[str, str] = field(default_factory=dict)
    """The variables that the image sets. Those of the trial's inputs override them."""
    memray: Path | None = None
    """The folder on this machine with memray for its interpreter. None if there is none."""
    wants_kept: bool = False
    """Whether what is kept at the end is wanted, not what was held at the peak."""


@dataclass(frozen=True, slots=True)
class Profiler:
    """How the processes of one runtime are profiled."""

    runtime: AskableRuntime
    kinds: frozenset[RuntimeKind]
    """What it is for. The profiler without kinds is for everything else."""
    capture: AskLiveHeap
    """Returns a bounded text summary of who holds the memory of one process.

    It runs in a child beside each process, which has little memory and time, and uses the standard library only.
    """
    read: Callable[[bytes], HeapProfile]
    """Reads the summary, which hostile code may have written. Raises ValueError."""
    prepare: Callable[[TrialInputs, ServiceSeen], TrialInputs] | None = None
    """Returns the inputs with what the runtime has to be started with. None if it needs nothing."""
    is_inside: bool = True
    """Whether `capture` runs where the process is, as its user. Otherwise it runs outside, and may read more of the
    process's folder in /proc.
    """


IN_CONTAINER = "/.membudget-profile"
"""Where our module is in the container."""


def preloaded(inputs: TrialInputs, seen: ServiceSeen, variable: str, words: str, folder: Path) -> TrialInputs:
    """Return `inputs` with `folder` in the container, and `words` at the end of what `variable` has already."""
    inputs = with_option(inputs, variable, seen.image_variables.get(variable), words)
    return replace(inputs, volumes={**inputs.volumes, IN_CONTAINER: folder})
