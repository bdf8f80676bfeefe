"""Memory over time, in characters and as a chart."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.core.quantities import KIB, MIB
from membudget.judge.bounds import Bound, BoundKind
from membudget.measure.probe.messages import Series
from membudget.measure.trial import Trial
from membudget.report.timeline import CHART_STEPS, SPARKLINE_STEPS, Chart, Timeline, sparkline, timeline
from tests.support.builders import image, side, trial

LONGEST_CHART = 2_000
"""Characters: six of them are a fifth of a comment."""


def with_rss(peak: float, times: list[int], sizes: list[int]) -> Trial:
    return replace(trial(peak), series=Series(times, sizes, sizes, sizes, sizes))


def test_base_and_head_share_time_and_height() -> None:
    base = with_rss(40, [0, 500_000, 999_999], [0, 4 * MIB, 2 * MIB])
    head = with_rss(80, [0, 1_999_999], [0, 8 * MIB])
    seen = timeline(image(base=side(base), head=side(head)), 8)
    assert seen is not None
    assert seen.base == (0, 0, 4 * MIB, 2 * MIB)  # it ended at half of the time
    assert seen.head == (0,) * 7 + (8 * MIB,)
    assert seen.duration_us == 1_999_999
    assert sparkline(seen.base, seen.highest_bytes) == "▁▁▅▃······"
    assert sparkline(seen.head, seen.highest_bytes) == "▁▁▁▁▁▁▁█··"


def test_the_median_trial_is_shown() -> None:
    trials = [with_rss(peak, [0, 1000], [0, peak * MIB]) for peak in (90, 10, 40, 20, 80)]
    seen = timeline(image(head=side(*trials)), 10)
    assert seen is not None
    assert (seen.base, seen.highest_bytes) == ((), 40 * MIB)


def test_a_spike_is_as_high_as_it_was() -> None:
    sizes = [MIB] * 5000
    sizes[3210] = 900 * MIB
    seen = timeline(image(head=side(with_rss(900, list(range(5000)), sizes))), SPARKLINE_STEPS)
    assert seen is not None
    assert seen.highest_bytes == 900 * MIB
    assert sparkline(seen.head, seen.highest_bytes) == "▁▁▁▁▁▁█▁▁▁"


@pytest.mark.parametrize(
    "series",
    [
        Series(),
        Series([0], [1], [1], [1], [1]),  # no time passed
        Series([0, 1000], [0, 0], [0, 0], [0, 0], [0, 0]),
        Series([0, 1000], [1], [1], [1], [1]),
        Series([1000, 0], [1, 1], [1, 1], [1, 1], [1, 1]),
        Series([-5, 1000], [1, 1], [1, 1], [1, 1], [1, 1]),
        Series([0, 1000], [1, -1], [1, -1], [1, 1], [1, 1]),
        Series([0, 1000], [1, 1], [1, 10**400], [1, 1], [1, 1]),
    ],
)
def test_what_shows_nothing_or_cannot_be_is_not_drawn(series: Series) -> None:
    assert timeline(image(head=side(replace(trial(40), series=series))), 10) is None


budgets = st.dictionaries(
    st.sampled_from([BoundKind.MAX, BoundKind.HEADROOM, BoundKind.GROWTH]), st.integers(0, 2**45)
).map(lambda found: tuple(Bound(kind, most) for kind, most in found.items()))
sizes = st.lists(st.integers(0, 2**42), min_size=1, max_size=CHART_STEPS).map(tuple)


@pytest.mark.thorough
@given(sizes, st.just(()) | sizes, st.integers(1, 10**11), budgets, st.integers(1, 2**45))
def test_a_chart_is_short_and_has_as_many_points_in_every_curve(
    head: tuple[int, ...], base: tuple[int, ...], duration_us: int, bounds: tuple[Bound, ...], limit: int
) -> None:
    chart = Chart(Timeline(base, head, duration_us), bounds, limit)
    source = chart.as_mermaid()
    assert len(source) <= LONGEST_CHART
    lines = [line.count(",") + 1 for line in re.findall(r"line \[(.*)\]", source)]
    curves = [points for points in lines if points != 2]
    assert curves == [CHART_STEPS] * (2 if base else 1)
    palette = re.search(r'plotColorPalette: "(.*?)"', source)
    assert palette is not None
    assert palette[1].count("#") == len(lines)
    assert chart.legend.count("off the chart") + len(lines) == len(curves) + 1 + len(bounds)


def test_bounds_are_drawn_where_they_leave_room_for_the_curves() -> None:
    bounds = (Bound(BoundKind.MAX, 60 * MIB), Bound(BoundKind.GROWTH, 32 * MIB))
    chart = Chart(Timeline((30 * MIB,), (50 * MIB,), 2_000_000), bounds, 512 * MIB)
    assert chart.legend == (
        "⚪ base · 🔵 head · 🟠 max 60.0 MiB · 🟡 growth up to 32.0 MiB · limit 512.0 MiB (off the chart)"
    )
    source = chart.as_mermaid()
    assert 'x-axis "seconds" 0 --> 2.00' in source
    assert 'y-axis "RSS in MiB" 0 --> 63.00' in source
    assert source.endswith("\n  line [60.00, 60.00]\n  line [32.00, 32.00]")


def test_small_ones_are_in_kib() -> None:
    assert '"RSS in KiB" 0 --> 84.00' in Chart(Timeline((), (80 * KIB,), 1000), (), 8 * MIB).as_mermaid()
