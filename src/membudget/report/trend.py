"""The last values of main as a row of small bars for each image, with this commit's value at its end."""

from collections.abc import Iterator, Sequence

from membudget.core.metric_words import format_value
from membudget.core.metrics import Metric
from membudget.core.untrusted_text import Quoted
from membudget.judge.measurement import FEWEST_RECENT, ImageMeasurement
from membudget.judge.metric import Verdict
from membudget.report.findings import Finding
from membudget.report.report import JudgedReport
from membudget.report.story_parts import Item, Items, Keep, Section
from membudget.report.timeline import BLOCKS

_METRICS = (Metric.PEAK_RSS, Metric.IMAGE_SIZE)
"""The first of these that an image has is shown."""
_LEAST_SPAN = 0.2
"""The height of the bars stands for at least this share of the largest value, so that noise is flat."""
_MOST_VISIBLE = 3
"""The most images whose trend is not folded away."""
_MOST_IMAGES = 20
_TITLE = "Trend on the main branch, with this commit as the last bar"


def trend_section(result: JudgedReport) -> Section:
    """Return a line for each image that was measured, images that need attention first. Empty without a history."""
    items = list(_items(result))
    shown = tuple(items[:_MOST_IMAGES])
    if len(items) <= _MOST_VISIBLE:
        return Section(Keep.TREND, (Items(shown, _TITLE),))
    of = f" ({len(shown)} of {len(items)} images)" if len(shown) < len(items) else ""
    return Section(Keep.TREND, (Items(shown),), Finding((f"{_TITLE}{of}",)))


def _items(result: JudgedReport) -> Iterator[Item]:
    urgent_first = sorted(result.judgement.images, key=lambda image: image.verdict is Verdict.PASS)
    for judged in urgent_first:
        finding = _finding(result.measured[judged.name])
        if finding is not None:
            yield Item(finding, about=judged.name)


def _finding(image: ImageMeasurement) -> Finding | None:
    head = image.side_for_maximums
    if head is None or image.is_unchanged:
        return None
    for metric in _METRICS:
        now, before = head.metrics.get(metric), image.recent.get(metric, ())
        if now is not None and now.value is not None and now.value >= 0:
            if len(before) < FEWEST_RECENT:
                return None
            lowest, highest, here = (format_value(metric, value) for value in (min(before), max(before), now.value))
            main = lowest if lowest == highest else f"{lowest} to {highest}"
            bars = Quoted(bars_of((*before, now.value)))
            return Finding((Quoted(image.name), f": {metric.definition.label} ", bars, f" {main} on main, now {here}"))
    return None


def bars_of(values: Sequence[int]) -> str:
    """Return a bar for each value: the lowest for the smallest, unless all are nearly alike."""
    lowest, highest = min(values), max(values)
    span, bottom = max(highest - lowest, 1), lowest
    if span < _LEAST_SPAN * highest:
        span = round(_LEAST_SPAN * highest)
        bottom = (lowest + highest - span) // 2 - span // (2 * len(BLOCKS))  # the middle is not between two bars
    return "".join(BLOCKS[min((value - bottom) * len(BLOCKS) // span, len(BLOCKS) - 1)] for value in values)
