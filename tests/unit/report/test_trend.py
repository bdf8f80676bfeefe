"""The row of small bars that shows the last values of main."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.judge.measurement import MOST_RECENT, ImageMeasurement
from membudget.report.formats import markdown
from membudget.report.report import Report
from membudget.report.timeline import BLOCKS
from membudget.report.trend import bars_of, trend_section
from tests.support.builders import budgets, image, report, side, trial

ALLOWED = budgets(max_rss=200, rss_growth=(5, 2))


def grown(name: str, *before: float, head: float = 60, metric: Metric = Metric.PEAK_RSS) -> ImageMeasurement:
    made = image(name, base=side(trial(60)), head=side(trial(head)), allowed=ALLOWED)
    return replace(made, recent={metric: tuple(round(value * MIB) for value in before)})


def said(made: Report) -> list[str]:
    section = trend_section(made.judged())
    return [item.finding.as_text() for block in section.blocks for item in block.elements]  # type: ignore[union-attr]


def test_the_last_values_of_main_and_this_commit_are_shown() -> None:
    assert said(report(grown("api", 40, 41, 48, 55))) == [
        "api: peak RSS ▁▁▄▇█ 40.0 MiB to 55.0 MiB on main, now 60.0 MiB"
    ]


def test_noise_is_flat_and_in_the_middle() -> None:
    assert bars_of([1000, 1010, 1000, 1010]) == "▅▅▅▅"
    assert bars_of([0, 0, 0]) == "▁▁▁"


def test_without_a_history_or_with_too_little_nothing_is_shown() -> None:
    assert said(report(grown("api"))) == []
    assert said(report(grown("api", 40, 41))) == []
    assert "Trend" not in markdown.render(report(grown("api", 40, 41)).judged())


def test_an_image_without_trials_shows_its_size() -> None:
    made = image("api", base=side(size=100), head=side(size=100), allowed=ALLOWED)
    made = replace(made, recent={Metric.IMAGE_SIZE: (90 * MIB,) * 3})
    assert said(report(made)) == ["api: image size ▃▃▃▇ 90.0 MiB on main, now 100.0 MiB"]


def test_an_unchanged_image_has_no_trend() -> None:
    assert said(report(replace(grown("api", 40, 41, 42), is_unchanged=True))) == []


@pytest.mark.thorough
def test_up_to_three_images_are_visible_and_more_are_folded_worst_first() -> None:
    calm = [grown(f"calm-{number}", 40, 41, 42) for number in range(20)]
    text = markdown.render(report(*calm[:3]).judged())
    assert "**Trend on the main branch, with this commit as the last bar**" in text
    made = report(*calm, grown("over", 40, 41, 42, head=300))
    text = markdown.render(made.judged())
    assert "<summary>Trend on the main branch, with this commit as the last bar (20 of 21 images)</summary>" in text
    assert len(said(made)) == 20
    assert said(made)[0].startswith("over: peak RSS ")


@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=MOST_RECENT + 1))
def test_any_values_make_a_bar_each(values: list[int]) -> None:
    bars = bars_of(values)
    assert len(bars) == len(values)
    assert set(bars) <= set(BLOCKS)
    if max(values) > 2 * min(values):
        assert (bars[values.index(min(values))], bars[values.index(max(values))]) == (BLOCKS[0], BLOCKS[-1])


@pytest.mark.thorough
@pytest.mark.parametrize("values", [[1] * (MOST_RECENT + 1), [-1], [2**62 + 1], ["▁`<b>"], [0.5]])
def test_a_report_cannot_bring_other_values(values: list[object]) -> None:
    stored = TypeAdapter(ImageMeasurement)
    data = stored.dump_python(grown("api", 1, 2, 3), mode="json")
    data["recent"] = {"peak_rss": values}
    with pytest.raises(ValidationError):
        stored.validate_python(data)
