"""What a trial's container did: how it was exercised, and how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass

from membudget.core.errors import DoctorCheck, EnvironmentFault
from membudget.core.metrics import Metric, MetricValue
from membudget.engine.containers import Containers, ContainerState
from membudget.measure.figures import Startup
from membudget.measure.live_heap.messages import AskableRuntime
from membudget.measure.probe.messages import ProbeReport
from membudget.measure.trial import RanInside, TrialSpec, WorkloadResult
from membudget.measure.workload.run import ContainerWorkload

_KILL_S = 20.0


@dataclass(frozen=True, slots=True)
class LiveHeap:
    """What the runtimes of a container keep, or the reason why that is unknown."""

    value: MetricValue
    answered: frozenset[AskableRuntime] = frozenset()
    """Those that answered. CPython and Ruby were started with a module of membudget's for that."""


NOT_ASKED = MetricValue.absent(Metric.LIVE_HEAP, "runtimes are asked only if a budget concerns it")
NOT_RUNNING = MetricValue.absent(Metric.LIVE_HEAP, "the container had ended, or its workload had failed")


@dataclass(frozen=True, slots=True)
class Exercised:
    """A container whose workload has ended, with or without success."""

    workload: ContainerWorkload
    result: WorkloadResult
    duration_ms: int
    running_at: float | None
    """The time when the container had started, on the monotonic clock, in seconds. None if it never started."""

    def startup(self, spec: TrialSpec) -> Startup:
        """Return how long the container took to become ready."""
        workload, running_at = self.workload, self.running_at
        ready_ms = None
        if workload.ready_at is not None and running_at is not None:
            ready_ms = max(0, round((workload.ready_at - running_at) * 1000))
        return Startup(
            ready_ms=ready_ms,
            was_ready_at_once=workload.was_ready_at_once,
            why_not_awaited=spec.workload.no_readiness if spec.workload.readiness is None else None,
        )


@dataclass(frozen=True, slots=True)
class ContainerEnding:
    """How a container ended, and what was seen of it until then."""

    state: ContainerState
    """The last state before membudget disturbed the container."""
    report: ProbeReport
    beside: Sequence[ProbeReport]
    """The reports of the sidecars."""
    was_by_itself: bool
    """Whether it had ended before membudget stopped it."""
    live_heap: LiveHeap
    log: tuple[str, ...] = ()


def end(containers: Containers, container_id: str) -> tuple[ContainerState, bool]:
    """Stop a container if it still runs. Return its last state, and whether it ended without being stopped.

    Raises EnvironmentFault.
    """
    state = containers.state(container_id)
    if not state.running:
        return state, True
    containers.kill(container_id)
    if not containers.wait(container_id, _KILL_S):
        raise EnvironmentFault(
            f"a killed container still ran after {_KILL_S:.0f} s",
            fix="look at the engine's log and the disk",
            check=DoctorCheck.SELF_TEST,
        )
    return containers.state(container_id), False


def ran_inside(spec: TrialSpec, ending: ContainerEnding) -> tuple[RanInside, ...]:
    """Return what of the load, of checks or of membudget ran inside the container."""
    did_run = {
        RanInside.COMMANDS: spec.workload.runs_inside,
        RanInside.HEALTHCHECK: ending.state.health is not None,
        RanInside.PYTHON_MODULE: AskableRuntime.CPYTHON in ending.live_heap.answered,
        RanInside.RUBY_MODULE: AskableRuntime.RUBY in ending.live_heap.answered,
    }
    return tuple(what for what, did in did_run.items() if did)
