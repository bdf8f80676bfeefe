"""What was measured, in detail: each image's phases, and why some values are not there."""

from collections.abc import Iterator, Sequence

from membudget.budgets.effective import NO_BUDGET
from membudget.core.metrics import DEFINITIONS, SILENT_WHEN_ABSENT, Metric, MetricValue
from membudget.core.quantities import format_duration, format_size
from membudget.judge.measurement import ImageMeasurement, SideMeasurement
from membudget.judge.phases import PhaseSummary, phase_summaries

PHASE_HEADINGS = ("image", "phase", "time", "peak RSS base", "peak RSS head", "peak memory base", "peak memory head")
_NO_VALUE = "–"


def phase_rows(images: Sequence[ImageMeasurement]) -> list[tuple[str, ...]]:
    """A row a phase, of images that have more than one: its time and its own peaks on both sides."""
    return [row for image in images for row in _phase_rows(image)]


def not_measured(images: Sequence[ImageMeasurement]) -> list[tuple[list[str], str, str]]:
    """Which values of heads are not there, and why: each time (the images, the metrics, the reason)."""
    names: dict[tuple[str, str], list[str]] = {}
    for image in images:
        if image.head is None or image.head.failure is not None:
            continue
        by_reason: dict[str, list[str]] = {}
        for metric, value in image.head.metrics.items():
            if value.value is None and not _was_not_asked_for(image, metric):
                by_reason.setdefault(value.reason or "unknown", []).append(DEFINITIONS[metric].label)
        for reason, labels in by_reason.items():
            names.setdefault((", ".join(labels), reason), []).append(image.name)
    return [(images_alike, labels, reason) for (labels, reason), images_alike in names.items()]


def _was_not_asked_for(image: ImageMeasurement, metric: Metric) -> bool:
    """A figure that only some workloads have, and for which nobody set a budget."""
    return metric in SILENT_WHEN_ABSENT and not image.budgets.get(metric, NO_BUDGET).is_set


def _phase_rows(image: ImageMeasurement) -> Iterator[tuple[str, ...]]:
    head = _phases(image.head)
    base = {summary.name: summary for summary in _phases(image.base)}
    if len(head) < 2:
        return
    for number, summary in enumerate(head):
        before = base.get(summary.name)
        yield (
            image.name if number == 0 else "",
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
    lesser = value.precision not in (DEFINITIONS[metric].precision for metric in (Metric.PEAK_RSS, Metric.PEAK_MEMORY))
    return f"{'≥ ' if lesser else ''}{format_size(value.value)}"
