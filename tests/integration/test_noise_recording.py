"""Recording trials for the false-alarm bench: benchmarks/record_noise.py does it for ten images."""

from benchmarks.record_noise import record, workloads
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.engine.connection import Engine
from tests.support.prepared_images import PreparedImages


def test_trials_of_a_job_are_recorded(engine: Engine, images: PreparedImages) -> None:
    recorded = record(engine, "batch", workloads()["batch"], 2)
    assert recorded.description.startswith("a batch job")
    assert len(recorded.trials) == 2
    assert min(recorded.values(Metric.PEAK_RSS)) > 30 * MIB  # what sort alone holds
    assert min(recorded.values(Metric.CPU_SECONDS)) > 0
    assert recorded.values(Metric.SETTLED_RSS) == []
