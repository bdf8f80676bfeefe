import io
from collections import Counter

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType

from membudget.budgets.loosening import Approval, Loosening
from membudget.core.metrics import Metric, MetricValue
from membudget.judge.measurement import Failure, FailureStage
from membudget.report.formats import terminal
from membudget.report.formats.terminal import Detail
from tests.support.builders import budgets, image, report, side, trial
from tests.support.golden import assert_golden
from tests.unit.report.outcomes import OUTCOMES
from tests.unit.report.reports import REPORTS, everything, said_by_others

SHOWN = {**REPORTS, **OUTCOMES}


def printed(content: RenderableType, width: int = 160) -> str:
    """As in a log: no colours."""
    stream = io.StringIO()
    Console(file=stream, width=width).print(content)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


@pytest.mark.thorough
@pytest.mark.parametrize("name", SHOWN)
def test_what_a_developer_reads_in_short(name: str) -> None:
    made = SHOWN[name]()
    assert_golden(f"terminal-short-{name}.txt", printed(terminal.render(made.judged(), Detail.SHORT)))


@pytest.mark.thorough
@pytest.mark.parametrize("name", SHOWN)
def test_what_a_developer_reads_in_full(name: str) -> None:
    made = SHOWN[name]()
    assert_golden(f"terminal-{name}.txt", printed(terminal.render(made.judged(), Detail.FULL)))


@pytest.mark.thorough
def test_quiet_is_one_line_whatever_the_verdict_is() -> None:
    shown = {name: printed(terminal.render(made().judged(), Detail.QUIET), 400) for name, made in SHOWN.items()}
    assert {name: text.count("\n") for name, text in shown.items()} == dict.fromkeys(shown, 1)
    assert_golden("terminal-quiet.txt", "".join(shown.values()))


def test_a_check_that_passes_takes_three_lines() -> None:
    lines = printed(terminal.render(SHOWN["all-pass"]().judged(), Detail.SHORT)).splitlines()
    assert lines == [
        "✅ both images within budget; largest change: api peak RSS -1.0 MiB (-2.5%)",
        "",
        "2 figures within budget, 18 without a budget: membudget report -v",
    ]


def test_the_short_form_says_where_the_rest_is() -> None:
    result = SHOWN["all-pass"]().judged()
    assert printed(terminal.render(result, Detail.SHORT, "below")).endswith(", 18 without a budget: below\n")
    assert "below" not in printed(terminal.render(result, Detail.FULL, "below"))


def test_the_short_form_has_the_end_of_a_long_log() -> None:
    failed = Failure(FailureStage.BUILD, "exit code 1", tuple(f"line {number}" for number in range(1, 41)))
    broken = image("web", base=side(trial(40)), head=side(failure=failed, size=None), allowed=budgets(max_rss=64))
    result = report(broken).judged()
    short = printed(terminal.render(result, Detail.SHORT))
    assert "│ line 31\n" in short
    assert "│ line 30\n" not in short
    assert "│ line 1\n" in printed(terminal.render(result, Detail.FULL))


def test_a_loosened_budget_is_shown_in_short_before_anybody_asked_for_approval() -> None:
    loosening = Loosening("api", is_group=False, key="budgets.peak_rss.max", before="40.0 MiB", after="50.0 MiB")
    made = report(image("api", base=side(trial(40)), head=side(trial(40)), allowed=budgets(max_rss=64)))
    result = made.model_copy(update={"loosened": (loosening,), "approval": Approval.NOT_ASKED}).judged()
    assert "budgets.peak_rss.max" in printed(terminal.render(result, Detail.SHORT))


@pytest.mark.thorough
def test_a_narrow_terminal_breaks_cells_where_they_read_well() -> None:
    made = everything()
    assert_golden("terminal-narrow.txt", printed(terminal.render(made.judged(), Detail.FULL), 100))


@pytest.mark.thorough
def test_no_width_costs_a_figure_or_a_status() -> None:
    made = everything()
    content = terminal.render(made.judged(), Detail.FULL)
    whole = printed(content, 1000)
    for width in (60, 80, 100, 120, 160):
        text = printed(content, width)
        assert max(map(cell_len, text.splitlines())) <= width
        assert Counter("".join(text.split()).replace(",", "")) == Counter("".join(whole.split()).replace(",", ""))


@pytest.mark.thorough
def test_a_status_has_its_colour_and_no_other_cell_has_it() -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=160, force_terminal=True, color_system="standard")
    console.print(terminal.render(everything().judged(), Detail.SHORT))
    row = next(line for line in stream.getvalue().splitlines() if "max 64.0 MiB" in line and "40.0 MiB" in line)
    assert row.startswith("\x1b[1;31m❌ over budget\x1b[0m  ")
    assert "  \x1b[1mapi\x1b[0m  " in row
    assert row.count("\x1b[") == 4


@pytest.mark.thorough
def test_each_reason_is_cut_for_itself() -> None:
    missing = MetricValue.absent(Metric.PEAK_RSS, "r" * 400)
    measured = image("api", base=side(trial(40)), head=side(trial(40)), allowed=budgets(max_rss=64, max_size=50))
    assert measured.head is not None
    measured.head.metrics[Metric.IMAGE_SIZE] = MetricValue.absent(Metric.IMAGE_SIZE, "s" * 400)
    measured.head.metrics[Metric.PEAK_RSS] = missing
    made = report(measured)
    text = printed(terminal.render(made.judged(), Detail.SHORT), 1000)
    assert "image size was not measured: sss" in text
    assert "; peak RSS was not measured: rrr" in text


@pytest.mark.thorough
def test_the_terminal_is_not_commanded() -> None:
    made = said_by_others(["\x1b]0;title\x07\x1b[2J\u202e\x9b31m[bold]not markup[/bold]\rx"] * 5)
    text = printed(terminal.render(made.judged(), Detail.FULL))
    assert all(character.isprintable() or character == "\n" for character in text)
    assert text.count("[bold]not markup[/bold]") >= 8
    assert "title" not in text
