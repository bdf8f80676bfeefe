"""The program that takes heap profiles of the processes of one container after another.

It runs as `python -m membudget.measure.profiling.profiling_process`, on the host, or in a container that shares the PID
and network namespaces of the profiled one, but never in its cgroup.
"""

import dataclasses
import json
import sys
import time
from base64 import b64encode
from collections.abc import Iterator

from membudget.measure.live_heap.confined import RuntimeSaid, said_confined
from membudget.measure.live_heap.messages import AskableRuntime
from membudget.measure.live_heap.runtimes import RunningRuntime, running_runtimes, runtime_of
from membudget.measure.profiling.messages import (
    MOST_PROFILED,
    MOST_SAID_BYTES,
    PIECE_BYTES,
    AnswerBegun,
    Done,
    Piece,
    ProfileOrder,
)
from membudget.measure.profiling.profiler import Profiler
from membudget.measure.profiling.profilers import profiler_named

_LEAST_S = 1.0
"""How long every process may take at least, even if all before it hung."""
_now = time.monotonic


def answers(order: ProfileOrder, profiler: Profiler, silent: set[int]) -> Iterator[AnswerBegun | Piece | Done]:
    """Profile the largest of the wanted processes of a container, one after another. Yield what they say.

    `silent` has the IDs of processes that did not answer the last time. They are asked last. It is kept up to date.
    """
    end_s = _now() + order.all_s
    try:
        with running_runtimes(order.first_pid, lambda *seen: wanted(order, *seen)) as found:
            yield AnswerBegun(len(found))
            largest = sorted(found, key=lambda one: -one.rss_bytes)[:MOST_PROFILED]
            largest.sort(key=lambda one: one.pid in silent)
            for number, process in enumerate(largest, start=1):
                seconds = seconds_for(order.timeout_s, end_s - _now(), len(largest) - number)
                said = _said(process, profiler, seconds)
                if said.data is None:
                    silent.add(process.pid)
                else:
                    silent.discard(process.pid)
                yield from _pieces(process, said)
    except OSError as error:
        yield Done(f"the container's processes cannot be looked at: {error}")
        return
    yield Done(None if largest else "none of the container's processes runs it any more")


def wanted(order: ProfileOrder, program: str, libraries: frozenset[str]) -> AskableRuntime | None:
    """Return the ordered runtime if a process is one that runs it, by its program and the files that it maps."""
    is_any = order.runtime is AskableRuntime.PROGRAM and order.program is None
    is_meant = is_any or program == order.program or runtime_of(program, libraries) is order.runtime
    return order.runtime if is_meant else None


def seconds_for(each_s: float, left_s: float, others: int) -> float:
    """Return how long a process may take if `left_s` seconds are left for it and for `others` after it.

    It may hang. So it gets no more than half of them, and each of the others keeps its least time. The processes of a
    server answer in less than a second or two, so they leave most of their time to the next ones.
    """
    most_s = min(left_s / 2, left_s - _LEAST_S * others) if others else left_s
    return min(each_s, max(_LEAST_S, most_s))


def _said(process: RunningRuntime, profiler: Profiler, timeout_s: float) -> RuntimeSaid:
    return said_confined(process, profiler.capture, timeout_s, most_bytes=MOST_SAID_BYTES, is_inside=profiler.is_inside)


def _pieces(process: RunningRuntime, said: RuntimeSaid) -> Iterator[Piece]:
    if said.data is None:
        yield Piece(process.pid, reason=said.reason)
        return
    for at in range(0, max(1, len(said.data)), PIECE_BYTES):
        piece = b64encode(said.data[at : at + PIECE_BYTES]).decode()
        yield Piece(process.pid, piece, is_last=at + PIECE_BYTES >= len(said.data))


def main() -> None:
    """Obey orders until standard input ends."""
    silent: set[int] = set()
    for line in sys.stdin:
        read = json.loads(line)
        order = ProfileOrder(**{**read, "runtime": AskableRuntime(read["runtime"])})
        for said in answers(order, profiler_named(order.runtime), silent):
            sys.stdout.write(json.dumps({"kind": type(said).__name__, **dataclasses.asdict(said)}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
