import io

import pytest
from rich.console import Console, RenderableType

from membudget.metrics import Metric, MetricValue
from membudget.report import measure_report, terminal
from membudget.report.measure_report import MeasureReport
from membudget.trials.trial import Outcome
from tests.support.builders import report, trial
from tests.support.golden import assert_golden
from tests.unit.report.reports import REPORTS, no_base


def printed(content: RenderableType, width: int = 160) -> str:
    """As in a log: no colours."""
    stream = io.StringIO()
    Console(file=stream, width=width).print(content)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize("name", REPORTS)
def test_what_a_developer_reads(name: str) -> None:
    made = REPORTS[name]()
    assert_golden(f"terminal-{name}.txt", printed(terminal.render(made, made.judged())))


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


def test_the_terminal_is_not_commanded() -> None:
    made = no_base().model_copy(update={"notes": ("\x1b]0;title\x07\x1b[2J[bold]not markup[/bold]",)})
    text = printed(terminal.render(made, made.judged()))
    assert "\x1b" not in text
    assert "[bold]not markup[/bold]" in text
