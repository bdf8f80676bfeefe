"""Sets up what trials need: probes, drivers and clean-up. Removes everything afterwards."""

import os
import queue
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Literal

from membudget.budgets.container import DEFAULT_CPUS
from membudget.budgets.fields import LONGEST_DURATION_MS
from membudget.core.errors import DoctorCheck, EnvironmentFault
from membudget.core.progress import Running
from membudget.core.work import shielded
from membudget.engine.cgroups import CGROUP_ROOT, memory_root
from membudget.engine.cleanup import cleaned_up
from membudget.engine.compose import Compose
from membudget.engine.connection import Engine, connect
from membudget.engine.containers import Containers
from membudget.engine.helper import DockerHelper, SubprocessHelper, find_helper_image
from membudget.engine.options import ContainerOptions
from membudget.engine.own_image import image_of
from membudget.engine.run_id import RunId
from membudget.engine.vantage import vantage_on
from membudget.measure.pod.manifest_plan import SANDBOX_PROGRAM
from membudget.measure.pod.pod import PodTools
from membudget.measure.probe.client import DEFAULT_RATE_HZ, CgroupProbe, MachineState, Probe
from membudget.measure.probe.engine_stats import RATE_HZ, EngineStatsProbe
from membudget.measure.probe.machine import KMSG
from membudget.measure.profiling.order import LIMIT_FACTOR, ProfiledTrial, Profiling
from membudget.measure.runner import RunnerSettings, TrialRunner
from membudget.measure.runtimes.runtime import Runtime
from membudget.measure.schedule import Admission, MachineNeed, TrialLedger, most_at_once
from membudget.measure.static_program import ProgramStep, architecture_of, static_program
from membudget.measure.trial import Trial, TrialSpec
from membudget.measure.workload.service import ContainerDrivers, Drivers, HostDrivers, MissingDrivers


class TrialPool:
    """Runners that each run one trial at a time. A caller waits until memory and a runner are free."""

    def __init__(self, runners: Sequence[TrialRunner], admission: Admission) -> None:
        self._runners = runners
        self._admission = admission
        self._free: queue.SimpleQueue[TrialRunner] = queue.SimpleQueue()
        for runner in runners:
            self._free.put(runner)
        self._ledger = TrialLedger()

    @property
    def jobs(self) -> int:
        """How many trials may run at once."""
        return len(self._runners)

    @property
    def place(self) -> str:
        """Where samples are taken from, as text for the report."""
        return self._runners[0].place

    @property
    def rate_hz(self) -> int:
        """Looks per second at rest."""
        return self._runners[0].rate_hz

    @property
    def sees_cgroups(self) -> bool:
        """Whether the kernel's own files are read. Otherwise, the engine's statistics are, once a second."""
        return self._runners[0].sees_cgroups

    def machine(self) -> MachineState:
        """Return what can be seen of the engine's machine. Raises HelperFailed."""
        return self._runners[0].machine()

    def run(self, spec: TrialSpec) -> Trial:
        """Run `spec` when there is room. Raises EnvironmentFault if the trial says nothing about the image."""
        # Nobody knows which CPUs and how much memory the other services of a pod use.
        is_alone = spec.is_alone or spec.inputs.pod is not None
        with self._admission.admitted(MachineNeed(spec.inputs.cpus, spec.limit_bytes, is_alone)) as cpus:
            runner = self._free.get()
            try:
                return runner.run(spec, self._ledger, cpus)
            finally:
                self._free.put(runner)

    def ask(self, spec: TrialSpec, runtime: Runtime) -> Runtime:
        """Return a runtime with its answer on its memory when there is room. Raises EnvironmentFault."""
        with self._admission.admitted(MachineNeed(spec.inputs.cpus, spec.limit_bytes)) as cpus:
            runner = self._free.get()
            try:
                return runner.ask(spec, runtime, cpus)
            finally:
                self._free.put(runner)

    def profile(self, spec: TrialSpec, order: Profiling) -> ProfiledTrial:
        """Run `spec` once with a profiler when there is room. Raises EnvironmentFault."""
        most_bytes = LIMIT_FACTOR * spec.limit_bytes if spec.limit_bytes is not None else None
        is_alone = spec.inputs.pod is not None
        with self._admission.admitted(MachineNeed(spec.inputs.cpus, most_bytes, is_alone)) as cpus:
            runner = self._free.get()
            try:
                return runner.profile(spec, order, self._ledger, cpus)
            finally:
                self._free.put(runner)

    def live(self) -> list[Running]:
        """Return the running trials, as last sampled. Called from another thread."""
        return [trial for runner in self._runners if (trial := runner.live()) is not None]

    def cancel(self) -> None:
        """Stop the running trials, from another thread. Each runner then fails soon."""
        for runner in self._runners:
            runner.cancel()


