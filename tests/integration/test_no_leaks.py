"""Many trials in one process leave nothing: benchmarks/leaks.py runs two hundred and prints the figures."""

from docker.constants import DEFAULT_NUM_POOLS

from benchmarks.leaks import Held, held
from membudget.core.quantities import MIB
from membudget.engine.connection import Engine
from membudget.measure.equipment import MeasuringOptions
from membudget.measure.trial import Outcome
from membudget.version import VERSION
from tests.support.leftovers import leftovers, since
from tests.support.prepared_images import PreparedImages
from tests.support.trials import command, trials

TRIALS, WARM = 25, 8


def test_trials_in_one_process_leave_no_memory_descriptor_thread_container_or_cgroup(
    engine: Engine, images: PreparedImages, on_host: None
) -> None:
    before, listed = held(engine), leftovers(engine)
    seen: list[Held] = []
    with trials(engine, MeasuringOptions(VERSION)) as running:
        for _ in range(TRIALS):
            assert running.run(images.truth, command(0, 0, 1, 1, 0)).outcome is Outcome.COMPLETED
            seen.append(held(engine))

    warm, last = seen[WARM], seen[-1]
    assert last.rss_bytes - warm.rss_bytes < MIB  # a bound of 5 MiB over two hundred leaves less for so few
    assert (last.descriptors, last.threads) == (warm.descriptors, warm.threads)
    assert last.containers == warm.containers
    after = held(engine)
    assert after.threads == before.threads
    # docker's client keeps a connection for each of the addresses that it asked last
    assert after.descriptors <= before.descriptors + DEFAULT_NUM_POOLS
    assert since(listed, engine) == {}
