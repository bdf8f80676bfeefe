import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.history.line import HistoryLine
from membudget.history.record import MeasuredCommit, lines_of, machine_class
from membudget.judge.measurement import ImageMeasurement, OwnMeasurement
from tests.support.builders import budgets, image, side, trial

MEASURED = MeasuredCommit("a" * 40, datetime(2026, 11, 28, tzinfo=UTC), "linux/amd64 cgroup-v2 4-cpus", "0.1.0")


def lines(*images: ImageMeasurement) -> dict[Metric, HistoryLine]:
    return {line.metric: line for line in lines_of(MEASURED, images)}


def test_headlines_and_metrics_with_a_budget_are_kept_of_the_head() -> None:
    found = lines(
        image("api", base=side(trial(9)), head=side(trial(40), trial(42), trial(41)), allowed=budgets(max_rss=64))
    )
    assert set(found) == {Metric.IMAGE_SIZE, Metric.PEAK_RSS, Metric.OOM_KILLS}
    peak = found[Metric.PEAK_RSS]
    assert (peak.value, peak.samples, peak.trials) == (41 * MIB, (40 * MIB, 42 * MIB, 41 * MIB), 3)
    assert peak.budget == 64 * MIB
    assert found[Metric.IMAGE_SIZE].samples == ()
    assert all(line.agrees_with_itself for line in found.values())


def test_what_was_not_measured_is_not_kept() -> None:
    unmeasured = image("api", base=side(trial(9)), head=side(trial(None)))
    assert set(lines(unmeasured)) == {Metric.IMAGE_SIZE, Metric.OOM_KILLS}
    assert lines(replace(unmeasured, is_unchanged=True)) == {}
    assert lines(image("api", base=side(trial(9)), head=None)) == {}


def test_the_heads_own_settings_count_once_they_are_merged() -> None:
    one = image("api", base=side(trial(9)), head=side(trial(40)))
    own = OwnMeasurement(side(trial(50)), counts=True, workload="another")
    assert lines(replace(one, own=own))[Metric.PEAK_RSS].value == 50 * MIB
    assert lines(replace(one, own=replace(own, counts=False)))[Metric.PEAK_RSS].value == 40 * MIB


def test_every_line_says_how_long_its_image_took() -> None:
    one = replace(image("api", base=None, head=side(trial(40))), took_ms=61_000)
    assert {line.took_ms for line in lines(one).values()} == {61_000}


def test_a_lower_bound_stays_one() -> None:
    head = side(trial(40))
    at_least = MetricValue.of(Metric.PEAK_RSS, 40 * MIB, "lower bound", is_lower_bound=True)
    head = replace(head, metrics={**head.metrics, Metric.PEAK_RSS: at_least})
    assert lines(image("api", base=None, head=head))[Metric.PEAK_RSS].lower_bound


@pytest.mark.parametrize(("mib", "trials", "named"), [(2**43, 1, "peak_rss.value"), (40, 101, "image_size.trials")])
def test_figures_that_no_check_finds_are_named(mib: int, trials: int, named: str) -> None:
    """Of a forged report, or of one whose trials a later version allows."""
    with pytest.raises(ValueError, match=rf"^api\.{re.escape(named)}: "):
        lines(image("api", base=None, head=side(*(trial(mib) for _ in range(trials)))))


def test_the_class_of_a_machine_is_plain_text() -> None:
    assert machine_class("linux/amd64", 2, 4) == "linux/amd64 cgroup-v2 4-cpus"
    assert machine_class('a"\n\u202e' + "b" * 200, 1, 2).startswith("a-bbb")
