"""Memory over time of an image's median trials, on one scale: in few steps, in characters for a cell, and as a chart.

GitHub draws the chart with Mermaid (https://mermaid.js.org/syntax/xyChart). `xychart-beta` is understood since 10.5,
and still by 12. It draws no legend, so the colours are named in words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from membudget.core.metrics import Metric
from membudget.core.quantities import GIB, KIB, MIB, format_size
from membudget.judge.measurement import ImageMeasurement, SideMeasurement
from membudget.measure.probe.messages import Series
from membudget.measure.trial import Trial

_MOST_BYTES = 2**50
"""No trial holds more: a report that says so was not written by membudget."""


_NEGLIGIBLE = 0.15
"""Of the time of the longer side."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Base and head over the same time, in steps of one length. A side ends where its trial ended."""

    base: tuple[int, ...]
    """Bytes: the most in each step. Empty where there is nothing to show."""
    head: tuple[int, ...]
    duration_us: int
    """Of the longer one: what all steps together take."""

    @property
    def highest_bytes(self) -> int:
        """The highest of both sides."""
        return max((*self.base, *self.head), default=0)


def timeline(image: ImageMeasurement, steps: int) -> Timeline | None:
    """Both sides in at most `steps` steps; None where no side has samples that show something."""
    base, head = _median_series(image.base), _median_series(image.head)
    duration_us = max((series.time_us[-1] for series in (base, head) if series is not None), default=0)
    if duration_us <= 0:
        return None
    before, after = (_highest_in_steps(series, duration_us, steps) for series in (base, head))
    made = Timeline(before, after, duration_us)
    return made if made.highest_bytes > 0 else None


def _median_series(side: SideMeasurement | None) -> Series | None:
    """Of the trial whose peak RSS is the median, or the lower of the middle two."""
    trials = [trial for trial in side.trials if _is_sound(trial.series)] if side is not None else []
    trials.sort(key=_peak)
    return trials[(len(trials) - 1) // 2].series if trials else None


def _peak(trial: Trial) -> int:
    peak = trial.metrics.get(Metric.PEAK_RSS)
    return peak.value or 0 if peak is not None else 0


def _is_sound(series: Series) -> bool:
    """Whether there are samples, in order: reports are read from strangers, too."""
    times, sizes = series.time_us, series.rss_bytes
    in_order = all(before <= after for before, after in pairwise(times))
    return 0 < len(times) == len(sizes) and times[0] >= 0 and in_order and 0 <= min(sizes) <= max(sizes) < _MOST_BYTES


def _highest_in_steps(series: Series | None, duration_us: int, steps: int) -> tuple[int, ...]:
    """The most in each step: a spike is as high as it was. A step without a look shows what the last look saw."""
    if series is None:
        return ()
    samples: list[list[int]] = [[] for _ in range(1 + _step(series.time_us[-1], duration_us, steps))]
    for time_us, rss in zip(series.time_us, series.rss_bytes, strict=True):
        samples[_step(time_us, duration_us, steps)].append(rss)
    return tuple(_nearly_whole(_without_gaps(samples), steps))


def _step(time_us: int, duration_us: int, steps: int) -> int:
    return min(time_us * steps // duration_us, steps - 1)


def _nearly_whole(shown: list[int], steps: int) -> list[int]:
    """A side that ended a little before the other one lasts as long: no two trials take the same time."""
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
    """At most `most_points` samples of `series`: the first, the last, and of each stretch its RSS low and high."""
    count = len(series.time_us)
    if count <= most_points:
        return series
    stretches = max(1, (most_points - 2) // 4)
    kept = {0, count - 1}
    for number in range(stretches):
        indices = range(number * count // stretches, (number + 1) * count // stretches)
        for column in (series.rss_bytes, series.usage_bytes):
            kept.add(min(indices, key=column.__getitem__))
            kept.add(max(indices, key=column.__getitem__))
    return series.only(sorted(kept))


SPARKLINE_STEPS = 10
CHART_STEPS = 60
_BLOCKS = "▁▂▃▄▅▆▇█"
_GONE = "·"
_FURTHEST_LINE = 1.6
"""A line is drawn where it is no more than this many times as high as the curves: else they would be flat."""
_BASE, _HEAD, _BUDGET, _LIMIT = ("⚪", "#8c959f"), ("🔵", "#218bff"), ("🟠", "#e16f24"), ("🔴", "#fa4549")
_WIDTH, _HEIGHT = 820, 300


def sparkline(values: Sequence[int], highest: int) -> str:
    """A character a step, where `highest` is the tallest; dots once the container is gone. Empty without values."""
    blocks = (_BLOCKS[min(value * len(_BLOCKS) // max(highest, 1), len(_BLOCKS) - 1)] for value in values)
    return "".join(blocks).ljust(SPARKLINE_STEPS, _GONE) if values else ""


@dataclass(frozen=True, slots=True)
class Chart:
    """Base and head over time, with the lines that they must not cross."""

    timeline: Timeline
    budget_bytes: int | None
    """Of peak RSS, where the tightest of its budgets breaks."""
    limit_bytes: int

    def as_mermaid(self) -> str:
        """The chart's source: figures alone, nothing in it that others wrote."""
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
        """Which line is which; a bound that is too far away to be drawn is named."""
        named = [(self.timeline.base, _BASE, "base"), (self.timeline.head, _HEAD, "head")]
        parts = [f"{sign} {name}" for values, (sign, _), name in named if values]
        for bound, (sign, _), name in self._bounds():
            words = f"{name} {format_size(bound)}"
            parts.append(f"{sign} {words}" if self._is_near(bound) else f"{words} (off the chart)")
        return " · ".join(parts)

    def _bounds(self) -> list[tuple[int, tuple[str, str], str]]:
        budget = [(self.budget_bytes, _BUDGET, "budget")] if self.budget_bytes is not None else []
        return [*budget, (self.limit_bytes, _LIMIT, "limit")]

    def _is_near(self, bound: int) -> bool:
        return bound <= _FURTHEST_LINE * self.timeline.highest_bytes

    def _unit(self) -> tuple[str, int]:
        highest = self.timeline.highest_bytes
        return ("GiB", GIB) if highest >= GIB else ("MiB", MIB) if highest >= MIB else ("KiB", KIB)


def _padded(values: Sequence[int]) -> list[int]:
    """As long as the whole chart: a container that is gone holds nothing."""
    return [*values, *[0] * (CHART_STEPS - len(values))]
