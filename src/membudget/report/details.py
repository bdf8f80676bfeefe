"""Details of the measurement: phases of each image, missing values, and what was compared."""

from collections.abc import Iterator, Sequence

from membudget.budgets.rules import NO_BUDGET
from membudget.core.metrics import SILENT_WHEN_ABSENT, Metric, MetricValue
from membudget.core.quantities import format_duration, format_size
from membudget.core.untrusted_text import Part, Quoted
from membudget.judge.measurement import ImageMeasurement, SideMeasurement
from membudget.judge.values import PhaseSummary, phase_summaries
from membudget.report.at_peak import peak_look, peak_rows
from membudget.report.findings import Finding
from membudget.report.report import Report, RevisionReport
from membudget.report.trial_counts import any_has_more, trials_in_words

PHASE_HEADINGS = ("image", "phase", "time", "peak RSS base", "peak RSS head", "peak memory base", "peak memory head")
PEAK_HEADINGS = ("image", "held by", "processes", "anonymous + shared", "file-backed")
_NO_VALUE = "–"


def phase_rows(images: Sequence[ImageMeasurement]) -> list[tuple[Part, ...]]:
    """Return a row for each phase of images with more than one: its duration and its peaks on both sides."""
    return [row for image in images for row in _phase_rows(image)]


def peak_table(images: Sequence[ImageMeasurement]) -> list[tuple[Part, ...]]:
    """Return rows for the head of each image: what held its memory near the peak, and the sum."""
    looks = [(image, peak_look(image.head.trials)) for image in images if image.head is not None]
    return [
        (Quoted(image.name) if number == 0 else "", *row)
        for image, look in looks
        if look is not None
        for number, row in enumerate(peak_rows(look))
    ]


def not_measured(images: Sequence[ImageMeasurement]) -> list[tuple[list[str], str, str]]:
    """Return the missing values of heads, as tuples of images, metrics and reason."""
    names: dict[tuple[str, str], list[str]] = {}
    for image in images:
        if image.head is None or image.head.failure is not None:
            continue
        by_reason: dict[str, list[str]] = {}
        for metric, value in image.head.metrics.items():
            if value.value is None and not _was_not_asked_for(image, metric):
                by_reason.setdefault(value.reason or "unknown", []).append(metric.definition.label)
        for reason, labels in by_reason.items():
            names.setdefault((", ".join(labels), reason), []).append(image.name)
    return [(images_alike, labels, reason) for (labels, reason), images_alike in names.items()]


def _was_not_asked_for(image: ImageMeasurement, metric: Metric) -> bool:
    """Return whether a metric exists only for some workloads and has no budget."""
    return metric in SILENT_WHEN_ABSENT and not image.budgets.get(metric, NO_BUDGET).is_set


def _phase_rows(image: ImageMeasurement) -> Iterator[tuple[Part, ...]]:
    head = _phases(image.head)
    base = {summary.name: summary for summary in _phases(image.base)}
    if len(head) < 2:
        return
    for number, summary in enumerate(head):
        before = base.get(summary.name)
        yield (
            Quoted(image.name) if number == 0 else "",
            f"{summary.name}{' (not judged)' if summary.name in image.unjudged_phases else ''}",
            format_duration(summary.duration_ms),
            _size(before.peak_rss if before else None),
            _size(summary.peak_rss),
            _size(before.peak_memory if before else None),
            _size(summary.peak_memory),
        )


def _phases(side: SideMeasurement | None) -> tuple[PhaseSummary, ...]:
    return phase_summaries(side.trials) if side is not None else ()


def _size(value: MetricValue | None) -> str:
    if value is None or value.value is None:
        return _NO_VALUE
    return f"{'≥ ' if value.is_less_precise else ''}{format_size(value.value)}"


_SHA_DIGITS = 12
_MOST_NAMED = 20


