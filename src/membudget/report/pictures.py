"""Small pictures of memory over time: in characters for a cell, and as a chart that GitHub draws with Mermaid.

Mermaid's grammar: https://mermaid.js.org/syntax/xyChart. `xychart-beta` is understood since 10.5, and still by 12; it
draws no legend, so the colours are named in words.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from membudget.core.quantities import GIB, KIB, MIB, format_size
from membudget.report.timeline import Timeline

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
