"""How much of its memory limit an image uses at its peak, and which budget would fit, for runs without a base."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from membudget.budgets.suggested import as_written, maximum_for
from membudget.core.metric_words import format_reading
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import format_percent, format_size
from membudget.core.untrusted_text import Part, Quoted
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.metric import Verdict
from membudget.measure.trial import Trial
from membudget.report.findings import Finding, FindingKind, why
from membudget.report.report import JudgedReport

USAGE_HEADINGS = ("image", "peak RSS", "limit", "unused")
_MOST_SUGGESTED = 3


@dataclass(frozen=True, slots=True)
class Usage:
    """The peak RSS of an image, and the limit that it ran under."""

    peak: MetricValue
    peak_bytes: int
    limit_bytes: int | None

    @property
    def unused_bytes(self) -> int | None:
        """How much of the limit was never used. None without a limit."""
        return None if self.limit_bytes is None else max(0, self.limit_bytes - self.peak_bytes)

    @property
    def cells(self) -> tuple[str, str, str]:
        """The peak, the limit and what is unused, in words."""
        peak = format_reading(Metric.PEAK_RSS, self.peak)
        if self.limit_bytes is None or self.unused_bytes is None:
            return peak, "none", "–"
        percent = format_percent(100 * self.unused_bytes / self.limit_bytes)
        return peak, format_size(self.limit_bytes), f"{format_size(self.unused_bytes)} ({percent})"

    @property
    def suggested_max(self) -> str:
        """The maximum for `peak_rss` that `membudget init` would write, as a budgets file has it."""
        most = maximum_for(self.peak_bytes)
        return as_written(most if self.limit_bytes is None else min(most, self.limit_bytes))


def usage(peak: MetricValue | None, limit_bytes: int | None) -> Usage | None:
    """Return the usage. None if the peak was not measured."""
    if peak is None or peak.value is None:
        return None
    return Usage(peak, peak.value, limit_bytes)


def held_by(trials: Sequence[Trial]) -> Iterator[Finding]:
    """Yield the processes that held the memory at the peak."""
    yield from (finding for finding in why(trials) if finding.kind is FindingKind.AT_PEAK)


def usage_rows(result: JudgedReport) -> list[tuple[Part, ...]]:
    """Return a row for each image with a peak."""
    return [(Quoted(image.name), *used.cells) for image, used in _used(result)]


def holders(result: JudgedReport) -> Iterator[Finding]:
    """Yield for each image that passes which processes held its memory. Why an image does not pass tells it already."""
    passing = {image.name for image in result.judgement.images if image.verdict is Verdict.PASS}
    for image, _ in _used(result):
        if image.name not in passing:
            continue
        yield from (Finding((Quoted(image.name), ": ", *finding.parts)) for finding in held_by(image.trials))


def next_step_without_base(result: JudgedReport) -> Iterator[Finding]:
    """Yield the lines that say what to do next: set the budgets that are missing, or compare with a base."""
    if not result.judgement.verdict.passes:
        return  # the report already says what to do
    without = [(image, used) for image, used in _used(result) if not _has_maximum(image)]
    if not without:
        yield Finding(("Next: `membudget check --base REV` also judges growth since REV.",))
        return
    names: list[Part] = []
    for image, _ in without[:_MOST_SUGGESTED]:
        names += [", " if names else "", Quoted(image.name)]
    more = len(without) - _MOST_SUGGESTED
    others = f" and {more} more" if more > 0 else ""
    yield Finding(("Next: peak RSS has no maximum for ", *names, f"{others}. With 20% of room, in budgets.toml:"))
    for image, used in without[:_MOST_SUGGESTED]:
        mark = '"' if "." in image.name else ""
        yield Finding((f"  [images.{mark}", Quoted(image.name), f"{mark}]"))
        yield Finding((f'  budgets.peak_rss.max = "{used.suggested_max}"',))


def _used(result: JudgedReport) -> Iterator[tuple[ImageMeasurement, Usage]]:
    for image in result.report.images:
        side = image.side_for_maximums
        used = usage(side.metrics.get(Metric.PEAK_RSS), image.limit_bytes) if side is not None else None
        if used is not None:
            yield image, used


def _has_maximum(image: ImageMeasurement) -> bool:
    budget = image.budgets.get(Metric.PEAK_RSS)
    return budget is not None and (budget.max is not None or budget.below_limit is not None)
