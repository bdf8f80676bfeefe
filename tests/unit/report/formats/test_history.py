import json
from datetime import UTC, datetime

from rich.console import Console, RenderableType

from membudget.build.revision import MainCommit
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.history.line import HistoryLine
from membudget.history.series import MetricSeries, SeriesPoint
from membudget.report.formats.history import render_csv, render_json, render_table
from membudget.report.formats.history_chart import MOST_BARS, render_charts
from tests.support.golden import assert_golden
from tests.support.history import line

TIME_S = 1_790_000_000


def series(*mib: float, image: str = "api", metric: Metric = Metric.PEAK_RSS, budget: int | None = 64) -> MetricSeries:
    """One point per value, an hour apart."""
    return MetricSeries(
        image, metric, tuple(point(number, value, image, metric, budget) for number, value in enumerate(mib))
    )


def point(number: int, mib: float, image: str, metric: Metric, budget: int | None) -> SeriesPoint:
    commit = MainCommit(f"{number:040x}", TIME_S + 3600 * number, f"Change {number} \x1b[31m::error::")
    level = budget * MIB if budget is not None else None
    return SeriesPoint(commit, with_budget(line(commit.sha, mib, image=image, metric=metric), level))


def with_budget(made: HistoryLine, level: int | None) -> HistoryLine:
    return made.model_copy(update={"budget": level})


def shown(content: RenderableType, width: int = 140) -> str:
    console = Console(width=width, no_color=True, force_terminal=False)
    with console.capture() as captured:
        console.print(content)
    return "".join(f"{row.rstrip()}\n" for row in captured.get().splitlines())


FOUND = [series(40, 41, 60), series(100, 101, metric=Metric.IMAGE_SIZE, budget=None), series(8, image="web")]


def test_a_table_has_the_newest_commit_first() -> None:
    assert_golden("history-table.txt", shown(render_table(FOUND)))


def test_a_chart_starts_at_zero_and_shows_the_budget() -> None:
    assert_golden("history-chart.txt", shown(render_charts([series(*range(20, 60), budget=64)])))


def test_many_commits_share_bars_that_show_the_worst() -> None:
    text = shown(render_charts([series(*[10] * 249, 60, budget=None)]), 200)
    first = text.splitlines()[1]
    assert first.count("█") == 1
    assert max(map(len, text.splitlines())) < MOST_BARS + 20


def test_nothing_but_zero_has_a_chart() -> None:
    assert "web: OOM kills" in shown(render_charts([series(0, 0, image="web", metric=Metric.OOM_KILLS, budget=None)]))


def test_csv_has_the_columns_that_otava_reads() -> None:
    text = render_csv(FOUND[:2])
    assert text.splitlines() == [
        "time,commit,api.peak_rss,api.image_size",
        f"2026-09-21 14:13:20 +0000,{0:040x},41943040,104857600",
        f"2026-09-21 15:13:20 +0000,{1:040x},42991616,105906176",
        f"2026-09-21 16:13:20 +0000,{2:040x},62914560,",
    ]


def test_json_has_every_point_and_what_was_skipped() -> None:
    found = json.loads(render_json(FOUND, ["history: 1 line is damaged"]))
    assert found["skipped"] == ["history: 1 line is damaged"]
    first = found["series"][0]
    assert (first["image"], first["metric"], first["unit"]) == ("api", "peak_rss", "bytes")
    assert first["points"][0]["spread"] == [41943040 - 4096, 41943040 + 4096]
    assert "\x1b" not in first["points"][0]["subject"]


def test_commits_with_impossible_dates_are_shown_all_the_same() -> None:
    odd = [
        SeriesPoint(MainCommit("a" * 40, 10**17, "the future"), line("a" * 40)),
        SeriesPoint(MainCommit("b" * 40, -5, "long ago"), line("b" * 40)),
    ]
    found = [MetricSeries("api", Metric.PEAK_RSS, tuple(odd))]
    assert "9999-12-31" in shown(render_table(found))
    assert datetime.fromtimestamp(0, UTC).strftime("%Y-%m-%d") in render_csv(found)
