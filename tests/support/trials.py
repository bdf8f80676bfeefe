"""Trials through the library, as `measure` and `check` run them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from membudget.budgets.workload import CommandWorkload, HttpWorkload, Workload
from membudget.budgets.workload_parts import HttpRequests, Readiness
from membudget.build.docker_images import inspect
from membudget.core.quantities import MIB
from membudget.engine.cgroups import memory_root
from membudget.engine.cleanup import cleaned_up
from membudget.engine.compose import Compose
from membudget.engine.connection import Engine
from membudget.engine.containers import Containers
from membudget.engine.helper import SubprocessHelper
from membudget.engine.run_id import own_run_id
from membudget.measure.equipment import MeasuringOptions, measuring, sandbox_image
from membudget.measure.pod.pod import PodTools
from membudget.measure.probe.client import CgroupProbe
from membudget.measure.runner import RunnerSettings, TrialRunner
from membudget.measure.schedule import TrialLedger
from membudget.measure.trial import Trial, TrialInputs, TrialSpec
from membudget.measure.workload.service import HostDrivers
from membudget.version import VERSION

NO_INPUTS = TrialInputs()


class Runner(Protocol):
    """What runs a trial."""

    def run(self, spec: TrialSpec) -> Trial:
        """Run it."""


@dataclass(frozen=True, slots=True)
class Trials:
    """Runs trials of images by name."""

    engine: Engine
    runner: Runner
    place: str
    """Where samples are taken from, in words."""
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
        inputs: TrialInputs = NO_INPUTS,
        unjudged: frozenset[str] = frozenset(),
        only_outcome: bool = False,
        asks_live_heap: bool = False,
    ) -> Trial:
        """One trial."""
        image_id = inspect(self.engine, image).image_id
        limit_bytes = limit_mib * MIB if limit_mib is not None else None
        spec = TrialSpec(image, image_id, limit_bytes, timeout_ms, workload, settle_ms, inputs, unjudged)
        spec = replace(spec, only_outcome=only_outcome, asks_live_heap=asks_live_heap)
        return self.runner.run(spec)


@contextmanager
def trials(engine: Engine, options: MeasuringOptions | None = None) -> Iterator[Trials]:
    """Trials from a place of choice."""
    warnings: list[str] = []
    with measuring(engine, own_run_id(), options or MeasuringOptions(VERSION), warnings.append) as pool:
        yield Trials(engine, pool, pool.place, warnings)


@contextmanager
def trials_at(engine: Engine, settings: RunnerSettings) -> Iterator[Trials]:
    """Trials at rates of choice, from this machine's own cgroup files."""
    info, warnings = engine.info, list[str]()
    containers = Containers(engine, own_run_id())
    with cleaned_up(engine, containers, None, warnings.append):
        helper = SubprocessHelper("membudget.measure.probe.process")
        probe = CgroupProbe(helper, "host", memory_root(info.cgroup_version), info.cgroup_version)
        drivers = HostDrivers()
        try:
            image = partial(sandbox_image, engine, containers)
            pods = PodTools(Compose(engine.address), lambda _: probe, drivers, image)
            runner = _Numbered(TrialRunner(containers, info, probe, drivers, pods, settings=settings), TrialLedger())
            yield Trials(engine, runner, probe.place, warnings)
        finally:
            drivers.close()
            probe.close()


@dataclass(frozen=True, slots=True)
class _Numbered:
    runner: TrialRunner
    ledger: TrialLedger

    def run(self, spec: TrialSpec) -> Trial:
        return self.runner.run(spec, self.ledger)


def command(*words: object) -> CommandWorkload:
    """A one-shot command."""
    return CommandWorkload(command=tuple(map(str, words)))


def http(*groups: HttpRequests, ready: Readiness | None = None) -> HttpWorkload:
    """Requests to the service; twenty simple ones by default."""
    return HttpWorkload(kind="http", port=8080, requests=groups or (HttpRequests(path="/", count=20),), ready=ready)