def compared_in_short(report: Report) -> Finding:
    """Return both commits, the trials, the limits and the platform on one line."""
    base, head = report.comparison.base, report.comparison.head.sha[:_SHA_DIGITS]
    parts = [f"base {base.sha[:_SHA_DIGITS]} → head {head}" if base is not None else f"no base, head {head}"]
    counts = [len(side.trials) for image in report.images for side in (image.base, image.head) if side and side.trials]
    if counts:
        number = _range([str(count) for count in (min(counts), max(counts))])
        more = ", with extra trials for unclear results" if any_has_more(report.images) else ""
        parts.append(f"{number} trial{'s' if max(counts) > 1 else ''}{' a side' if base is not None else ''}{more}")
    limits = [image.limit_bytes for image in report.images if image.head is not None]
    if limits:
        parts.append(f"limit {_range([format_size(limit) for limit in (min(limits), max(limits))])}")
    return Finding((f"{' · '.join(parts)} · ", Quoted(report.environment.platform)))


def _range(ends: Sequence[str]) -> str:
    return ends[0] if ends[0] == ends[-1] else f"{ends[0]} to {ends[-1]}"


def compared(report: Report) -> Iterator[Finding]:
    """Yield the comparison in detail, with the machine and its settings."""
    comparison, environment = report.comparison, report.environment
    yield _revision("head", comparison.head)
    yield _revision("base", comparison.base) if comparison.base else Finding.of("no base revision")
    alike: dict[tuple[str, str], list[ImageMeasurement]] = {}
    for image in report.images:
        how = f"{trials_in_words(image)}; limit {format_size(image.limit_bytes)}{last_fit_words(image)}; workload: "
        alike.setdefault((how, image.workload), []).append(image)
    for (how, workload), images in alike.items():
        yield Finding((*_names(images), f": {how}", Quoted(workload)))
    yield Finding(
        (
            "engine ", Quoted(environment.engine), ", ", Quoted(environment.platform),
            f", cgroup v{environment.cgroup_version} ({environment.cgroup_driver}), kernel ",
            Quoted(environment.kernel),
            f", {environment.cpus} CPUs, {format_size(environment.memory_bytes)} memory",
        )
    )  # fmt: skip
    yield Finding((f"sampled at {environment.rates} from ", Quoted(environment.probe)))
    yield from _settings(report)
    took = f", took {format_duration(report.duration_ms)}"
    yield Finding(("membudget ", Quoted(report.membudget_version), took))


def last_fit_words(image: ImageMeasurement) -> str:
    """Return which limits the last fit found, as the budgets file has them. Empty if there was none."""
    if image.fit is None:
        return ""
    survives, needed = image.fit.survives_bytes, image.fit.needed_bytes
    more = f", comfortable at {format_size(needed)}" if needed > survives else ""
    return f" (survives at {format_size(survives)}{more})"


def _settings(report: Report) -> Iterator[Finding]:
    """Yield the machine's settings during the trials. They were equal in all of them, otherwise the verdict says so."""
    trials = [trial for image in report.images if image.head is not None for trial in image.head.trials]
    if not trials:
        return
    settings, environment = trials[0].settings, report.environment
    swap = format_size(settings.swap_bytes) if settings.swap_bytes is not None else "unknown"
    yield Finding(
        (
            "transparent huge pages ", Quoted(settings.transparent_huge_pages or "unknown"),
            f"; swap {swap}, swappiness {settings.swappiness}; NUMA nodes ",
            Quoted(settings.numa_nodes or "unknown"), "; log driver ", Quoted(environment.log_driver),
            f"; {environment.jobs} at a time",
        )
    )  # fmt: skip


def _names(images: Sequence[ImageMeasurement]) -> Iterator[Part]:
    for number, image in enumerate(images[:_MOST_NAMED]):
        yield from [", "] if number else []
        yield Quoted(image.name)
    more = len(images) - _MOST_NAMED
    yield from [f" and {more} more"] if more > 0 else []


def _revision(side: str, revision: RevisionReport) -> Finding:
    return Finding((f"{side} {revision.sha[:_SHA_DIGITS]} ", Quoted(revision.subject[:100])))
