"""membudget's side of the question what runtimes keep: the order, and its answer as a metric."""

import dataclasses
import json

from pydantic import TypeAdapter, ValidationError

from membudget.core.errors import EngineLost, EnvironmentFault
from membudget.core.metrics import Metric, MetricValue
from membudget.engine.containers import CannotStart
from membudget.measure.live_heap.messages import HeapAnswer, HeapOrder
from membudget.measure.workload.exercised import LiveHeap
from membudget.measure.workload.service import Drivers

_PROGRAM = "membudget.measure.live_heap.asking_process"
_EACH_S = 60.0
"""How long one runtime may take. Four full collections of 10 GiB take 10 to 20 seconds."""
_ALL_S = 150.0
"""How long all runtimes of a container may take, including the start of the helper."""
_MOST_BYTES = 1 << 44
"""The largest live heap of one runtime that is believed: 16 TiB, as ZGC's largest heap."""
_ANSWER = TypeAdapter(HeapAnswer)
_NO_RUNTIME = "no process of the container is a runtime that can be asked (docs/measurements.md)"


def live_heap(drivers: Drivers, container_id: str, pid: int) -> LiveHeap:
    """Ask the runtimes of a running container what they keep. Return the sum, or the reason why there is none.

    Raises EngineLost.
    """
    try:
        with drivers.among(container_id, pid, _PROGRAM) as placed:
            placed.helper.send(json.dumps(dataclasses.asdict(HeapOrder(placed.first_pid, _EACH_S))))
            answer = _ANSWER.validate_json(placed.helper.receive(_ALL_S))
    except EngineLost:
        raise
    except TimeoutError:
        return LiveHeap(_absent(f"the runtimes did not answer within {_ALL_S:.0f} s"))
    except ValidationError:
        return LiveHeap(_absent("the program that asks runtimes gave no answer that can be read"))
    except (EnvironmentFault, CannotStart) as error:
        return LiveHeap(_absent(f"runtimes cannot be asked: {error}"))
    answered = frozenset(heap.runtime for heap in answer.heaps if heap.heap_bytes is not None)
    return LiveHeap(summed(answer), answered)


def summed(answer: HeapAnswer) -> MetricValue:
    """Return the sum of what all runtimes keep. One missing answer leaves no sum."""
    if answer.fault is not None:
        return _absent(answer.fault)
    if not answer.heaps:
        return _absent(_NO_RUNTIME)
    total = 0
    for heap in answer.heaps:
        if heap.heap_bytes is None:
            said = "".join(letter if letter.isprintable() else "?" for letter in heap.reason or "")
            return _absent(f"{heap.runtime} (PID {heap.pid}): {said}")
        if not 0 <= heap.heap_bytes <= _MOST_BYTES:
            return _absent(f"{heap.runtime} (PID {heap.pid}): its answer is out of range")
        total += heap.heap_bytes
    return MetricValue.of(Metric.LIVE_HEAP, total)


def _absent(reason: str) -> MetricValue:
    return MetricValue.absent(Metric.LIVE_HEAP, reason)
