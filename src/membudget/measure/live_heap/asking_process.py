"""The program that asks the runtimes of one container after another for their live heaps.

It runs as `python -m membudget.measure.live_heap.asking_process`, on the host, or in a container that shares the PID
and network namespaces of the measured one, but never in its cgroup.
"""

import dataclasses
import json
import sys
from collections.abc import Callable, Mapping

from membudget.measure.live_heap import hotspot, node, signalled
from membudget.measure.live_heap.confined import ask_confined
from membudget.measure.live_heap.messages import MOST_PROCESSES, AskableRuntime, HeapAnswer, HeapOrder, ProcessHeap
from membudget.measure.live_heap.runtimes import RunningRuntime, running_runtimes

_ASK: Mapping[AskableRuntime, Callable[[RunningRuntime, float], int]] = {
    AskableRuntime.HOTSPOT: hotspot.live_bytes,
    AskableRuntime.NODE: node.live_bytes,
}
"""How runtimes are asked whose answers are more than a number."""


def answer(order: HeapOrder) -> HeapAnswer:
    """Ask all runtimes of a container, one after another."""
    try:
        with running_runtimes(order.first_pid) as found:
            if len(found) > MOST_PROCESSES:
                return HeapAnswer((), f"more than {MOST_PROCESSES} processes run a runtime")
            return HeapAnswer(tuple(_heap(process, order.timeout_s) for process in found))
    except OSError as error:
        return HeapAnswer((), f"the container's processes cannot be looked at: {error}")


def _heap(process: RunningRuntime, timeout_s: float) -> ProcessHeap:
    if process.runtime in {AskableRuntime.CPYTHON, AskableRuntime.RUBY}:
        said = signalled.ask(process, timeout_s)
    else:
        said = ask_confined(process, _ASK[process.runtime], timeout_s)
    return ProcessHeap(process.pid, process.runtime, said.heap_bytes, said.reason)


def main() -> None:
    """Obey orders until standard input ends."""
    for line in sys.stdin:
        said = answer(HeapOrder(**json.loads(line)))
        sys.stdout.write(json.dumps(dataclasses.asdict(said)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
