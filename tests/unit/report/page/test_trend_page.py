"""What the trend page is made of; tests/browser looks at what a browser makes of it."""

import re
from dataclasses import replace

import pytest

from membudget.core.metrics import Metric
from membudget.history.series import MetricSeries
from membudget.report.page.document import asset
from membudget.report.page.trend_page import Trends, render
from tests.support.trends import commits, hostile_trends, trends
from tests.unit.report.page.test_page import HARMLESS, Elements, data


def test_an_image_has_its_peak_rss_first_and_every_commit_is_named() -> None:
    shown = data(render(trends(images=2, count=30)))
    assert [image["name"] for image in shown["images"]] == ["api", "worker"]
    assert [one["label"] for one in shown["images"][0]["metrics"]] == ["peak RSS", "image size"]
    assert len(shown["commits"]) == len(shown["times"]) == 30
    assert shown["title"] == "shop: 2 images over 30 commits"
    assert shown["commitPages"] == "https://github.com/octo/shop/commit/"
    assert shown["releases"] == [[10, "v1.0"]]


def test_a_history_without_figures_has_a_page() -> None:
    shown = data(render(Trends("shop", commits(3), ())))
    assert (shown["title"], shown["images"]) == ("shop: the history has no figures yet", [])
    assert data(render(Trends("shop", (), ())))["commits"] == []


def test_too_many_figures_leave_out_the_oldest_commits_and_the_page_says_so() -> None:
    made = trends(images=2, count=50)
    shown = data(render(made, most_points=4 * 20))
    assert len(shown["commits"]) == 20
    assert shown["commits"][-1][0] == made.commits[-1].sha
    assert shown["remarks"] == [["The page shows the newest 20 of 50 commits."]]
    assert {len(one["values"]) for image in shown["images"] for one in image["metrics"]} == {20}
    assert data(render(made, most_points=0))["images"] == []


@pytest.mark.thorough
def test_fifty_images_and_two_thousand_commits_are_a_few_megabytes() -> None:
    made = trends(images=5, count=2_000)
    tenfold = [replace(one, image=f"{one.image}-{number}") for number in range(10) for one in made.series]
    assert len(render(replace(made, series=tenfold)).encode()) < 5_000_000


def test_hostile_texts_are_text_in_a_block_that_no_browser_runs() -> None:
    page = render(hostile_trends())
    assert [tag for tag, _, _ in Elements(page).found] == HARMLESS
    block = page[page.index('id="data">') : page.index("</script>", page.index('id="data">'))]
    assert not {"<", "&", "\u202e", "\u2028"} & set(block.removeprefix('id="data">'))
    assert "##[" not in page


def test_only_an_address_of_the_web_is_ever_a_link() -> None:
    scripts = "".join(asset(name) for name in ("trend.js", "trend_chart.js", "trend_series.js", "trend_drawing.js"))
    assert re.findall(r"href: ([^,}]+)", scripts) == ["data.commitPages + sha"]
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function", scripts)


def test_the_scripts_read_what_the_page_has() -> None:
    scripts = "".join(asset(name) for name in ("trend.js", "trend_chart.js", "trend_series.js", "trend_drawing.js"))
    shown = data(render(trends()))
    assert set(re.findall(r"\bdata\.(\w+)", scripts)) <= set(shown)
    assert set(re.findall(r"\bimage\.(\w+)", scripts)) <= set(shown["images"][0])
    assert set(re.findall(r"\bseries\.(\w+)", scripts)) <= set(shown["images"][0]["metrics"][0]) | {"decoded"}


def test_series_of_no_commit_of_the_branch_are_left_out() -> None:
    made = trends(images=1, count=5)
    assert data(render(replace(made, series=[MetricSeries("gone", Metric.PEAK_RSS, made.series[1].points)])))["images"]
