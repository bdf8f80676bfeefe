"""Recording: what is measured is what is written down, and a workload that fails is not."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from benchmarks.record_noise import DESCRIPTION_LABEL, FOLDER, WorkloadFailed, measured, workloads
from membudget.budgets.workload import CommandWorkload
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.measure.trial import Outcome, Trial, TrialSpec
from tests.support import builders

SPEC = TrialSpec("batch", "sha256:1", None, 1000, CommandWorkload())


@dataclass
class FakeRunner:
    """Hands out trials that were made before."""

    results: list[Trial]
    asked: list[TrialSpec] = field(default_factory=list)

    def run(self, spec: TrialSpec) -> Trial:
        self.asked.append(spec)
        return self.results.pop(0)


def runner(peaks_mib: Iterable[float]) -> FakeRunner:
    return FakeRunner([builders.trial(peak) for peak in peaks_mib])


def test_the_warm_up_is_not_recorded_and_the_others_are_in_their_order() -> None:
    running = runner([99, 40, 60, 50])
    recorded = list(measured(running, SPEC, 3))
    assert [trial.peak_rss // MIB for trial in recorded] == [40, 60, 50]
    assert running.asked == [SPEC] * 4


def test_each_figure_is_the_metric_of_its_name() -> None:
    (recorded,) = measured(runner([1, 40]), SPEC, 1)
    given = builders.trial(40).metrics
    assert recorded.model_dump() == {name: given[Metric[name.upper()]].value for name in recorded.model_dump()}


def test_a_workload_that_fails_once_is_not_recorded() -> None:
    running = runner([1, 40])
    running.results.append(
        builders.trial(40, outcome=Outcome.WORKLOAD_FAILED, reason="3 requests failed", log=("it broke",))
    )
    with pytest.raises(WorkloadFailed, match="3 requests failed\nit broke"):
        list(measured(running, SPEC, 5))


def test_every_image_says_what_it_is() -> None:
    for name, spec in workloads().items():
        assert f"LABEL {DESCRIPTION_LABEL}=" in (FOLDER / spec.build.context / "Dockerfile").read_text(), name


def test_there_are_ten_workloads_of_which_one_is_a_job() -> None:
    kinds = [spec.workload.kind for spec in workloads().values()]
    assert len(kinds) == 10
    assert kinds.count("command") == 1
