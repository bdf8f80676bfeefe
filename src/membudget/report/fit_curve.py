"""A fit's curve: what each limit that was tried cost. As a table, as bars, and as a chart of limit against CPU time.

A workload in little memory pays for it with CPU time: a runtime collects garbage more often, and the kernel reads pages
again. On the chart, this is the knee: the line rises towards the smallest limit that works. Below that limit, it is 0.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from membudget.core.quantities import MIB, format_latency, format_percent, format_size
from membudget.core.untrusted_text import Part
from membudget.judge.fitted import FittedImage, FittedRung

_COLUMNS = ("limit", "trials", "peak RSS", "CPU time", "requests/s", "p50", "p95", "p99", "refaults", "stalled")
_ALWAYS = frozenset({"limit", "trials", "peak RSS", "CPU time"})
"""The columns that are shown even if they are empty."""
_BAR = 30
_STEPS = 60
_CPU, _LATENCY = ("🔵", "#218bff"), ("🟠", "#e16f24")
_WIDTH, _HEIGHT = 820, 300
_ROOM_ABOVE = 1.05
_FURTHEST = 2
"""The chart goes up to this many times the largest answer."""

Table = tuple[tuple[str, ...], tuple[tuple[Part, ...], ...]]
"""Headings, and rows of as many cells."""


def rung_table(image: FittedImage) -> Table:
    """Return the limits that were tried, without columns that say nothing. No cell contains text from outside."""
    rows = [_cells(image, rung) for rung in image.rungs]
    kept = [number for number, heading in enumerate(_COLUMNS) if heading in _ALWAYS or any(row[number] for row in rows)]
    return tuple(_COLUMNS[number] for number in kept), tuple(tuple(row[number] for number in kept) for row in rows)


def _cells(image: FittedImage, rung: FittedRung) -> list[str]:
    return [
        limit_words(rung),
        outcome_words(rung) + _mark(image, rung),
        _size(rung.peak_rss_bytes),
        _time(rung.cpu_ms),
        f"{rung.requests_per_second:,.0f}" if rung.requests_per_second is not None else "",
        *(_latency(one) for one in (rung.p50_us, rung.p95_us, rung.p99_us)),
        _size(rung.refaulted_bytes),
        _stalled(rung),
    ]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A limit that was tried, with its costs in percent of those without a limit."""

    limit_bytes: int
    works: bool
    """Whether every trial passed."""
    cpu_percent: float | None
    latency_percent: float | None
    """Of p95 latency. None without requests, or if no trial passed."""


