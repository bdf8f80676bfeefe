"""Asks a HotSpot JVM for its live heap.

The class histogram does a full collection first and ends with the number and the bytes of all live objects
(heapInspection.cpp). In contrast to "heap used", its total does not depend on the collector's regions.

Serial and Parallel leave up to a twentieth of the heap as it is, dead objects included, unless it is the fourth
collection (MarkSweepAlwaysCompactCount) or one that the user asked for (UseMaximumCompactionOnSystemGC). Dead objects
then count as live. So the JVM collects four times, once by GC.run, and the smallest total counts. What the first
collection finds may be freed only after its finalizer or cleaner has run.
"""

import re
import time
from pathlib import Path

from membudget.measure.live_heap.attach import attached, said
from membudget.measure.live_heap.confined import NoAnswer
from membudget.measure.live_heap.runtimes import RunningRuntime

_PAUSE_S = 0.2
"""The time for finalizers and cleaners."""
_END_BYTES = 4096
_TOTAL = re.compile(rb"^Total\s+(\d{1,18})\s+(\d{1,18})\s*\Z", re.MULTILINE)


def live_bytes(process: RunningRuntime, deadline: float) -> int:
    """Return the bytes of all live objects. Runs confined beside the JVM.

    Raises NoAnswer, OSError, and TimeoutError at the deadline.
    """
    path = attached(process, deadline)
    first = histogram_bytes(path, deadline)
    time.sleep(_PAUSE_S)
    said(path, "GC.run", deadline)
    return min(first, histogram_bytes(path, deadline), histogram_bytes(path, deadline))


def histogram_bytes(path: Path, deadline: float) -> int:
    """Let the JVM collect and count. Return the bytes of all live objects.

    Raises NoAnswer, OSError and TimeoutError.
    """
    return total_bytes(said(path, "GC.class_histogram", deadline))


def total_bytes(histogram: bytes) -> int:
    """Return the total of a class histogram, which is its last line. Raises NoAnswer."""
    total = _TOTAL.search(histogram[-_END_BYTES:].rstrip())
    if total is None:
        raise NoAnswer("the JVM's class histogram has no total")
    return int(total[2])