_PROBE_MODULE = "membudget.measure.probe.process"
_LONGEST_SERIES_BYTES = 64 << 20
"""The longest line with a trial's samples: more than two hours of them."""
_MOUNT = PurePosixPath("/membudget-cgroup")
_SANDBOX_MS = 2 * LONGEST_DURATION_MS
"""Longer than any trial."""

ProbeChoice = Literal["auto", "host", "container", "engine"]


@dataclass(frozen=True, slots=True)
class MeasuringOptions:
    """Where and how to measure."""

    version: str
    """membudget's own version, which finds the image that contains it."""
    probe: ProbeChoice = "auto"
    helper_image: str | None = None
    rate_hz: int = DEFAULT_RATE_HZ
    jobs: int | None = 1
    """The most trials at once, of different images. None: as many as have CPUs of their own."""
    cpus: tuple[int, ...] = (DEFAULT_CPUS,)
    """The CPUs that each image may use."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where to measure from."""

    kind: Literal["host", "container", "engine"]
    helper_image: str | None
    drives_itself: bool
    """Whether drivers may be processes of membudget itself."""
    why_no_helper: str | None = None


@dataclass(frozen=True, slots=True)
class _Setup:
    """The options, the place to measure from, and the function that warns."""

    options: MeasuringOptions
    place: _Place
    warn: Callable[[str], None]


@contextmanager
def measuring(
    engine: Engine, run: RunId, options: MeasuringOptions, warn: Callable[[str], None]
) -> Iterator[TrialPool]:
    """Provide trial runners, and leave no trace of them on the machine afterwards."""
    place = _choose(engine, options, warn)
    containers = Containers(engine, run)
    cleanup = ExitStack()
    try:
        removal_image = None if place.drives_itself else place.helper_image
        makes_cgroups = place.kind != "engine"
        cleanup.enter_context(cleaned_up(engine, containers, removal_image, warn, makes_cgroups=makes_cgroups))
        yield _pool(engine, run, _Setup(options, place, warn), cleanup)
    finally:
        with shielded():
            cleanup.close()


def _choose(engine: Engine, options: MeasuringOptions, warn: Callable[[str], None]) -> _Place:
    """Choose the best place to measure from.

    In order: membudget's own view of the cgroups, a container's view, the engine's statistics.

    Raises EnvironmentFault or ConfigurationError if the requested place is not available.
    """
    if options.probe == "engine" and engine.info.kind == "podman":
        raise EnvironmentFault(
            "Podman's statistics have no RSS: its containers can be measured by their cgroups alone",
            fix="leave --probe out",
            check=DoctorCheck.PROBE,
        )
    vantage = vantage_on(engine, "auto" if options.probe == "engine" else options.probe)
    if vantage.acts_alone:
        return _Place("engine" if options.probe == "engine" else "host", None, drives_itself=True)
    try:
        helper_image = find_helper_image(engine, options.version, options.helper_image)
    except EnvironmentFault as error:
        last_resort = options.probe in ("auto", "engine") and engine.info.kind != "podman"
        if not last_resort or options.helper_image is not None:
            raise
        if options.probe == "auto":
            warn(f"{error}\nUntil then the engine's own statistics are used: 1 Hz, may miss spikes")
        return _Place("engine", None, drives_itself=False, why_no_helper=error.what)
    kind: Literal["host", "container", "engine"] = "host" if vantage.reads_cgroups else "container"
    if vantage.only_statistics is not None:
        kind = "engine"
        if options.probe == "auto":
            warn(f"{vantage.only_statistics}\nThe engine's own statistics are used: 1 Hz, may miss spikes")
    return _Place("engine" if options.probe == "engine" else kind, helper_image, drives_itself=False)


