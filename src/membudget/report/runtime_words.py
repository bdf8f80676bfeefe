"""Runtimes in words: what is wrong with their settings, each with its sum and the value that fits."""

from collections.abc import Iterator, Sequence

from membudget.budgets.runtimes import RuntimeRule
from membudget.core.quantities import format_percent, format_size
from membudget.core.untrusted_text import Parts, Quoted
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.metric import Verdict
from membudget.judge.runtime_finding import Exactness, RuntimeFinding
from membudget.judge.runtimes import FAR_BELOW, NODE_YOUNG_MIB, REDIS_SHARE
from membudget.measure.runtimes.runtime import Connections, Runtime, RuntimeKind
from membudget.report.findings import Finding
from membudget.report.held_memory_words import (
    MALLOCS,
    of_buffers,
    of_children,
    of_connections,
    of_freed,
    sum_of_buffers,
    sum_of_children,
    sum_of_connections,
)
from membudget.report.row_words import size_or_dash
from membudget.report.story_parts import Item, StoryProblem
from membudget.report.verdicts import verdict_mark

KINDS = {
    RuntimeKind.JVM: "JVM",
    RuntimeKind.NODE: "Node.js",
    RuntimeKind.PYTHON: "CPython",
    RuntimeKind.GO: "Go",
    RuntimeKind.DOTNET: ".NET",
    RuntimeKind.RUBY: "Ruby",
    RuntimeKind.PHP_FPM: "PHP-FPM",
    RuntimeKind.ERLANG: "Erlang",
    RuntimeKind.NGINX: "nginx",
    RuntimeKind.APACHE: "Apache",
    RuntimeKind.POSTGRES: "PostgreSQL",
    RuntimeKind.REDIS: "Redis",
    RuntimeKind.PROGRAM: "native code",
}
LABELS = {
    RuntimeRule.HEAP_ABOVE_LIMIT: "heap above limit",
    RuntimeRule.CEILING_ABOVE_LIMIT: "ceiling above limit",
    RuntimeRule.CEILING_FAR_BELOW_LIMIT: "ceiling far below limit",
    RuntimeRule.HEAP_RESERVED_UNUSED: "reserved heap not used",
    RuntimeRule.NO_CONTAINER_SUPPORT: "limit not seen",
    RuntimeRule.NO_GO_MEMORY_LIMIT: "no GOMEMLIMIT",
    RuntimeRule.NO_MAXMEMORY: "no maxmemory",
    RuntimeRule.WORKERS_ABOVE_LIMIT: "too many workers",
    RuntimeRule.MALLOC_ARENAS: "malloc's arenas",
    RuntimeRule.FREED_MEMORY_KEPT: "freed memory kept",
    RuntimeRule.BUFFERS_ABOVE_LIMIT: "buffers above limit",
}
"""Each rule in a few words."""
_HEAPS = {
    RuntimeKind.JVM: "its heap",
    RuntimeKind.NODE: "its heap",
    RuntimeKind.DOTNET: "its heap",
    RuntimeKind.REDIS: "its data",
}
"""What a ceiling is the ceiling of. For others: all of its memory."""
_MEASURED = {
    Exactness.EXACT: "were measured",
    Exactness.AT_LEAST: "at least were measured",
    Exactness.AT_MOST: "at most were measured",
}


def finding_words(finding: RuntimeFinding) -> Parts:
    """Return a finding as a sentence: the image, the runtime, what is wrong with the sum, and what to write."""
    return (Quoted(finding.image), f": {KINDS[finding.runtime.kind]}: ", *_what(finding), *_instead(finding))


