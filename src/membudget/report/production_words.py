"""How CI's memory compares with production's, in words: a table, the answer for each image, and what it rests on."""

from collections.abc import Iterator, Sequence

from membudget.core.metrics import Metric
from membudget.core.quantities import format_percent, format_size
from membudget.core.untrusted_text import Part, Quoted
from membudget.judge.production import (
    CiNotMeasured,
    ComparedUse,
    ImageFidelity,
    NotSeen,
    Production,
    Reach,
    Scrapes,
)
from membudget.report.findings import Finding

HEADINGS = ("image", "memory", "CI", "production, largest", "p99 over time", "p99 over pods", "CI reaches")
_NAMES = {
    Metric.PEAK_RSS: "RSS",
    Metric.PEAK_WORKING_SET: "working set",
    Metric.PEAK_MEMORY: "kernel's mark",
}
_MEANINGS = {
    Metric.PEAK_RSS: "RSS is anonymous memory alone, as cAdvisor's container_memory_rss counts it. Elsewhere,"
    " membudget's peak RSS includes shared memory",
    Metric.PEAK_WORKING_SET: "working set is all memory without inactive page cache. A kubelet evicts pods by it",
    Metric.PEAK_MEMORY: "kernel's mark is the highest use, page cache included. It never exceeds the limit, so compare"
    " it only between equal limits",
}
_NO_VALUE = "–"
_NOT_SEEN = {
    NotSeen.NO_SERIES: "no container in Prometheus matched its selector. Set `production.selector` in the budgets file,"
    " or pass --match",
    NotSeen.NO_SAMPLES: "no sample of the file matched its selector. Set `production.selector` in the budgets file, or"
    " pass --match",
    NotSeen.NOT_USABLE: "Prometheus answered with values that are no sizes, such as NaN",
}
_NOT_MEASURED = {
    CiNotMeasured.NOT_IN_REPORT: "the report has no figures of it. Run `membudget check`",
    CiNotMeasured.UNCHANGED: "the report is about a commit that did not change it. Use --from-history, or run"
    " `membudget check --no-cache`",
    CiNotMeasured.FAILED: "its trials in CI failed, so there is nothing to compare",
    CiNotMeasured.NOT_IN_HISTORY: "the history has no figures of it",
}
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"))
_NOTABLE = 0.01
"""Less shared memory than this share is not mentioned."""
_WHOLE = 0.95
"""A span of at least this share of the days counts as all of them."""


def rows(found: Sequence[ImageFidelity]) -> list[tuple[Part, ...]]:
    """Return a row for each image and kind of memory that CI and production both know."""
    return [row for one in found for row in _rows(one)]


def _rows(one: ImageFidelity) -> Iterator[tuple[Part, ...]]:
    name = one.name
    for compared in one.compared:
        trials = f" ({_count(len(compared.of_ci.samples), 'trial')})" if compared.of_ci.samples else ""
        used = compared.used
        yield (
            Quoted(name) if name else "",
            _NAMES[compared.metric],
            f"{format_size(compared.of_ci.bytes)}{trials}",
            format_size(used.max_bytes),
            format_size(used.p99_bytes) if used.p99_bytes is not None else _NO_VALUE,
            format_size(used.p99_of_pods_bytes) if used.p99_of_pods_bytes is not None else _NO_VALUE,
            _share(compared, 1 / one.scale),
        )
        name = ""


def meanings(found: Sequence[ImageFidelity]) -> Iterator[Finding]:
    """Yield what each kind of memory in the table means."""
    shown = {compared.metric for one in found for compared in one.compared}
    yield from (Finding.of(words) for metric, words in _MEANINGS.items() if metric in shown)


def sentences(one: ImageFidelity) -> Iterator[Finding]:
    """Yield the answer for an image, then what it rests on."""
    seen = one.production
    if isinstance(one.of_ci, CiNotMeasured):
        yield Finding.of(f"not compared: {_NOT_MEASURED[one.of_ci]}")
    elif isinstance(seen, NotSeen):
        yield Finding.of(f"not compared: {_NOT_SEEN[seen]}")
    elif not one.compared:
        yield Finding.of("not compared: CI and production have no figure in common")
    else:
        yield Finding((_answer(one, one.compared[0], seen),))
        yield from map(Finding.of, _of_figures(one.compared))
    if not isinstance(seen, NotSeen):
        yield from _of_production(seen)


def _answer(one: ImageFidelity, decisive: ComparedUse, seen: Production) -> str:
    what = f"production's peak {_NAMES[decisive.metric]}"
    reaches = f"the workload reaches {_bound(decisive, seen)}{_share(decisive, 1 / one.scale)} of {what}"
    if one.scale != 1:
        reaches += f", and {_share(decisive)} with `production.scale = {one.scale:g}`"
    return f"{reaches}. {_advice(decisive, seen)}"