def _pool(engine: Engine, run: RunId, setup: _Setup, cleanup: ExitStack) -> TrialPool:
    """Create the runners, each with its own engine connection, probe and drivers.

    There are as many runners as trials may run at once.
    """
    options, cpus = setup.options, engine.info.cpus
    runners = [_runner(engine, Containers(engine, run), setup, cleanup)]
    # In a container, an engine may not use the time of all CPUs of its machine.
    granted = cpus if options.jobs is not None else runners[0].machine().granted_cpus or cpus
    jobs = most_at_once(options.cpus, min(cpus, granted), options.jobs)
    if options.jobs is not None and jobs < min(options.jobs, len(options.cpus)):
        there = "1 CPU" if cpus == 1 else f"{cpus} CPUs"
        setup.warn(
            f"--jobs {options.jobs}: {jobs} at once, as each image gets its own CPUs and the machine has {there}"
        )
    for number in range(1, jobs):
        own_engine = connect({**os.environ, "DOCKER_HOST": engine.address})
        cleanup.callback(own_engine.close)
        runners.append(_runner(own_engine, Containers(own_engine, run, slot=number), setup, cleanup))
    free = runners[0].available_bytes() or engine.info.memory_bytes
    return TrialPool(runners, Admission(jobs, free, cpus))


def _runner(engine: Engine, containers: Containers, setup: _Setup, cleanup: ExitStack) -> TrialRunner:
    probe = _probe(engine, containers, setup)
    cleanup.callback(probe.close)
    drivers = _drivers(containers, setup.place)
    cleanup.callback(drivers.close)
    settings = RunnerSettings(setup.options.rate_hz if probe.sees_cgroups else RATE_HZ)
    pods = PodTools(
        Compose(engine.address),
        partial(_sidecar_probe, engine, containers, setup),
        drivers,
        partial(sandbox_image, engine, containers),
    )
    cleanup.callback(pods.close)
    return TrialRunner(containers, engine.info, probe, drivers, pods, settings=settings)


@contextmanager
def sandbox_image(engine: Engine, containers: Containers) -> Iterator[str]:
    """Provide the image of the containers that hold what a Kubernetes pod shares. Raises EnvironmentFault."""
    architecture = architecture_of(engine.info.platform)
    if architecture is None:
        raise EnvironmentFault(
            f"pods of manifests run on linux/amd64 and linux/arm64, and this engine is {engine.info.platform}",
            fix="use `compose`, or measure the image alone",
        )
    program = static_program(architecture, [ProgramStep(0, _SANDBOX_MS)])
    name = f"sandbox{containers.slot}"  # each runner removes its own
    with image_of(engine, containers.run, name, {SANDBOX_PROGRAM: program}) as image_id:
        yield image_id


def _drivers(containers: Containers, place: _Place) -> Drivers:
    if place.drives_itself:
        return HostDrivers()
    if place.helper_image is None:
        return MissingDrivers(place.why_no_helper or "there is none")
    return ContainerDrivers(containers, place.helper_image)


def _sidecar_probe(engine: Engine, containers: Containers, setup: _Setup, number: int) -> Probe:
    """Create another probe at the same place. `number` distinguishes the containers of several probes."""
    return _probe(engine, containers.numbered(number), setup)


def _probe(engine: Engine, containers: Containers, setup: _Setup) -> Probe:
    place = setup.place
    if place.kind == "engine":
        return EngineStatsProbe(engine)
    if place.kind == "host" or place.helper_image is None:
        version = engine.info.cgroup_version
        return CgroupProbe(
            SubprocessHelper(_PROBE_MODULE, _LONGEST_SERIES_BYTES), "host cgroup files", memory_root(version), version
        )
    probe = _container_probe(engine, containers, place.helper_image)
    if probe.finds_its_cgroup():
        return probe
    probe.close()
    missing = "the probe container does not find its own cgroup below /sys/fs/cgroup of the engine's machine"
    if setup.options.probe == "container":
        raise EnvironmentFault(
            missing, fix="leave --probe out, to measure by the engine's statistics", check=DoctorCheck.PROBE
        )
    setup.warn(f"{missing}: the engine's own statistics are used, 1 Hz, may miss spikes")
    return EngineStatsProbe(engine)


def _container_probe(engine: Engine, containers: Containers, image: str) -> CgroupProbe:
    version = engine.info.cgroup_version
    options = ContainerOptions(
        image=image,
        name="probe",
        role="probe",
        # Needed to read smaps of other processes and the kernel's log (docs/security.md).
        capabilities=("SYS_PTRACE", "SYSLOG"),
        binds=(f"{CGROUP_ROOT}:{_MOUNT}:ro",),
        devices=(f"{KMSG}:{KMSG}:r",),
        host_namespaces=True,
    )
    helper = DockerHelper(containers, _PROBE_MODULE, options, _LONGEST_SERIES_BYTES)
    root = _MOUNT / memory_root(version).relative_to(CGROUP_ROOT)
    place = "probe container, host cgroup files read-only"
    return CgroupProbe(helper, place, root, version, is_in_container=True)
