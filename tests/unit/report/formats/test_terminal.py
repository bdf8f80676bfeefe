import io
from collections import Counter

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType

from membudget.core.metrics import Metric, MetricValue
from membudget.measure.trial import Outcome
from membudget.report.formats import measure_report, terminal
from membudget.report.formats.measure_report import MeasureReport
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
def test_what_a_developer_reads(name: str) -> None:
    made = SHOWN[name]()
    assert_golden(f"terminal-{name}.txt", printed(terminal.render(made.judged())))


@pytest.mark.thorough
def test_a_narrow_terminal_breaks_cells_where_they_read_well() -> None:
    made = everything()
    assert_golden("terminal-narrow.txt", printed(terminal.render(made.judged()), 100))


@pytest.mark.thorough
def test_no_width_costs_a_figure_or_a_status() -> None:
    made = everything()
    content = terminal.render(made.judged())
    whole = printed(content, 1000)
    for width in (60, 80, 100, 120, 160):
        text = printed(content, width)
        assert max(map(cell_len, text.splitlines())) <= width
        assert Counter("".join(text.split()).replace(",", "")) == Counter("".join(whole.split()).replace(",", ""))


def test_a_status_has_its_colour_and_no_other_cell_has_it() -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=160, force_terminal=True, color_system="standard")
    console.print(terminal.render(everything().judged()))
    row = next(line for line in stream.getvalue().splitlines() if "≤ 64.0 MiB" in line)
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
    text = printed(terminal.render(made.judged()), 1000)
    assert "image size was not measured: sss" in text
    assert "; peak RSS was not measured: rrr" in text


@pytest.mark.thorough
def test_what_measure_prints() -> None:
    trials = (
        trial(40),
        trial(44),
        trial(12, outcome=Outcome.WORKLOAD_FAILED, reason="exited\x1b[31m with 1", log=("a", "b")),
    )
    measured = MeasureReport(
        image="shop/api:1.2",
        image_id="sha256:" + "a" * 64,
        limit_bytes=64 << 20,
        environment=report().environment,
        metrics={
            Metric.IMAGE_SIZE: MetricValue.absent(Metric.IMAGE_SIZE, "its export is damaged"),
            **{metric: trials[0].metrics[metric] for metric in trials[0].metrics},
        },
        trials=trials,
    )
    assert_golden("measure.txt", printed(measure_report.render(measured)))


@pytest.mark.thorough
def test_the_terminal_is_not_commanded() -> None:
    made = said_by_others(["\x1b]0;title\x07\x1b[2J\u202e\x9b31m[bold]not markup[/bold]\rx"] * 5)
    text = printed(terminal.render(made.judged()))
    assert all(character.isprintable() or character == "\n" for character in text)
    assert text.count("[bold]not markup[/bold]") >= 8
    assert "title" not in text
