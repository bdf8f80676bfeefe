import io
from dataclasses import replace

import pytest
from rich.console import Console, RenderableType

from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.judge.values import aggregate, all_absent
from membudget.measure.trial import Outcome, Trial
from membudget.report.formats import measure_report
from membudget.report.formats.measure_report import MeasureReport
from tests.support.builders import process, report, snapshot, trial
from tests.support.golden import assert_golden


def printed(content: RenderableType) -> str:
    """As in a log: no colours."""
    stream = io.StringIO()
    Console(file=stream, width=160).print(content)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def measured(*trials: Trial, limit: int | None = 64 * MIB) -> MeasureReport:
    """What measuring gave."""
    judgeable = [one for one in trials if one.judgeable]
    return MeasureReport(
        image="shop/api:1.2",
        image_id="sha256:" + "a" * 64,
        limit_bytes=limit,
        environment=report().environment,
        metrics={
            Metric.IMAGE_SIZE: MetricValue.absent(Metric.IMAGE_SIZE, "its export is damaged"),
            **(aggregate(judgeable) if judgeable else all_absent("no trial completed")),
        },
        trials=trials,
    )


def with_workers(rss: float) -> Trial:
    """A trial in which two workers held the memory."""
    workers = [process("gunicorn", rss=rss / 2, pss=rss / 2, pid=pid) for pid in (100, 101)]
    return replace(trial(rss), snapshot=snapshot(*workers, rss=rss))


@pytest.mark.thorough
def test_what_measure_prints() -> None:
    failed = trial(12, outcome=Outcome.WORKLOAD_FAILED, reason="exited\x1b[31m with 1", log=("a", "b"))
    assert_golden("measure.txt", printed(measure_report.render(measured(with_workers(40), with_workers(44), failed))))


def test_the_end_tells_peak_limit_unused_processes_and_what_to_do_next() -> None:
    lines = printed(measure_report.render(measured(with_workers(40)))).splitlines()
    assert lines[-7:-4] == ["peak RSS  40.0 MiB", "limit     64.0 MiB", "unused    24.0 MiB (37.5%)"]
    assert lines[-4].startswith("at the peak (40.0 MiB): 2 × gunicorn")
    assert lines[-3] == ""
    assert lines[-2].startswith("Next: set a budget. `membudget init`")
    assert lines[-1].endswith('budgets.peak_rss.max = "50MiB"')


def test_peaks_that_look_the_same_are_told_once() -> None:
    assert "peak RSS  40.0 MiB (median of 2 trials)\n" in printed(measure_report.render(measured(trial(40), trial(40))))


def test_quiet_is_the_end_alone() -> None:
    made = measured(with_workers(40))
    whole, quiet = printed(measure_report.render(made)), printed(measure_report.render_quietly(made))
    assert whole.endswith(f"\n{quiet}")
    assert quiet.startswith("peak RSS  40.0 MiB\n")


def test_without_a_limit_nothing_is_called_unused() -> None:
    text = printed(measure_report.render_quietly(measured(trial(40), limit=None)))
    assert "limit     none\n" in text
    assert text.endswith('with room above the peak: limit = "65MiB", budgets.peak_rss.max = "50MiB"\n')
    assert "unused" not in text


def test_after_an_oom_kill_more_memory_is_suggested() -> None:
    text = printed(measure_report.render_quietly(measured(trial(64, oom_kills=1))))
    assert "unused    0 B (0%)" in text
    assert "--limit 128MiB" in text


def test_without_a_peak_there_is_no_end() -> None:
    failed = trial(12, outcome=Outcome.WORKLOAD_FAILED, reason="exited with 1")
    text = printed(measure_report.render(measured(failed)))
    assert "trial 1 workload failed: exited with 1" in text
    assert "Next:" not in text
