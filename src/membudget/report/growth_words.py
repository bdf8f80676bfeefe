"""What grew in words: the places in the code that hold more memory than in the base, and what the profiles cost."""

from collections.abc import Iterator

from membudget.core.metrics import Metric
from membudget.core.quantities import MIB, format_duration, format_percent, format_size, format_size_delta
from membudget.core.untrusted_text import Part, Parts, Quoted
from membudget.judge.growth import Growth, Site, Whole, growth_behind, whole_of
from membudget.judge.image import ImageJudgement
from membudget.judge.measurement import ImageMeasurement, SideMeasurement
from membudget.measure.profiling.heap_profile import Frame, PairProfile, ProfiledBy, ProfiledSide, SourceLine
from membudget.report.findings import Finding, FindingKind
from membudget.report.row_words import joined

PROFILERS = {
    ProfiledBy.MEMRAY: "memray",
    ProfiledBy.TRACEMALLOC: "tracemalloc",
    ProfiledBy.CLASS_HISTOGRAM: "the JVM's class histogram",
    ProfiledBy.FLIGHT_RECORDER: "the JVM's flight recorder",
    ProfiledBy.V8_SAMPLING: "V8's heap profiler",
    ProfiledBy.PPROF: "pprof",
    ProfiledBy.OBJECT_SPACE: "Ruby's ObjectSpace",
    ProfiledBy.SMAPS: "the kernel's list of mappings",
}
_OWN_SETTINGS = "with the head's own settings"
_LEAST_FREED_SHARE = 0.05
"""Memory that other places freed is told if it is this part of what the named places gained, and a MiB."""


def growth_findings(image: ImageMeasurement, judged: ImageJudgement) -> Iterator[Finding]:
    """Yield what grew, or why that is not known. Nothing if no profile was wanted."""
    pair = image.profile
    if pair is None or pair.head is None:
        return
    growth = growth_behind(pair, judged)
    if growth is None:
        parts: Parts = ("what grew is not known: ", Quoted(pair.head.reason or "there is no profile"))
    elif not growth.named:
        parts = (_unnamed(growth, pair.head),)
    else:
        whole = whole_of(growth, judged, is_own=pair.is_own)
        parts = (*_named(growth, pair), *_share(growth, whole), *_base(growth, pair), *_doubts(growth, pair))
    yield Finding(parts, FindingKind.GREW)


def profiling_findings(image: ImageMeasurement) -> Iterator[Finding]:
    """Yield what the profiled trial of each side took besides what it would have taken without a profiler."""
    pair = image.profile
    if pair is None:
        return
    settings = f" {_OWN_SETTINGS}" if pair.is_own else ""
    base = image.base if not pair.is_own else None  # which was never judged with the head's settings
    head = image.side_for_maximums if pair.is_own else image.head
    for name, judged, profiled in (("base", base, pair.base), ("head", head, pair.head)):
        if profiled is not None:
            yield _cost(f"the {name} was profiled{settings}", judged, profiled)


def grown_lines(image: ImageMeasurement, judged: ImageJudgement) -> Iterator[tuple[SourceLine, Finding]]:
    """Yield the lines of the diff that hold more memory than before, with how much more."""
    pair = image.profile
    growth = growth_behind(pair, judged) if pair is not None else None
    if pair is None or growth is None or not growth.is_growth:
        return
    for site in growth.named:
        source = pair.source_of(site.frame)
        if source is not None and source.is_in_diff:
            held = f" holds {format_size(site.head_bytes)}, {format_size_delta(site.delta_bytes)} since the base"
            by = f", by {PROFILERS[growth.profiled_by]}"
            parts = (Quoted(site.frame.name or source.path), held + by, *_doubts(growth, pair))
            yield source, Finding(parts, FindingKind.GREW)


def place_text(frame: Frame, pair: PairProfile) -> str:
    """Return a frame as "catalog/search.py:41 build_index", by its path in the repository if that is known.

    It is text from outside.
    """
    file = pair.path_of(frame)
    if file is None:
        return frame.name
    where = f"{file}:{frame.line}" if frame.line is not None else file
    return where if frame.name in ("", frame.file) else f"{where} {frame.name}"


def _unnamed(growth: Growth, head: ProfiledSide) -> str:
    """Return why no place can be named."""
    by = PROFILERS[growth.profiled_by]
    if growth.of_live_heap and head.profile is not None and head.profile.stacks:
        return f"what grew in the live heap is not known: the profile by {by} does not show it"
    return f"what grew is not known: the profile by {by} is empty"


