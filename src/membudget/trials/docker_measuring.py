"""Sets up what trials need, where they need it: probe, drivers, clean-up. Takes it all down again."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath

from membudget.engine.cgroup_layout import CGROUP_ROOT, memory_root
from membudget.engine.docker_cleanup import cleaned_up
from membudget.engine.docker_containers import HELPER_MEMORY_BYTES, ContainerOptions, Containers
from membudget.engine.docker_engine import Engine
from membudget.engine.docker_helper import DockerHelper, find_helper_image
from membudget.engine.proc_vantage import ProbePlace, look
from membudget.engine.run_id import RunId
from membudget.engine.subprocess_helper import SubprocessHelper
from membudget.interruption import shielded
from membudget.trials.docker_drivers import ContainerDrivers, Drivers, HostDrivers
from membudget.trials.docker_trial import TrialRunner
from membudget.trials.probe import DEFAULT_RATE_HZ, Probe

_PROBE_MODULE = "membudget.trials.cgroup_probe"
_MOUNT = PurePosixPath("/membudget-cgroup")


@dataclass(frozen=True, slots=True)
class MeasuringOptions:
    """Where and how to measure."""

    version: str
    """membudget's own, to find the image that holds it."""
    probe: ProbePlace = "auto"
    helper_image: str | None = None
    rate_hz: int = DEFAULT_RATE_HZ


@contextmanager
def measuring(
    engine: Engine, run: RunId, options: MeasuringOptions, warn: Callable[[str], None]
) -> Iterator[TrialRunner]:
    """A trial runner, and a machine without a trace of it afterwards."""
    vantage = look(engine, options.probe)
    containers = Containers(engine, run)
    helper_image = None if vantage.acts_alone else find_helper_image(engine, options.version, options.helper_image)
    cleanup = ExitStack()
    try:
        cleanup.enter_context(cleaned_up(engine, containers, helper_image, warn))
        if vantage.reads_cgroups or helper_image is None:
            probe = _host_probe(engine, options.rate_hz)
        else:
            probe = _container_probe(engine, containers, helper_image, options.rate_hz)
        cleanup.callback(probe.close)
        drivers: Drivers = HostDrivers() if helper_image is None else ContainerDrivers(containers, helper_image)
        cleanup.callback(drivers.close)
        yield TrialRunner(containers, engine.info, probe, drivers)
    finally:
        with shielded():
            cleanup.close()


def _host_probe(engine: Engine, rate_hz: int) -> Probe:
    version = engine.info.cgroup_version
    helper = SubprocessHelper(_PROBE_MODULE)
    return Probe(helper, "host cgroup files", memory_root(version), version, rate_hz)


def _container_probe(engine: Engine, containers: Containers, image: str, rate_hz: int) -> Probe:
    version = engine.info.cgroup_version
    options = ContainerOptions(
        image=image,
        name="probe",
        role="probe",
        entrypoint=("python3", "-m", _PROBE_MODULE),
        command=(),
        memory_bytes=HELPER_MEMORY_BYTES,
        capabilities=(),
        binds=(f"{CGROUP_ROOT}:{_MOUNT}:ro",),
        host_namespaces=True,
        interactive=True,
    )
    helper = DockerHelper(containers, _PROBE_MODULE, options)
    root = _MOUNT / memory_root(version).relative_to(CGROUP_ROOT)
    return Probe(helper, "probe container, host cgroup files read-only", root, version, rate_hz)