def _what(finding: RuntimeFinding) -> Parts:  # noqa: C901, PLR0911 - one for each rule
    limit, beside = format_size(finding.limit_bytes), size_or_dash(finding.beside_bytes)
    ceiling, held = size_or_dash(finding.ceiling_bytes), size_or_dash(finding.held_bytes)
    total = size_or_dash(finding.sum_bytes)
    connections = _connections(finding)
    if connections is not None:
        return (_of_connections(finding, connections),)
    heap: Parts = (_heap(finding), *_set_by(finding), f" may take {ceiling}")
    match finding.rule:
        case RuntimeRule.HEAP_ABOVE_LIMIT:
            return (*heap, f", above the limit of {limit}: under enough load the kernel kills it")
        case RuntimeRule.CEILING_ABOVE_LIMIT:
            above = f"{total} is above the limit of {limit}, so under enough load the kernel kills it"
            return (*heap, f", and {beside} {_measured(finding)} beside it: {above}")
        case RuntimeRule.CEILING_FAR_BELOW_LIMIT:
            share = format_percent(100 * FAR_BELOW)
            below = f"{total} is less than {share} of the limit of {limit}, and the heap cannot use the rest"
            return (*heap, f", and {beside} {_measured(finding)} beside it: {below}")
        case RuntimeRule.HEAP_RESERVED_UNUSED:
            used = f", {ceiling}, and {held} of it hold memory at the peak"
            return ("it begins with its largest heap", *_set_by(finding), used)
        case RuntimeRule.NO_CONTAINER_SUPPORT:
            return (f"it does not see the limit of {limit}: its heap may take {ceiling}, by the machine's memory",)
        case RuntimeRule.NO_GO_MEMORY_LIMIT:
            setting = finding.setting
            off: Parts = (Quoted(setting), " sets no limit") if setting is not None else ("no GOMEMLIMIT",)
            return (*off, f", and it held {held} of the limit of {limit}: Go collects late, whatever the limit is")
        case RuntimeRule.NO_MAXMEMORY:
            return (f"it has no maxmemory, so its data may grow above the limit of {limit}, and the kernel kills it",)
        case RuntimeRule.WORKERS_ABOVE_LIMIT:
            return (_of_workers(finding),)
        case RuntimeRule.MALLOC_ARENAS:
            arenas = f"{finding.runtime.arenas} arenas of glibc's malloc hold {held} of the limit of {limit}"
            return (f"{arenas}. glibc makes up to 8 for each core, so a larger machine has more",)
        case RuntimeRule.FREED_MEMORY_KEPT:
            return (of_freed(finding),)
        case RuntimeRule.BUFFERS_ABOVE_LIMIT:
            return of_buffers(finding)


def _connections(finding: RuntimeFinding) -> Connections | None:
    """Return what a database's ceiling is the sum of, if the finding is about that."""
    answer = finding.runtime.answer
    is_sum = finding.rule is RuntimeRule.CEILING_ABOVE_LIMIT and answer is not None
    return answer.connections if is_sum and answer is not None else None


def _of_connections(finding: RuntimeFinding, connections: Connections) -> str:
    if finding.runtime.kind is RuntimeKind.PHP_FPM:
        return of_children(finding)
    return of_connections(finding, connections)


def _of_workers(finding: RuntimeFinding) -> str:
    count, limit = len(finding.runtime.workers), format_size(finding.limit_bytes)
    each, rest = size_or_dash(finding.held_bytes), size_or_dash(finding.beside_bytes)
    total = (finding.ceiling_bytes or 0) + (finding.beside_bytes or 0)
    with_next = total + (finding.held_bytes or 0)
    sums = f"{count} {finding.runtime.server} workers with as much as the largest, {each}, and {rest} beside them need"
    if total > finding.limit_bytes:
        return f"{sums} {format_size(total)}, above the limit of {limit}: under enough load the kernel kills one"
    return (
        f"{sums} {format_size(total)}. One more, which starts before a replaced one ends, makes it"
        f" {format_size(with_next)}, above the limit of {limit}"
    )


def _heap(finding: RuntimeFinding) -> str:
    return _HEAPS.get(finding.runtime.kind, "its memory")


def _measured(finding: RuntimeFinding) -> str:
    return _MEASURED[finding.beside_bound]


def _set_by(finding: RuntimeFinding) -> Parts:
    return (" (", Quoted(finding.setting), ")") if finding.setting is not None else (" (by default)",)


def _instead(finding: RuntimeFinding) -> Parts:
    if finding.fitting is None:
        limit = finding.fitting_limit_bytes
        to = f" to {format_size(limit)}" if limit is not None else ""
        return (f" → no value fits beside that: raise the limit{to}",)
    place = finding.place
    where: Parts = ()
    if place is not None:
        verb = "written in" if place.is_exact else "started in"
        where = (f" ({verb} ", Quoted(f"{place.path}:{place.line}"), ")")
    parts: Parts = (" → set ", Quoted(finding.fitting), *_sum_of_fitting(finding), *where)
    if finding.fitting_limit_bytes is not None:
        parts += (f", or a limit of {format_size(finding.fitting_limit_bytes)}",)
    return parts


