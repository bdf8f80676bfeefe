"""Which rules for memory outside of a heap a runtime breaks: freed memory, buffers, children, connections."""

from collections.abc import Iterator

from membudget.budgets.runtimes import RuntimeRule
from membudget.core.quantities import MIB
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.runtime_finding import MARGIN, RuntimeFinding
from membudget.measure.runtimes.runtime import Runtime, RuntimeKind

KEPT_SHARE = 0.1
"""Less freed memory than this part of the limit is not worth a word."""
MAX_CHILDREN = "pm.max_children"
"""PHP-FPM's setting for the number of children."""
WORK_MEM = "work_mem"
"""PostgreSQL's setting for the memory of each connection."""
SORT_FACTOR = 1.5
"""What a sort that fits into work_mem was measured to take, as a multiple of it, beside what an idle connection holds:
PostgreSQL does not count what its allocator keeps. It was 1.3 for 9 MiB, and 1.45 for 4 MiB.
"""
_LEAST_WORK_BYTES = 1 << 20
"""With less for each connection, a database reads and writes files instead: it needs fewer connections."""


def held_memory_findings(image: ImageMeasurement, runtime: Runtime) -> Iterator[RuntimeFinding]:
    """Yield the rules that a runtime of an image breaks."""
    yield from _of_freed(image, runtime)
    if runtime.kind is RuntimeKind.JVM:
        yield from _of_buffers(image, runtime)
    elif runtime.kind is RuntimeKind.PHP_FPM:
        yield from _of_children(image, runtime)
    elif runtime.kind is RuntimeKind.POSTGRES:
        yield from _of_connections(image, runtime)


def _of_freed(image: ImageMeasurement, runtime: Runtime) -> Iterator[RuntimeFinding]:
    returned = runtime.returned
    if returned is None:
        return
    kept = returned.settled_bytes - returned.with_setting_bytes
    if kept >= KEPT_SHARE * image.limit_bytes:
        yield RuntimeFinding(
            RuntimeRule.FREED_MEMORY_KEPT, image.name, runtime, None, None, image.limit_bytes, held_bytes=kept,
            fitting=returned.setting,
        )  # fmt: skip


def _of_buffers(image: ImageMeasurement, runtime: Runtime) -> Iterator[RuntimeFinding]:
    """Yield whether heap and direct buffers fit together. What is measured beside the heap may hold such buffers.

    So only what is above the buffers' own ceiling is added to it. A heap that does not fit alone is another rule's.
    """
    answer, beside, limit = runtime.answer, runtime.beside_bytes, image.limit_bytes
    if answer is None or answer.ceiling_bytes is None or answer.direct_bytes is None or beside is None:
        return
    heap, direct = answer.ceiling_bytes, answer.direct_bytes
    rest = max(0, beside - direct)
    if heap + beside > limit or heap + direct + rest <= limit:
        return
    most = runtime.at_most_beside_bytes
    mib = (int((1 - MARGIN) * limit) - heap - most) // MIB
    needed = -int(-(heap + direct + most) / (1 - MARGIN) // MIB) * MIB
    yield RuntimeFinding(
        RuntimeRule.BUFFERS_ABOVE_LIMIT, image.name, runtime, heap + direct, rest, limit, held_bytes=direct,
        setting=runtime.setting("-XX:MaxDirectMemorySize="),
        fitting=f"-XX:MaxDirectMemorySize={mib}m" if mib > 0 else None, fitting_limit_bytes=needed,
    )  # fmt: skip


def _of_children(image: ImageMeasurement, runtime: Runtime) -> Iterator[RuntimeFinding]:
    """Yield whether PHP-FPM's children and what is beside them may take more than the limit.

    The value that fits also leaves room for what an idle child holds.
    """
    connections, limit = runtime.answer.connections if runtime.answer is not None else None, image.limit_bytes
    if connections is None:
        return
    ceiling = connections.most * connections.each_bytes
    idle = min(runtime.workers, default=0)
    whole = runtime.container_bytes if runtime.container_bytes is not None else runtime.held_bytes
    rest = max(0, whole - sum(runtime.workers)) if runtime.workers else whole
    if not runtime.has_all_workers:
        rest = 0  # it would hold the children that are not listed
    # Without seen children, or if shared pages count in each, no figure of the rest holds for certain.
    is_known = runtime.workers and runtime.counts_pages_once
    if ceiling + (rest if is_known else 0) <= limit:
        return
    each = connections.each_bytes + idle
    fits = (int((1 - MARGIN) * limit) - rest) // each if each else 0
    needed = -int(-(rest + connections.most * each) / (1 - MARGIN) // MIB) * MIB
    yield RuntimeFinding(
        RuntimeRule.CEILING_ABOVE_LIMIT, image.name, runtime, ceiling, rest, limit, held_bytes=each,
        fitting=f"{MAX_CHILDREN} = {fits}" if fits > 0 else None, fitting_limit_bytes=needed,
    )  # fmt: skip


def _of_connections(image: ImageMeasurement, runtime: Runtime) -> Iterator[RuntimeFinding]:
    """Yield whether PostgreSQL may take more for its connections than the limit, by its settings.

    The value that fits also leaves room for what a connection was measured to hold, and for what a sort takes more.
    """
    connections, limit = runtime.answer.connections if runtime.answer is not None else None, image.limit_bytes
    if connections is None:
        return
    most, shared = connections.most, connections.shared_bytes
    ceiling = shared + most * connections.each_bytes
    if ceiling <= limit:
        return
    idle = min(runtime.workers, default=0)
    each = int(SORT_FACTOR * connections.each_bytes) + idle
    room = int((1 - MARGIN) * limit) - shared
    work = int((room / max(1, most) - idle) / SORT_FACTOR)
    fitting = None
    if work >= _LEAST_WORK_BYTES:
        fitting = f"{WORK_MEM}={work // 1024}kB"
    elif each and room >= each:
        fitting = f"max_connections={room // each}"
    yield RuntimeFinding(
        RuntimeRule.CEILING_ABOVE_LIMIT, image.name, runtime, ceiling, None, limit, held_bytes=idle, fitting=fitting,
        fitting_limit_bytes=-int(-(shared + most * each) / (1 - MARGIN) // MIB) * MIB,
    )  # fmt: skip
