"""Memory over time of the median trials of both sides, on one scale: as sparklines and as a chart.

GitHub draws the chart with Mermaid (https://mermaid.js.org/syntax/xyChart). Mermaid 10.5 to 12 understand
`xychart-beta`. It draws no legend, so words name the colours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from membudget.core.metrics import Metric
from membudget.core.quantities import GIB, KIB, MIB, format_size
from membudget.judge.bounds import Bound, BoundKind
from membudget.judge.measurement import ImageMeasurement, SideMeasurement
from membudget.measure.probe.messages import Series
from membudget.measure.trial import Trial
from membudget.report.row_words import bound_words

_MOST_BYTES = 2**50
"""The most memory that a trial can use. A report with more was not written by membudget."""


_NEGLIGIBLE = 0.15
"""A side that is shorter by less than this share of the other's time is drawn as equally long."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Base and head over the same time, in steps of equal length. Each side ends with its trial."""

    base: tuple[int, ...]
    """The maximum of each step, in bytes. Empty if there is nothing to show."""
    head: tuple[int, ...]
    duration_us: int
    """The duration of all steps together, which is that of the longer side."""

    @property
    def highest_bytes(self) -> int:
        """The maximum of both sides."""
        return max((*self.base, *self.head), default=0)


def timeline(image: ImageMeasurement, steps: int) -> Timeline | None:
    """Return both sides in at most `steps` steps. None if neither has useful samples."""
    base, head = _median_series(image.base), _median_series(image.head)
    duration_us = max((series.time_us[-1] for series in (base, head) if series is not None), default=0)
    if duration_us <= 0:
        return None
    before, after = (_highest_in_steps(series, duration_us, steps) for series in (base, head))
    made = Timeline(before, after, duration_us)
    return made if made.highest_bytes > 0 else None


