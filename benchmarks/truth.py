"""What the benchmarks share: an engine, and containers whose memory is known (tests/support/images/truth.c)."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import base_image
from membudget.budgets.workload import CommandWorkload
from membudget.build.docker_images import inspect
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.engine.cgroups import memory_root
from membudget.engine.cleanup import cleaned_up
from membudget.engine.compose import Compose
from membudget.engine.connection import Engine, connect
from membudget.engine.containers import Containers
from membudget.engine.helper import SubprocessHelper
from membudget.engine.run_id import own_run_id
from membudget.engine.vantage import vantage_on
from membudget.measure.equipment import sandbox_image
from membudget.measure.pod.pod import PodTools
from membudget.measure.probe.client import CgroupProbe
from membudget.measure.runner import RunnerSettings, TrialRunner
from membudget.measure.schedule import TrialLedger
from membudget.measure.trial import Trial, TrialSpec
from membudget.measure.workload.service import HostDrivers
from tests.support.prepared_images import build


@dataclass(frozen=True)
class Bench:
    """An engine with the truth image in it."""

    engine: Engine
    image_id: str

    @property
    def where(self) -> str:
        """The machine, in a line."""
        info = self.engine.info
        system = f"Linux {info.kernel}, cgroup v{info.cgroup_version} ({info.cgroup_driver})"
        return f"{info.cpus} cores, {system}, engine {info.version}"

    @contextmanager
    def containers(self) -> Iterator[Containers]:
        """Containers of a run that leaves nothing behind."""
        containers = Containers(self.engine, own_run_id())
        with cleaned_up(self.engine, containers, None, print):
            yield containers

    @contextmanager
    def probe(self) -> Iterator[CgroupProbe]:
        """A probe on this machine's own cgroup files."""
        version = self.engine.info.cgroup_version
        helper = SubprocessHelper("membudget.measure.probe.process")
        probe = CgroupProbe(helper, "host", memory_root(version), version)
        try:
            yield probe
        finally:
            probe.close()

    @contextmanager
    def trials(self, rate_hz: int, highest_rate_hz: int) -> Iterator["Trials"]:
        """Trials that begin at one rate, and are repeated up to another."""
        with self.containers() as containers, self.probe() as probe:
            info = self.engine.info
            settings = RunnerSettings(rate_hz, highest_rate_hz)
            drivers = HostDrivers()
            image = partial(sandbox_image, self.engine, containers)
            pods = PodTools(Compose(self.engine.address), lambda _: probe, drivers, image)
            runner = TrialRunner(containers, info, probe, drivers, pods, settings=settings)
            yield Trials(runner, self.image_id, TrialLedger())


@dataclass(frozen=True)
class Trials:
    """Runs truth's command lines."""

    runner: TrialRunner
    image_id: str
    ledger: TrialLedger

    def run(self, *arguments: int | str, limit_mib: int | None = None) -> Trial:
        """One trial of `truth ARGUMENTS`."""
        workload = CommandWorkload(command=tuple(map(str, arguments)))
        limit_bytes = limit_mib * MIB if limit_mib is not None else None
        return self.runner.run(TrialSpec("truth", self.image_id, limit_bytes, 600_000, workload), self.ledger)


@contextmanager
def bench() -> Iterator[Bench]:
    """The bench; exits with 3 where the host's cgroup files cannot be read."""
    engine = connect()
    try:
        if not vantage_on(engine).acts_alone:
            print("benchmarks read the host's cgroup files: run them as root on the engine's machine", file=sys.stderr)
            raise SystemExit(3)
        base_image.provide("bookworm")
        yield Bench(engine, inspect(engine, build().truth).image_id)
    finally:
        engine.close()


def value(trial: Trial, metric: Metric) -> int:
    """A trial's figure; 0 where there is none, which no benchmark takes for a hit."""
    return trial.metrics[metric].value or 0
