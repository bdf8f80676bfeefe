"""One failing result: every output names the same budgets, with the same figures."""

import json
import re
from collections.abc import Callable

import pytest
from rich.console import Console

from membudget.core.quantities import MIB
from membudget.judge.bounds import BoundKind
from membudget.publish.commit_state import annotations
from membudget.report.formats import judged_report, junit, markdown, openmetrics, terminal
from membudget.report.headline import verdict_line
from membudget.report.page import page
from membudget.report.report import JudgedReport
from tests.support.builders import budgets, image, report, side
from tests.unit.report.reports import trial

BASE, HEAD, MAX = 69.7, 103.1, 96
OVER = {("max", "7.1 MiB"), ("growth", "29.9 MiB")}
"""Each broken budget, and by how much."""
LINES = {("max", "96.0 MiB"), ("growth", "73.2 MiB")}
"""The same budgets as values of peak RSS."""


def failing() -> JudgedReport:
    allowed = budgets(max_rss=MAX, rss_growth=(5, 2))
    return report(image("api", base=side(trial(BASE)), head=side(trial(HEAD)), allowed=allowed)).judged()


def on_a_terminal(result: JudgedReport) -> str:
    console = Console(width=300)
    with console.capture() as captured:
        console.print(terminal.render(result))
    return captured.get()


def annotated(result: JudgedReport) -> str:
    return "\n".join(f"{one.title}: {one.message}" for one in annotations(result))


OUTPUTS: dict[str, Callable[[JudgedReport], str]] = {
    "comment": markdown.render,
    "terminal": on_a_terminal,
    "page": lambda result: page.render(result).partition('type="application/json"')[2].partition("</script>")[0],
    "JUnit": junit.render,
    "JSON": judged_report.render,
    "commit state": verdict_line,
    "annotations": annotated,
}
_SIZE = r"(?P<size>[\d.]+ [KMG]iB)"
_OVER = (
    rf"over (?P<key>[\w.]+) by {_SIZE}",
    rf"{_SIZE} over (?P<key>[\w.]+)",
    rf"{_SIZE} more than (?P<key>[\w.]+) allows",
)


def plain(text: str) -> str:
    """Without code spans, quotes of the page, and the spaces that only keep words together."""
    text = re.sub(r'",\["([^"]*)"\],"', r"\1", text)
    return text.replace("`", "").replace("\N{NO-BREAK SPACE}", " ")


def said_over(text: str) -> set[tuple[str, str]]:
    return {(found["key"], found["size"]) for pattern in _OVER for found in re.finditer(pattern, plain(text))}


@pytest.mark.parametrize("name", OUTPUTS)
def test_each_output_says_the_same_over_by(name: str) -> None:
    text = OUTPUTS[name](failing())
    said = said_over(text)
    assert said <= OVER
    assert ("max", "7.1 MiB") in said, "the budget that the headline names"
    assert "over by" not in text, "without the budget that is meant"
    if name != "commit state":
        assert said == OVER


@pytest.mark.parametrize("name", ["comment", "page"])
def test_charts_draw_the_budgets_that_the_row_names(name: str) -> None:
    text = plain(OUTPUTS[name](failing()))
    drawn = re.findall(r"[\"🟠🟡🟣] ?(max|headroom|growth) (?:up to )?([\d.]+ MiB)", text)
    assert set(drawn) == LINES
    assert "budget 73.2" not in text


def test_figures_for_programs_are_those_that_people_read() -> None:
    (row,) = (
        row for row in json.loads(judged_report.render(failing()))["images"][0]["rows"] if row["metric"] == "peak_rss"
    )
    assert {one["key"]: round(one["over_by"] / MIB, 1) for one in row["exceeded"]} == {"max": 7.1, "growth": 29.9}
    assert (row["headroom_to"], round(row["headroom"] / MIB, 1)) == ("max", -7.1)
    gauges = openmetrics.render(failing())
    (headroom,) = re.findall(r'membudget_headroom_bytes\{.*metric="peak_rss".*\} (-\d+)', gauges)
    assert int(headroom) == row["headroom"]


@pytest.mark.thorough
def test_the_change_is_the_same_wherever_it_is_told() -> None:
    for name in ("comment", "terminal", "page", "JUnit"):
        assert "33.4 MiB" in plain(OUTPUTS[name](failing())), name


def test_headroom_says_to_which_budget() -> None:
    allowed = budgets(max_rss=MAX, rss_growth=(5, 2))
    made = report(image("api", base=side(trial(69.7)), head=side(trial(70.2)), allowed=allowed)).judged()
    (row,) = (row for row in made.judgement.images[0].rows if row.nearest and row.nearest.kind is BoundKind.GROWTH)
    assert row.headroom == round(69.7 * MIB) + int(round(69.7 * MIB) * 0.05) - round(70.2 * MIB)
    assert "3.0 MiB to growth" in on_a_terminal(made)
