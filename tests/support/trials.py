"""Trials through the library, as `measure` and `check` run them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from membudget.budgets.workload import CommandWorkload, HttpRequests, HttpWorkload, Readiness, Workload
from membudget.engine.docker_engine import Engine
from membudget.engine.proc_owner import own_run_id
from membudget.images.docker_image import inspect
from membudget.quantities import MIB
from membudget.trials.docker_measuring import MeasuringOptions, measuring
from membudget.trials.docker_pool import TrialPool
from membudget.trials.trial import Trial, TrialSpec
from membudget.version import VERSION
from tests.support.leftovers import leftovers


@dataclass(frozen=True, slots=True)
class Trials:
    """Runs trials of images by name."""

    engine: Engine
    pool: TrialPool
    warnings: list[str]
    """What membudget said meanwhile."""

    def run(
        self,
        image: str,
        workload: Workload,
        *,
        limit_mib: int | None = 128,
        timeout_ms: int = 30_000,
        settle_ms: int = 0,
    ) -> Trial:
        """One trial."""
        image_id = inspect(self.engine, image).image_id
        limit_bytes = limit_mib * MIB if limit_mib is not None else None
        return self.pool.run(TrialSpec(image, image_id, limit_bytes, timeout_ms, workload, settle_ms))


@contextmanager
def trials(engine: Engine, options: MeasuringOptions = MeasuringOptions(VERSION)) -> Iterator[Trials]:
    """Trials from a place of choice, which leave nothing behind."""
    before = leftovers(engine)
    warnings: list[str] = []
    with measuring(engine, own_run_id(), options, warnings.append) as pool:
        yield Trials(engine, pool, warnings)
    assert leftovers(engine) == before


def command(*words: object) -> CommandWorkload:
    """A one-shot command."""
    return CommandWorkload(command=tuple(map(str, words)))


def http(*groups: HttpRequests, ready: Readiness | None = None) -> HttpWorkload:
    """Requests to the service; twenty simple ones by default."""
    return HttpWorkload(kind="http", port=8080, requests=groups or (HttpRequests(path="/", count=20),), ready=ready)