def _sum_of_fitting(finding: RuntimeFinding) -> Parts:  # noqa: PLR0911 - one for each kind of sum
    """Return how the value that fits is computed, where it is a sum."""
    if finding.rule in _WITHOUT_SUM or (finding.beside_bytes is None and finding.runtime.kind not in _SUMS_OF_ANSWERS):
        return ()
    connections, limit = _connections(finding), format_size(finding.limit_bytes)
    if finding.rule is RuntimeRule.BUFFERS_ABOVE_LIMIT:
        return (sum_of_buffers(finding),)
    if finding.runtime.kind is RuntimeKind.PHP_FPM and connections is not None:
        return (sum_of_children(finding),)
    if connections is not None:
        return (sum_of_connections(finding, connections),)
    if finding.runtime.kind is RuntimeKind.REDIS:
        return (f", which is {format_percent(100 * REDIS_SHARE)} of {limit}",)
    if finding.rule is RuntimeRule.WORKERS_ABOVE_LIMIT:
        rest, each = size_or_dash(finding.beside_bytes), size_or_dash(finding.held_bytes)
        return (f", which is ({limit} − 5% − {rest}) ÷ {each} − 1",)
    if not finding.beside_bytes and finding.runtime.kind is RuntimeKind.GO:
        return (f", which is {format_size(finding.limit_bytes)} − 10%",)
    percent = "10%" if finding.runtime.kind is RuntimeKind.GO else "5%"
    young = f" − {NODE_YOUNG_MIB} MiB" if finding.runtime.kind is RuntimeKind.NODE else ""
    beside = finding.beside_bytes if finding.runtime.kind is RuntimeKind.GO else finding.runtime.at_most_beside_bytes
    is_all = finding.runtime.kind is not RuntimeKind.GO and beside != finding.runtime.beside_bytes
    what = " (all that the container holds, heap included)" if is_all else ""
    total = f"{format_size(finding.limit_bytes)} − {percent} − {size_or_dash(beside)}{young}{what}"
    return (f", which is {total}",)


_SUMS_OF_ANSWERS = (RuntimeKind.POSTGRES, RuntimeKind.REDIS)
"""The kinds whose values that fit do not depend on what was measured beside a heap."""
_WITHOUT_SUM = (
    RuntimeRule.HEAP_RESERVED_UNUSED,
    RuntimeRule.NO_CONTAINER_SUPPORT,
    RuntimeRule.MALLOC_ARENAS,
    RuntimeRule.FREED_MEMORY_KEPT,
)


def runtime_headline(findings: Sequence[RuntimeFinding]) -> Parts:
    """Return in a few words what is wrong with runtimes. Empty if nothing is."""
    if not findings:
        return ()
    return ("1 runtime setting does not fit" if len(findings) == 1 else f"{len(findings)} runtime settings do not fit",)


def runtime_problems(findings: Sequence[RuntimeFinding]) -> Iterator[StoryProblem]:
    """Yield the findings as one problem that passes. Nothing if there are none."""
    if findings:
        step = "the check passes; set the suggested value, or turn the rule off in [runtime_rules]"
        mark = verdict_mark(Verdict.WARN, "runtime settings")
        yield StoryProblem(mark, Finding.of(step), tuple(map(_item, findings)), Verdict.WARN)


def _item(finding: RuntimeFinding) -> Item:
    return Item(Finding(finding_words(finding)), (Finding(("rule ", Quoted(finding.rule.value))),), finding.image)


def runtime_items(image: ImageMeasurement) -> Iterator[Item]:
    """Yield what an image runs on, and why a runtime was not asked."""
    side = image.side_for_maximums
    for runtime in side.runtimes if side is not None else ():
        yield Item(Finding((Quoted(image.name), ": ", *runtime_words(runtime))), about=image.name)


def runtime_words(runtime: Runtime) -> Parts:
    """Return a runtime in words: its version, processes, allocator, and its ceiling with what is beside it."""
    parts: Parts = (f"runs on {KINDS[runtime.kind]}",)
    answer = runtime.answer
    if answer is not None and answer.version is not None:
        parts += (" ", Quoted(answer.version))
    parts += (" (", Quoted(runtime.executable), ")")
    if runtime.server is not None and runtime.workers:
        count = len(runtime.workers)
        least = "" if runtime.has_all_workers else "at least "
        parts += (f", {runtime.server} with {least}{count} worker{'' if count == 1 else 's'}",)
    if runtime.malloc is not None:
        parts += (f", {MALLOCS[runtime.malloc]}",)
    if answer is not None and answer.ceiling_bytes is not None:
        what = _HEAPS.get(runtime.kind, "it")
        parts += (f"; {what} may take {format_size(answer.ceiling_bytes)}",)
        parts += (_beside(runtime),)
    if runtime.unanswered is not None:
        parts += ("; its ceiling is not known: ", Quoted(runtime.unanswered))
    return parts


def _beside(runtime: Runtime) -> str:
    """Return what is beside a heap, and why it is not known exactly."""
    beside = runtime.beside_bytes
    if runtime.heap_bytes is None and runtime.kind is RuntimeKind.JVM:
        least = f", with at least {format_size(beside)} beside it" if beside else ", and what is beside it is not known"
        why = "this JVM does not tell where its heap lies" if runtime.has_map else "no memory map was read"
        return f"{least}, because {why}"
    if beside is None:
        return ""
    return f", with {'' if runtime.heap_bytes is not None else 'at least '}{format_size(beside)} beside it"
