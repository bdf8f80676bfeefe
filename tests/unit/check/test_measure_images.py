from dataclasses import replace

import pytest

from membudget.budgets.workload import CommandWorkload
from membudget.check import measure_images
from membudget.core.errors import EnvironmentFault
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.measure.trial import Outcome, Trial, TrialSpec
from membudget.report.formats.measure_report import MeasureReport
from tests.fakes.measuring_tools import FakeTools
from tests.support.builders import trial
from tests.support.silence import Silence

SPEC = TrialSpec("api", "api", 64 * MIB, 1000, CommandWorkload())
OTHER = replace(SPEC, name="web", image_id="web")


def measured(tools: FakeTools, trials: int) -> MeasureReport:
    (made,) = measure_images.run([SPEC], trials, tools, Silence())
    return made


def test_a_warm_up_is_discarded_and_the_median_counts() -> None:
    tools = FakeTools()
    figures = iter([500, 40, 44, 42])
    tools.trials["api"] = lambda: trial(next(figures))
    made = measured(tools, 3)
    assert [one.metrics[Metric.PEAK_RSS].value for one in made.trials] == [40 * MIB, 44 * MIB, 42 * MIB]
    assert made.metrics[Metric.PEAK_RSS].value == 42 * MIB
    assert made.metrics[Metric.IMAGE_SIZE].value == 100 * MIB
    assert (made.image, made.limit_bytes) == ("api", 64 * MIB)


def test_a_failed_warm_up_ends_it_and_is_shown() -> None:
    tools = FakeTools()
    tools.trials["api"] = lambda: trial(90, outcome=Outcome.TIMED_OUT, reason="still running after 1.0 s")
    made = measured(tools, 3)
    assert len(made.trials) == 1
    assert made.judgeable_trials == ()
    assert made.metrics[Metric.PEAK_RSS].reason == "no trial completed: still running after 1.0 s"


def test_what_was_measured_before_a_failure_counts() -> None:
    outcomes = iter([trial(40), trial(41), trial(90, outcome=Outcome.WORKLOAD_FAILED, reason="exit code 1")])
    tools = FakeTools()
    tools.trials["api"] = lambda: next(outcomes)
    made = measured(tools, 3)
    assert len(made.trials) == 2
    assert made.metrics[Metric.PEAK_RSS].value == 41 * MIB


def test_oom_kills_are_a_result() -> None:
    tools = FakeTools()
    tools.trials["api"] = lambda: trial(63, oom_kills=2)
    made = measured(tools, 2)
    assert made.metrics[Metric.OOM_KILLS].value == 2
    assert len(made.judgeable_trials) == 2


def test_a_kill_in_the_warm_up_alone_is_counted() -> None:
    tools = FakeTools()
    figures = iter([trial(63, oom_kills=1), trial(40), trial(42)])
    tools.trials["api"] = lambda: next(figures)
    made = measured(tools, 2)
    assert made.metrics[Metric.OOM_KILLS].value == 1
    assert len(made.trials) == 1 + 2


def test_an_engine_that_is_lost_ends_it_with_its_own_message() -> None:
    def lost() -> Trial:
        raise EnvironmentFault("the engine does not answer")

    tools = FakeTools()
    tools.trials["api"] = lost
    with pytest.raises(EnvironmentFault, match="the engine does not answer"):
        measured(tools, 3)


def test_a_size_that_cannot_be_read_costs_the_size_alone() -> None:
    tools = FakeTools()
    tools.sizes_fail = True
    made = measured(tools, 1)
    assert made.metrics[Metric.IMAGE_SIZE].reason == "its export is damaged"
    assert isinstance(made.trials[0], Trial)


def test_images_take_turns() -> None:
    tools = FakeTools()
    measure_images.run([SPEC, OTHER], 2, tools, Silence())
    assert tools.done == [f"run {name}" for name in ("api", "web", "api", "web", "web", "api")]


def test_an_image_that_fails_does_not_affect_the_others() -> None:
    tools = FakeTools()
    tools.trials["api"] = lambda: trial(90, outcome=Outcome.WORKLOAD_FAILED, reason="exit code 1")
    failed, fine = measure_images.run([SPEC, OTHER], 2, tools, Silence())
    assert tools.done == ["run api", "run web", "run web", "run web"]
    assert failed.judgeable_trials == ()
    assert [one.metrics[Metric.PEAK_RSS].value for one in fine.trials] == [40 * MIB, 40 * MIB]