@dataclass(frozen=True, slots=True)
class Curve:
    """The limits that were tried, on one scale."""

    points: tuple[CurvePoint, ...]
    """From the smallest limit to the largest."""
    image: FittedImage

    @property
    def marks(self) -> tuple[tuple[int, str], ...]:
        """The answers: a limit, and what is said of it."""
        return _marks(self.image)

    @property
    def legend(self) -> str:
        """Return in words which line is which."""
        lines = [f"{sign} {name}" for _, (sign, _), name in self._lines()]
        marks = [f"{words} at {format_size(limit)}" for limit, words in self.marks]
        return " · ".join([*lines, "0: it does not pass", *marks])

    def as_mermaid(self) -> str:
        """Return the source of the chart. It contains only figures and membudget's own words."""
        first, last = self.points[0].limit_bytes, self._last_drawn()
        places = [first + (last - first) * step // _STEPS for step in range(_STEPS + 1)]
        lines = [([_at(values, place, (last - first) // (2 * _STEPS)) for place in places], colour)
                 for values, (_, colour), _ in self._lines()]  # fmt: skip
        highest = max(max(values) for values, _ in lines)
        return "\n".join(
            [
                "---",
                "config:",
                f"  xyChart: {{width: {_WIDTH}, height: {_HEIGHT}}}",
                f'  themeVariables: {{xyChart: {{plotColorPalette: "{", ".join(colour for _, colour in lines)}"}}}}',
                "---",
                "xychart-beta",
                f'  x-axis "limit in MiB" {first / MIB:.2f} --> {last / MIB:.2f}',
                f'  y-axis "% of a run without a limit" 0 --> {_ROOM_ABOVE * highest:.0f}',
                *(f"  line [{', '.join(map(_short, values))}]" for values, _ in lines),
            ]
        )

    def _last_drawn(self) -> int:
        """Return the limit up to which the chart goes. A fit doubles limits, and the knee would have no room."""
        limits = [point.limit_bytes for point in self.points]
        if not self.marks:
            return limits[-1]
        near = [limit for limit in limits if limit <= _FURTHEST * self.marks[-1][0]]
        return near[-1] if len(near) > 1 else limits[-1]

    def as_bars(self) -> list[str]:
        """Return the CPU time at each limit in lines, for a terminal."""
        rungs = self.image.rungs
        longest = max(rung.cpu_ms or 0 for rung in rungs)
        width = max(len(limit_words(rung)) for rung in rungs)
        lines = ["CPU time by limit"]
        for rung in rungs:
            if rung.cpu_ms is None:
                lines.append(f"{limit_words(rung):>{width}}  ✗ {outcome_words(rung)}")
                continue
            bar = "█" * max(1, round(_BAR * rung.cpu_ms / longest))
            lines.append(f"{limit_words(rung):>{width}}  {bar:<{_BAR}} {_time(rung.cpu_ms)}{_mark(self.image, rung)}")
        return lines

    def _lines(self) -> list[tuple[list[tuple[int, float | None]], tuple[str, str], str]]:
        """Return limits and values, the colour, and the name of each line that has values."""
        cpu = [(point.limit_bytes, point.cpu_percent if point.works else None) for point in self.points]
        latency = [(point.limit_bytes, point.latency_percent if point.works else None) for point in self.points]
        named = [(cpu, _CPU, "CPU time"), (latency, _LATENCY, "p95 latency")]
        return [line for line in named if any(value is not None for _, value in line[0])]


def curve(image: FittedImage) -> Curve | None:
    """Return the curve of an image. None if fewer than two limits can be compared with trials without one."""
    free = next((rung for rung in image.rungs if rung.limit_bytes is None), None)
    if free is None or not free.cpu_ms:
        return None
    points = [
        CurvePoint(rung.limit_bytes, rung.works, _percent(rung.cpu_ms, free.cpu_ms), _percent(rung.p95_us, free.p95_us))
        for rung in image.rungs
        if rung.limit_bytes is not None
    ]
    comparable = {point.limit_bytes for point in points if point.works and point.cpu_percent is not None}
    if len(comparable) < 2 or [point.limit_bytes for point in points] != sorted(point.limit_bytes for point in points):
        return None  # a stranger may have written it in another order
    return Curve(tuple(points), image)


def _percent(at_limit: int | None, free: int | None) -> float | None:
    return 100 * at_limit / free if at_limit is not None and free else None


def _at(values: Sequence[tuple[int, float | None]], limit_bytes: int, reach_bytes: int) -> float:
    """Return the value of the limit that was tried within reach, else one between its neighbours.

    0 if the limit, or a neighbour, does not work.
    """
    limit, value = min(values, key=lambda one: abs(one[0] - limit_bytes))
    if abs(limit - limit_bytes) <= reach_bytes:
        return value or 0.0
    limits = [limit for limit, _ in values]
    above = bisect_left(limits, limit_bytes)
    high, after = values[above]
    low, before = values[above - 1]
    if before is None or after is None:
        return 0.0
    return before + (after - before) * (limit_bytes - low) / (high - low)


def _short(percent: float) -> str:
    return f"{percent:.1f}".removesuffix(".0")


def _marks(image: FittedImage) -> tuple[tuple[int, str], ...]:
    if image.survives_bytes is None:
        return ()
    if image.comfortable_bytes == image.survives_bytes:
        return ((image.survives_bytes, "survives and comfortable"),)
    comfortable = [(image.comfortable_bytes, "comfortable")] if image.comfortable_bytes is not None else []
    return ((image.survives_bytes, "survives"), *comfortable)


def _mark(image: FittedImage, rung: FittedRung) -> str:
    return next((f" ← {words}" for limit, words in _marks(image) if limit == rung.limit_bytes), "")


def limit_words(rung: FittedRung) -> str:
    """Return a limit in words."""
    return format_size(rung.limit_bytes) if rung.limit_bytes is not None else "no limit"


def outcome_words(rung: FittedRung) -> str:
    """Return how many trials ended how."""
    if rung.works:
        return f"{rung.passed} passed"
    failed = rung.trials - rung.passed - rung.killed
    counts = ((rung.passed, "passed"), (rung.killed, "OOM-killed"), (failed, "failed"))
    return ", ".join(f"{count} {what}" for count, what in counts if count)


def _size(size_bytes: int | None) -> str:
    return format_size(size_bytes) if size_bytes is not None else ""


def _time(duration_ms: int | None) -> str:
    """Return a time with enough digits to see a difference of 5 %."""
    if duration_ms is None:
        return ""
    return f"{duration_ms} ms" if duration_ms < 1000 else f"{duration_ms / 1000:,.2f} s"


def _stalled(rung: FittedRung) -> str:
    """Return how long processes waited for memory, and the share of the trial, which is compared with `fit.stalled`."""
    share = f" ({format_percent(rung.stalled_percent)})" if rung.stalled_ms and rung.stalled_percent is not None else ""
    return f"{_time(rung.stalled_ms)}{share}"


def _latency(latency_us: int | None) -> str:
    return format_latency(latency_us) if latency_us is not None else ""