def _named(growth: Growth, pair: PairProfile) -> Parts:
    where = " in the live heap" if growth.of_live_heap else ""
    by = PROFILERS[growth.profiled_by] + (f", {_OWN_SETTINGS}" if pair.is_own else "")
    if growth.is_growth:
        return (f"what grew{where}, by {by}: ", *joined((_grown(site, pair) for site in growth.named), ", "))
    held = joined((_held(site, pair) for site in growth.named), ", ")
    if not growth.is_compared:
        return (f"what holds memory{where}, by {by}: ", *held)
    profile = "the live heap of the profile" if growth.of_live_heap else "the profile"
    return (f"nothing grew in {profile} by {by}; it holds ", *held)


def _grown(site: Site, pair: PairProfile) -> Parts:
    return (f"{format_size_delta(site.delta_bytes)} ", *_place(site.frame, pair))


def _held(site: Site, pair: PairProfile) -> Parts:
    return (f"{format_size(site.head_bytes)} ", *_place(site.frame, pair))


def _place(frame: Frame, pair: PairProfile) -> Parts:
    source = pair.source_of(frame)
    in_diff: tuple[Part, ...] = (" (in the diff)",) if source is not None and source.is_in_diff else ()
    return (Quoted(place_text(frame, pair)), *in_diff)


def _share(growth: Growth, whole: Whole) -> Iterator[Part]:
    percent = format_percent(round(100 * whole.share_of(growth.explained_bytes)))
    if not growth.is_growth:
        profile = "the live heap in the profile" if growth.of_live_heap else "the profile"
        yield f"; that is {percent} of {_metric(whole, profile)} ({format_size(whole.size_bytes)})"
        return
    gained = sum(site.delta_bytes for site in growth.named)
    freed = growth.freed_bytes
    is_told = freed >= max(MIB, _LEAST_FREED_SHARE * gained)
    yield f"; less {format_size(freed)} that other places freed," if is_told else ";"
    profiles = "the live heap in the profiles" if growth.of_live_heap else "the profiles"
    yield f" that is {percent} of the growth of {_metric(whole, profiles)} ({format_size_delta(whole.size_bytes)})"


def _metric(whole: Whole, other: str) -> str:
    return whole.metric.definition.label if whole.metric is not None else other


def _base(growth: Growth, pair: PairProfile) -> Iterator[Part]:
    """Yield why there is no comparison although there is a base."""
    if growth.is_compared or pair.base is None:
        return
    if pair.base.profile is not None:
        yield f"; not compared, because the base was profiled by {PROFILERS[pair.base.profile.profiled_by]}"
    else:
        yield from ("; not compared, because the base has no profile: ", Quoted(pair.base.reason or "unknown"))


def _doubts(growth: Growth, pair: PairProfile) -> Iterator[Part]:
    """Yield why the figures may be false."""
    yield from _missing(growth, pair)
    base, head = (side.added_peaks if side is not None else 0 for side in (pair.base, pair.head))
    if head:
        yield f"; these are the peaks of {head} processes, added up: they may be at different times"
    elif base and growth.is_growth:
        yield f"; the base has the peaks of {base} processes, added up: they may be at different times"


def _missing(growth: Growth, pair: PairProfile) -> Iterator[Part]:
    """Yield how many processes are missing in the profiles, and what that means for the figures."""
    base, head = _silent(pair.base), _silent(pair.head)
    if base and growth.is_growth:
        of_head = f" and {head} of the head" if head else ""
        yield f"; {base} processes of the base{of_head} gave no profile, so the growth may be false"
    elif head:
        yield f"; {head} processes of the head gave no profile, so these figures are too small"


def _silent(side: ProfiledSide | None) -> str:
    """Return how many processes are missing in a profile, as "1 of 3". Empty if none is."""
    is_partial = side is not None and side.profile is not None and side.unanswered > 0
    return f"{side.unanswered} of {side.processes}" if side is not None and is_partial else ""


def _cost(begin: str, side: SideMeasurement | None, profiled: ProfiledSide) -> Finding:
    words = f"{begin} in a trial that is never judged"
    words += f", which took {format_duration(profiled.duration_ms)}" if profiled.duration_ms else ""
    judged = side.metrics.get(Metric.PEAK_RSS) if side is not None else None
    if profiled.peak_rss_bytes is not None:
        words += f"; its peak RSS was {format_size(profiled.peak_rss_bytes)}"
        if judged is not None and judged.value is not None:
            more = profiled.peak_rss_bytes - judged.value
            words += f", {format_size(abs(more))} {'more' if more >= 0 else 'less'} than judged"
    used = profiled.profile.profiled_by if profiled.profile is not None else None
    if profiled.not_first_choice is not None and used is ProfiledBy.TRACEMALLOC:
        second: Parts = ("; tracemalloc was used, because ", Quoted(profiled.not_first_choice))
    else:
        second = ()
    silent = _silent(profiled)
    why: Parts = (f"; {silent} processes gave no profile: ", Quoted(profiled.reason or "unknown")) if silent else ()
    return Finding((words, *second, *why), FindingKind.PROFILING)
