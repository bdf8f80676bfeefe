"""How an image's memory grows with CPUs and connections, in sentences."""

from collections.abc import Iterator

from membudget.core.quantities import format_size
from membudget.core.untrusted_text import Part, Parts, Quoted
from membudget.judge.scaled import Bend, Estimate, Halt, Halted, NoSize, ScaledImage, TrialScale
from membudget.manifests.deployed import CpuLimit
from membudget.report.scaling_report import ScalingReport


def answer_sentences(image: ScaledImage) -> Iterator[Parts]:
    """Yield how an image grows, or why that is not known."""
    if image.halted is not None:
        yield (Quoted(image.name), *_halted(image.halted))
        if image.halted.why is Halt.KILLED:
            yield ("Next: raise its limit, or choose smaller loads.",)
        return
    if image.size is not None:
        peak, where = image.size.peak, place_words(image.size.place)
        yield (Quoted(image.name), f" at {where}: expect {format_size(peak.value_bytes)} ({_interval(peak)}).")
    yield (Quoted(image.name), f" takes {_growth(image)}.")
    if image.cpu_limit is not None:
        yield from _cpu_limit(image.cpu_limit)
    yield from ((remark,) for remark in _remarks(image))


def closing_sentences(report: ScalingReport) -> Iterator[Parts]:
    """Yield what holds for all images."""
    if report.cpus_left_out:
        there = "1 CPU" if report.environment.cpus == 1 else f"{report.environment.cpus} CPUs"
        missing = " and ".join(map(str, report.cpus_left_out))
        yield (f"This machine has {there}, so membudget did not measure with {missing}.",)
    if any(image.halted is None for image in report.images):
        yield ("Each interval holds with 95% confidence, for this workload on this kind of machine.",)


def place_words(place: TrialScale) -> str:
    """Return a place in words: "2 CPUs and 20 connections"."""
    cpus = "1 CPU" if place.cpus == 1 else f"{place.cpus} CPUs"
    if place.connections is None:
        return cpus
    return f"{cpus} and {place.connections} {'connection' if place.connections == 1 else 'connections'}"


def _growth(image: ScaledImage) -> str:
    parts = [
        f"{format_size(each.value_bytes)} for each {of} ({_interval(each)})"
        for each, of in ((image.per_cpu, "CPU"), (image.per_connection, "connection"))
        if each is not None and each.is_certain
    ]
    unseen = [
        f"{of} ({_interval(each)})"
        for each, of in ((image.per_cpu, "a CPU"), (image.per_connection, "a connection"))
        if each is not None and not each.is_certain
    ]
    if unseen:
        parts.append(f"too little to measure for {' and '.join(unseen)}")
    if image.fixed is not None:
        parts.insert(0, f"{format_size(max(0, image.fixed.value_bytes))} in any case")
    return f"{', '.join(parts[:-1])}, and {parts[-1]}" if len(parts) > 2 else " and ".join(parts)


def _interval(each: Estimate) -> str:
    return f"{format_size(each.low_bytes)} to {format_size(each.high_bytes)}"


def _cpu_limit(limit: CpuLimit) -> Iterator[Parts]:
    cpus = "1 CPU" if limit.cpus == 1 else f"{limit.cpus} CPUs"
    line = f", line {limit.place.line}," if limit.place.is_exact else ""
    yield ("Its CPU limit in ", Quoted(limit.place.path), f"{line} is {limit.thousandths / 1000:g}.")
    yield (f"The JVM, .NET and Go 1.25 or newer then see {cpus}. Other runtimes see all CPUs of the node: use --cpus.",)


_BENDS = {
    Bend.CPUS: "The memory of each further CPU differs from that of the one before",
    Bend.CONNECTIONS: "The memory of each further connection differs from that of the one before",
    Bend.BOTH: "The memory of a connection depends on the number of CPUs",
}
_UNTESTED = {
    (Bend.CPUS,): "Two numbers of CPUs",
    (Bend.CONNECTIONS,): "Two loads",
    (Bend.CPUS, Bend.CONNECTIONS): "Two numbers of CPUs and two loads",
}


def _remarks(image: ScaledImage) -> Iterator[str]:
    for bend in image.bends:
        yield f"{_BENDS[bend]}: the figures above are those in the middle of what was measured."
    match image.no_size:
        case NoSize.CPUS_NOT_VARIED:
            yield "Production has other CPUs, and all trials had the same: measure with several numbers of CPUs."
        case NoSize.CONNECTIONS_NOT_VARIED:
            yield (
                "Production's connections say nothing here: all trials had the same load. An HTTP workload can have"
                " several."
            )
        case NoSize.BENT:
            yield (
                "Its memory does not grow linearly, so nothing is said about sizes outside of what was measured."
                " Measure with CPUs and loads as in production."
            )
        case _:
            pass
    yield from _about_size(image)


def _about_size(image: ScaledImage) -> Iterator[str]:
    if image.size is None:
        return
    falls = [what for each, what in ((image.per_cpu, "CPUs"), (image.per_connection, "connections")) if _falls(each)]
    if falls:
        yield f"It took less memory with more {' and '.join(falls)}. The estimate assumes no further fall."
    beyond = list(_beyond(image, image.size.place))
    if beyond:
        yield f"Production has {' and '.join(beyond)} that were measured."
        if (few := _UNTESTED.get(image.untested)) is not None:
            yield (f"{few} cannot show whether memory grows linearly. The interval assumes that it does.")
    if image.limit_bytes is not None and image.size.peak.high_bytes > image.limit_bytes:
        yield f"Its limit of {format_size(image.limit_bytes)} may be too small there."


def _falls(each: Estimate | None) -> bool:
    return each is not None and each.high_bytes < 0


def _beyond(image: ScaledImage, place: TrialScale) -> Iterator[str]:
    most_cpus = max(point.place.cpus for point in image.points)
    most = max(point.place.connections or 0 for point in image.points)
    if place.cpus > most_cpus:
        yield f"{place.cpus / most_cpus:.3g} times the CPUs"
    if place.connections is not None and place.connections > most > 0:
        yield f"{place.connections / most:.3g} times the connections"


def _halted(halted: Halted) -> Iterator[Part]:
    where = f" with {place_words(halted.place)}" if halted.place is not None else ""
    reason: tuple[Part, ...] = (": ", Quoted(halted.reason)) if halted.reason is not None else ()
    match halted.why:
        case Halt.KILLED:
            yield f" was killed{where}"
        case Halt.FAILED:
            yield f" failed{where}"
        case Halt.NO_FIGURE:
            yield f" has no peak RSS{where}"
        case Halt.FAULT:
            yield " was not measured"
        case Halt.NOTHING_VARIES:
            yield " would run in one way only. Give two numbers with --at-cpus or --loads"
    yield from reason
    yield "."
