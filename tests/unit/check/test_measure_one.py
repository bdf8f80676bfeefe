import pytest

from membudget.budgets.workload import CommandWorkload
from membudget.check import measure_one
from membudget.core.errors import EnvironmentFault
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.measure.trial import Outcome, Trial, TrialSpec
from tests.fakes.measuring_tools import FakeTools
from tests.support.builders import trial
from tests.support.silence import Silence

SPEC = TrialSpec("api", "api", 64 * MIB, 1000, CommandWorkload())


def test_a_warm_up_is_discarded_and_the_median_counts() -> None:
    tools = FakeTools()
    figures = iter([500, 40, 44, 42])
    tools.trials["api"] = lambda: trial(next(figures))
    made = measure_one.run(SPEC, "shop/api", 3, tools, Silence())
    assert [one.metrics[Metric.PEAK_RSS].value for one in made.trials] == [40 * MIB, 44 * MIB, 42 * MIB]
    assert made.metrics[Metric.PEAK_RSS].value == 42 * MIB
    assert made.metrics[Metric.IMAGE_SIZE].value == 100 * MIB
    assert (made.image, made.limit_bytes) == ("shop/api", 64 * MIB)


def test_a_failed_warm_up_ends_it_and_is_shown() -> None:
    tools = FakeTools()
    tools.trials["api"] = lambda: trial(90, outcome=Outcome.TIMED_OUT, reason="still running after 1.0 s")
    made = measure_one.run(SPEC, "api", 3, tools, Silence())
    assert len(made.trials) == 1
    assert made.judgeable_trials == ()
    assert made.metrics[Metric.PEAK_RSS].reason == "no trial completed: still running after 1.0 s"


def test_what_was_measured_before_a_failure_counts() -> None:
    outcomes = iter([trial(40), trial(41), trial(90, outcome=Outcome.WORKLOAD_FAILED, reason="exit code 1")])
    tools = FakeTools()
    tools.trials["api"] = lambda: next(outcomes)
    made = measure_one.run(SPEC, "api", 3, tools, Silence())
    assert len(made.trials) == 2
    assert made.metrics[Metric.PEAK_RSS].value == 41 * MIB


def test_oom_kills_are_a_result() -> None:
    tools = FakeTools()
    tools.trials["api"] = lambda: trial(63, oom_kills=2)
    made = measure_one.run(SPEC, "api", 2, tools, Silence())
    assert made.metrics[Metric.OOM_KILLS].value == 2
    assert len(made.judgeable_trials) == 2


def test_a_kill_in_the_warm_up_alone_is_counted() -> None:
    tools = FakeTools()
    figures = iter([trial(63, oom_kills=1), trial(40), trial(42)])
    tools.trials["api"] = lambda: next(figures)
    made = measure_one.run(SPEC, "api", 2, tools, Silence())
    assert made.metrics[Metric.OOM_KILLS].value == 1
    assert len(made.trials) == 1 + 2


def test_an_engine_that_is_lost_ends_it_with_its_own_message() -> None:
    def lost() -> Trial:
        raise EnvironmentFault("the engine does not answer")

    tools = FakeTools()
    tools.trials["api"] = lost
    with pytest.raises(EnvironmentFault, match="the engine does not answer"):
        measure_one.run(SPEC, "api", 3, tools, Silence())


def test_a_size_that_cannot_be_read_costs_the_size_alone() -> None:
    tools = FakeTools()
    tools.sizes_fail = True
    made = measure_one.run(SPEC, "api", 1, tools, Silence())
    assert made.metrics[Metric.IMAGE_SIZE].reason == "its export is damaged"
    assert isinstance(made.trials[0], Trial)
