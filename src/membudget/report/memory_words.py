"""The use of memory in words: what each finding means, what to do, and what that memory costs."""

from collections.abc import Iterator, Sequence

from membudget.budgets.memory_rules import MemoryRule
from membudget.core.quantities import format_percent, format_size
from membudget.core.untrusted_text import Parts, Quoted
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.memory_rules import MemoryFinding
from membudget.report.costs import money
from membudget.report.findings import Finding
from membudget.report.story_parts import Item, Items, Keep, Section

TITLE = "Memory that could be saved"
_STEPS = {
    MemoryRule.SIDECAR_SHARE: "lower the buffers and caches of sidecars, or run one for each node",
    MemoryRule.PAGE_CACHE: "do not size the limit by it, and find a smaller limit with membudget fit",
    MemoryRule.DIRTY_PAGES: "write smaller files, or call fsync more often",
    MemoryRule.SHARED_PAGES: "set the limit by peak_rss, not by the sum that ps shows",
    MemoryRule.MEMORY_KEPT: "bound caches and pools, or have the allocator return free memory",
    MemoryRule.MEMORY_RETURNED: "handle less at once: smaller batches, fewer requests, streams",
    MemoryRule.HUGE_PAGES: "measure on a machine that is set as in production",
    MemoryRule.BUFFERED_BODIES: "read and write bodies in pieces (stream them)",
}
"""What to do."""


def finding_words(finding: MemoryFinding) -> Parts:
    """Return a finding as a sentence: the image, the figure, what it means, what to do, and the price."""
    return (Quoted(finding.image), ": ", *_what(finding), f" → {_STEPS[finding.rule]}", *_price(finding))


def _what(finding: MemoryFinding) -> Parts:
    used, limit = finding.used, format_size(finding.limit_bytes)
    found, of, rest = map(format_size, (used.found_bytes, used.of_bytes, used.rest_bytes))
    match finding.rule:
        case MemoryRule.SIDECAR_SHARE:
            share = format_percent(round(100 * used.found_bytes / max(1, used.of_bytes)))
            held = f" at least {found} of the pod's peak RSS of {of} ({share}). Each replica pays for that"
            return (*_whose(used.count, used.subject), held)
        case MemoryRule.PAGE_CACHE:
            first = f"{found} of the memory in use were page cache that the kernel can drop at once"
            words = f"{first}. The working set peaked at {rest}, below the limit of {limit}"
        case MemoryRule.DIRTY_PAGES:
            first = f"up to {found} of written data waited for the disk (dirty pages)"
            words = f"{first}. The kernel cannot drop them before they are written, so a container at its limit waits"
        case MemoryRule.SHARED_PAGES:
            first = f"the RSS of its {used.count} processes adds up to {of}, but shared pages count in each of them"
            words = f"{first}. Together they hold {rest} (PSS), and the limit of {limit} has room for the sum"
        case MemoryRule.MEMORY_KEPT:
            words = f"the load added {of} of RSS, and {found} of that were still held after the settle time"
        case MemoryRule.MEMORY_RETURNED:
            words = f"{found} of the peak RSS of {of} were returned after the load. Only the peak needs them"
        case MemoryRule.BUFFERED_BODIES:
            return _bodies(finding)
        case MemoryRule.HUGE_PAGES:
            return (f"{found} of the RSS of {of} were in transparent huge pages", *_huge(used.setting))
    return (words,)


def _whose(count: int, subject: str | None) -> Parts:
    if count == 1:
        return ("its sidecar ", Quoted(subject or ""), " held")
    return (f"its {count} sidecars, most of all ", Quoted(subject or ""), ", held")


def _huge(setting: str | None) -> Parts:
    why: Parts = (" (the machine's setting: ", Quoted(setting), ")") if setting is not None else ()
    return (*why, ". Such a page counts whole if one byte of it is used, so RSS depends on the machine")


def _bodies(finding: MemoryFinding) -> Parts:
    used = finding.used
    before, after = map(format_size, used.bodies or (0, 0))
    tenths = 10 * used.found_bytes // max(1, used.rest_bytes)
    held = f"{tenths // 10}.{tenths % 10}"
    kind = "responses" if used.is_response else "bodies"
    grew = f": with {kind} of {after} instead of {before}, the peak RSS was {format_size(used.found_bytes)} larger"
    return (Quoted(used.subject or ""), grew, f", as if {held} of them were held whole at once")


def _price(finding: MemoryFinding) -> Parts:
    if finding.month is None or finding.where is None:
        return ()
    return (f". That saves up to {money(finding.month, finding.where)} a month",)


def larger_items(image: ImageMeasurement) -> Iterator[Item]:
    """Yield what trials with larger bodies found, or why they found nothing."""
    larger = image.larger
    if larger is None:
        return
    if larger.reason is not None:
        parts: Parts = (": larger bodies were not measured (", Quoted(larger.reason), ")")
    elif larger.largest is None or not larger.peaks:
        parts = (": larger bodies were not measured (no body of a request or a response was larger)",)
    else:
        one = larger.largest
        sizes = f"{format_size(one.after_bytes)} instead of {format_size(one.before_bytes)}"
        peaks = ", ".join(map(format_size, larger.peaks))
        parts = (": larger bodies (", Quoted(one.what), f", {sizes}): peak RSS {peaks}")
    yield Item(Finding((Quoted(image.name), *parts)), about=image.name)


def memory_section(findings: Sequence[MemoryFinding]) -> Section:
    """Return the findings as a list. Empty if there are none."""
    return Section(Keep.WHY, (Items(tuple(_items(findings)), TITLE),))


def _items(findings: Sequence[MemoryFinding]) -> Iterator[Item]:
    for finding in findings:
        below = Finding(("rule ", Quoted(finding.rule.value), " of [memory_rules]"))
        yield Item(Finding(finding_words(finding)), (below,), finding.image)