def _median_series(side: SideMeasurement | None) -> Series | None:
    """Return the series of the trial whose peak RSS is the median, or the lower of the middle two."""
    trials = [trial for trial in side.trials if _is_sound(trial.series)] if side is not None else []
    trials.sort(key=_peak)
    return trials[(len(trials) - 1) // 2].series if trials else None


def _peak(trial: Trial) -> int:
    peak = trial.metrics.get(Metric.PEAK_RSS)
    return peak.value or 0 if peak is not None else 0


def _is_sound(series: Series) -> bool:
    """Return whether there are samples in order. Reports may come from strangers."""
    times, sizes = series.time_us, series.rss_bytes
    in_order = all(before <= after for before, after in pairwise(times))
    return 0 < len(times) == len(sizes) and times[0] >= 0 and in_order and 0 <= min(sizes) <= max(sizes) < _MOST_BYTES


def _highest_in_steps(series: Series | None, duration_us: int, steps: int) -> tuple[int, ...]:
    """Return the maximum of each step, so that spikes keep their height.

    A step without samples repeats the last one.
    """
    if series is None:
        return ()
    samples: list[list[int]] = [[] for _ in range(1 + _step(series.time_us[-1], duration_us, steps))]
    for time_us, rss in zip(series.time_us, series.rss_bytes, strict=True):
        samples[_step(time_us, duration_us, steps)].append(rss)
    return tuple(_nearly_whole(_without_gaps(samples), steps))


def _step(time_us: int, duration_us: int, steps: int) -> int:
    return min(time_us * steps // duration_us, steps - 1)


def _nearly_whole(shown: list[int], steps: int) -> list[int]:
    """Return the steps of a side.

    If it ends shortly before the other side, its last value is repeated, because the times of trials always differ.
    """
    missing = steps - len(shown)
    return [*shown, *[shown[-1]] * missing] if missing <= _NEGLIGIBLE * steps else shown


def _without_gaps(samples: Sequence[Sequence[int]]) -> list[int]:
    shown: list[int] = []
    last = 0
    for seen in samples:
        shown.append(max(seen, default=last))
        last = seen[-1] if seen else last
    return shown


MOST_POINTS = 2000


def downsample(series: Series, most_points: int = MOST_POINTS) -> Series:
    """Return at most `most_points` samples: the first, the last, and the RSS minimum and maximum of each stretch.

    The largest anonymous memory is kept too, because it has a name in production.
    """
    count = len(series.time_us)
    if count <= most_points:
        return series
    stretches = max(1, (most_points - 3) // 4)
    kept = {0, count - 1, max(range(count), key=series.anon_bytes.__getitem__)}
    for number in range(stretches):
        indices = range(number * count // stretches, (number + 1) * count // stretches)
        for column in (series.rss_bytes, series.usage_bytes):
            kept.add(min(indices, key=column.__getitem__))
            kept.add(max(indices, key=column.__getitem__))
    return series.only(sorted(kept))


SPARKLINE_STEPS = 10
CHART_STEPS = 60
BLOCKS = "▁▂▃▄▅▆▇█"
_GONE = "·"
_FURTHEST_LINE = 1.6
"""A bound is drawn only up to this many times the height of the curves. Otherwise they would look flat."""
_BASE, _HEAD, _LIMIT = ("⚪", "#8c959f"), ("🔵", "#218bff"), ("🔴", "#fa4549")
_BUDGETS = {
    BoundKind.MAX: ("🟠", "#e16f24"), BoundKind.HEADROOM: ("🟣", "#8250df"), BoundKind.GROWTH: ("🟡", "#d4a72c"),
}  # fmt: skip
_WIDTH, _HEIGHT = 820, 300


def sparkline(values: Sequence[int], highest: int) -> str:
    """Return one character per step, with `highest` as the tallest, and dots after the container's end.

    Empty without values.
    """
    blocks = (BLOCKS[min(value * len(BLOCKS) // max(highest, 1), len(BLOCKS) - 1)] for value in values)
    return "".join(blocks).ljust(SPARKLINE_STEPS, _GONE) if values else ""


@dataclass(frozen=True, slots=True)
class Chart:
    """Base and head over time, with the bounds that they must not exceed."""

    timeline: Timeline
    bounds: tuple[Bound, ...]
    """The bounds of peak RSS that can fail the check."""
    limit_bytes: int

    def as_mermaid(self) -> str:
        """Return the source of the chart. It contains only figures and membudget's own words."""
        unit, scale = self._unit()
        curves = [(self.timeline.base, _BASE), (self.timeline.head, _HEAD)]
        lines = [(_padded(values), colour) for values, (_, colour) in curves if values]
        lines += [([bound, bound], colour) for bound, (_, colour), _ in self._bounds() if self._is_near(bound)]
        highest = max(max(values) for values, _ in lines)
        palette = ", ".join(colour for _, colour in lines)
        seconds = self.timeline.duration_us / 1_000_000
        return "\n".join(
            [
                "---",
                "config:",
                f"  xyChart: {{width: {_WIDTH}, height: {_HEIGHT}}}",
                f'  themeVariables: {{xyChart: {{plotColorPalette: "{palette}"}}}}',
                "---",
                "xychart-beta",
                f'  x-axis "seconds" 0 --> {seconds:.2f}',
                f'  y-axis "RSS in {unit}" 0 --> {1.05 * highest / scale:.2f}',
                *(f"  line [{', '.join(f'{value / scale:.2f}' for value in values)}]" for values, _ in lines),
            ]
        )

    @property
    def legend(self) -> str:
        """Return in words which line is which. Bounds too high to be drawn are named."""
        named = [(self.timeline.base, _BASE, "base"), (self.timeline.head, _HEAD, "head")]
        parts = [f"{sign} {name}" for values, (sign, _), name in named if values]
        for bound, (sign, _), words in self._bounds():
            parts.append(f"{sign} {words}" if self._is_near(bound) else f"{words} (off the chart)")
        return " · ".join(parts)

    def _bounds(self) -> list[tuple[int, tuple[str, str], str]]:
        budgets = [(one.level, _BUDGETS[one.kind], bound_words(Metric.PEAK_RSS, one)) for one in self.bounds]
        return [*budgets, (self.limit_bytes, _LIMIT, f"limit {format_size(self.limit_bytes)}")]

    def _is_near(self, bound: int) -> bool:
        return bound <= _FURTHEST_LINE * self.timeline.highest_bytes

    def _unit(self) -> tuple[str, int]:
        highest = self.timeline.highest_bytes
        return ("GiB", GIB) if highest >= GIB else ("MiB", MIB) if highest >= MIB else ("KiB", KIB)


def _padded(values: Sequence[int]) -> list[int]:
    """Return the values, filled with zeros up to the end of the chart."""
    return [*values, *[0] * (CHART_STEPS - len(values))]
