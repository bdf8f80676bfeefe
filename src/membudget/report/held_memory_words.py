"""Rules for memory outside of a heap in words: freed memory, direct buffers, children, connections."""

from membudget.core.quantities import format_size
from membudget.core.untrusted_text import Parts, Quoted
from membudget.judge.held_memory import SORT_FACTOR, WORK_MEM
from membudget.judge.runtime_finding import RuntimeFinding
from membudget.measure.runtimes.runtime import Connections, Malloc

MALLOCS = {
    Malloc.GLIBC: "glibc's malloc",
    Malloc.MUSL: "musl's malloc",
    Malloc.JEMALLOC: "jemalloc",
    Malloc.TCMALLOC: "tcmalloc",
    Malloc.MIMALLOC: "mimalloc",
}


def of_freed(finding: RuntimeFinding) -> str:
    """Return how much lower a trial with another setting settled."""
    returned, malloc = finding.runtime.returned, finding.runtime.malloc
    if returned is None or malloc is None:
        return ""
    before, after = format_size(returned.settled_bytes), format_size(returned.with_setting_bytes)
    return (
        f"{MALLOCS[malloc]} keeps memory that was freed: at rest, the container held at least {before}, and {after} in"
        " a trial that returned freed memory"
    )


def of_buffers(finding: RuntimeFinding) -> Parts:
    """Return the sum of heap, direct buffers and the rest."""
    direct, total = finding.held_bytes or 0, format_size(finding.sum_bytes or 0)
    heap, limit = format_size((finding.ceiling_bytes or 0) - direct), format_size(finding.limit_bytes)
    above = f"with the rest, {total} is above the limit of {limit}, so under enough load the kernel kills it"
    before, after = f"its heap may take {heap}, and its direct buffers (", f") {format_size(direct)} beside it: {above}"
    return (before, Quoted(finding.setting or ""), after)


def sum_of_buffers(finding: RuntimeFinding) -> str:
    """Return how the value that fits is computed."""
    heap = (finding.ceiling_bytes or 0) - (finding.held_bytes or 0)
    beside = finding.runtime.at_most_beside_bytes
    return f", which is {format_size(finding.limit_bytes)} − 5% − {format_size(heap)} − {format_size(beside)}"


def of_children(finding: RuntimeFinding) -> str:
    """Return what the children may take."""
    answer = finding.runtime.answer
    if answer is None or answer.connections is None:
        return ""
    most, each = answer.connections.most, format_size(answer.connections.each_bytes)
    ceiling, limit = finding.ceiling_bytes or 0, format_size(finding.limit_bytes)
    takes = f"{most} children with a memory_limit of {each} may take {format_size(ceiling)}"
    if ceiling > finding.limit_bytes:
        return f"{takes}, above the limit of {limit}: under enough load the kernel kills one"
    beside, total = format_size(finding.beside_bytes or 0), format_size(finding.sum_bytes or 0)
    return (
        f"{takes}, and {beside} were measured beside them: {total} is above the limit of {limit}, so under enough load"
        " the kernel kills one"
    )


def sum_of_children(finding: RuntimeFinding) -> str:
    """Return how the value that fits is computed."""
    limit, rest = format_size(finding.limit_bytes), finding.beside_bytes
    without_rest = f" − {format_size(rest)}" if rest else ""
    return f", which is ({limit} − 5%{without_rest}) ÷ {format_size(finding.held_bytes or 0)}"


def of_connections(finding: RuntimeFinding, connections: Connections) -> str:
    """Return what a database may take for its connections."""
    shared, each = format_size(connections.shared_bytes), format_size(connections.each_bytes)
    return (
        f"{shared} of shared_buffers and {connections.most} connections, each with {each} of work_mem, may take"
        f" {format_size(finding.ceiling_bytes or 0)}, above the limit of {format_size(finding.limit_bytes)}: under"
        " enough load the kernel kills it"
    )


def sum_of_connections(finding: RuntimeFinding, connections: Connections) -> str:
    """Return how the value that fits is computed."""
    room = f"({format_size(finding.limit_bytes)} − 5% − {format_size(connections.shared_bytes)})"
    idle, work = finding.held_bytes, format_size(connections.each_bytes)
    if finding.fitting_name == WORK_MEM:
        each = f"({room} ÷ {connections.most} − {format_size(idle)})" if idle else f"{room} ÷ {connections.most}"
        return f", which is {each} ÷ {SORT_FACTOR}"
    return f", which is {room} ÷ ({SORT_FACTOR} × {work}{f' + {format_size(idle)}' if idle else ''})"