def _of_figures(compared: Sequence[ComparedUse]) -> Iterator[str]:
    """Yield what else to know about the figures of CI."""
    first, *others = compared
    of_ci = first.of_ci
    if of_ci.includes_shared:
        yield "CI's RSS comes from the history and includes shared memory, which production's does not"
    elif of_ci.shared_bytes > _NOTABLE * of_ci.bytes:
        yield f"CI's RSS is shown without {format_size(of_ci.shared_bytes)} of shared memory"
    for other in others:
        if other.metric is Metric.PEAK_WORKING_SET and other.reach is Reach.BELOW and first.reach is not Reach.BELOW:
            yield (
                f"of production's peak working set, it reaches only {_share(other)}: production holds more page cache,"
                " shared memory or memory of the kernel"
            )


def _bound(decisive: ComparedUse, seen: Production) -> str:
    if decisive.of_ci.is_lower_bound:
        return "" if seen.is_cut_off else "at least "
    return "at most " if seen.is_cut_off else ""


def _advice(decisive: ComparedUse, seen: Production) -> str:
    match decisive.reach:
        case Reach.HOLDS:
            return "CI's figure holds"
        case Reach.ABOVE:
            return "CI needs more than production used, so a limit that follows from CI suffices"
        case Reach.BELOW:
            return _advice_below(decisive.wanted_scale, is_least=seen.is_cut_off)
        case Reach.UNCLEAR if seen.is_cut_off:
            why = "known, because the limit cut off production's peak"
        case Reach.UNCLEAR if decisive.of_ci.is_lower_bound:
            why = "known, because its own peak is only a lower bound"
        case Reach.UNCLEAR:
            why = "clear, because its trials differ. Raise `trials.max`"
    return f"Whether CI's figure holds is not {why}"


def _advice_below(scale: float | None, *, is_least: bool) -> str:
    if scale is None:
        return "Raise its load"
    return f"Raise its load, or set `production.scale = {scale:g}`{' or more' if is_least else ''}"


def _share(compared: ComparedUse, times: float = 1.0) -> str:
    """Return a share of production's peak, and its interval if the trials differ."""
    share, low, high = (_percent(times * value) for value in (compared.percent, compared.low, compared.high))
    return share if low == high else f"{share} ({low} to {high})"


def _percent(value: float) -> str:
    return format_percent(round(value, 1) if value < 10 else round(value))


def _of_production(seen: Production) -> Iterator[Finding]:
    """Yield what was seen of production, and what its peak may lack."""
    if seen.is_cut_off:
        yield Finding.of(f"{_kills(seen)}. The limit cut off production's peak, so it is a lower bound")
    yield Finding(("production: ", Quoted(seen.selector), f", {_extent(seen)}"))
    yield Finding.of(f"production: {_precision(seen)}")
    if seen.namespaces > 1:
        others = "If other programs are among them, add a namespace to the selector"
        yield Finding.of(f"production: the pods are in {seen.namespaces:,} namespaces. {others}")
    if seen.scrapes is not None and (gap := _gap(seen.scrapes, seen.days)):
        yield Finding.of(f"production: {gap}")
    if seen.oom_kills is None and seen.oom_killed is None:
        yield Finding.of("production: nothing tells whether the kernel killed a process there")
    if seen.is_partial:
        yield Finding.of("production: Prometheus warns that its answer may lack something")
    for text in seen.unusable:
        yield Finding(("production: left out, because it is not a number of at least 0: ", Quoted(text)))


def _kills(seen: Production) -> str:
    parts = []
    if seen.oom_kills:
        parts.append(f"the kernel killed at least {_count(seen.oom_kills, 'process', 'processes')} in production")
    if seen.oom_killed:
        last = "with an OOM kill"
        parts.append(f"{_count(seen.oom_killed, 'container')}{'' if parts else ' in production'} ended {last}")
    return ", and ".join(parts)


def _extent(seen: Production) -> str:
    parts = [f"{_count(seen.pods, 'pod')} with {_count(seen.containers, 'container')}"]
    if seen.restarts:
        parts.append(_count(seen.restarts, "restart"))
    if seen.limit_bytes is not None:
        parts.append(f"largest limit {format_size(seen.limit_bytes)}")
    if seen.days is not None:
        parts.append(f"in {_count(seen.days, 'day')}")
    return ", ".join(parts)


def _precision(seen: Production) -> str:
    every = f", one every {_span(seen.scrapes.interval_s)}" if seen.scrapes is not None else ""
    mark = seen.used.get(Metric.PEAK_MEMORY)
    missed = "Peaks between them are missed, so production may use more"
    if mark is not None:
        missed += f". The kernel's mark misses none: {format_size(mark.max_bytes)}, page cache included"
    return f"{_count(seen.samples, 'sample')}{every}. {missed}"


def _gap(scrapes: Scrapes, days: int | None) -> str:
    parts = []
    asked_s = (days or 0) * 86_400
    if days is not None and scrapes.span_s < _WHOLE * asked_s:
        parts.append(f"the samples cover only {_span(scrapes.span_s)} of {_count(days, 'day')}")
    if scrapes.missing_s:
        parts.append(f"there is no sample for {_span(scrapes.missing_s)} {'of them' if parts else ''}".rstrip())
    return ", and ".join(parts)


def _span(seconds: float) -> str:
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= 2 * size), (1, "s"))
    return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"


def _count(number: int, one: str, several: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"
