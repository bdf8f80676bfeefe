"""The containers of a trial: only the measured one, or with all services of its compose file or its manifest."""

import dataclasses
import tempfile
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from membudget.budgets.deployed_pod import PodFile
from membudget.core.errors import EnvironmentFault
from membudget.engine.cgroups import TrialCgroup
from membudget.engine.compose import Compose, ComposeRefused
from membudget.engine.containers import CannotStart, Containers
from membudget.engine.options import ContainerOptions
from membudget.measure.inputs import existing
from membudget.measure.pod.compose_file import Project, project_model
from membudget.measure.pod.compose_references import missing_mount
from membudget.measure.pod.needed_service import NeededService
from membudget.measure.pod_plan import Condition, PodPlan
from membudget.measure.probe.client import Probe
from membudget.measure.trial import WORKLOAD_PASSED, TrialSpec, WorkloadResult
from membudget.measure.workload.service import Drivers

_MOST_CREATION_S = 120.0
_ANYBODY = 0o777
"""The mode of an `emptyDir`, which also users other than root write to."""


@dataclass(frozen=True, slots=True)
class Places:
    """The options of the measured services, and the cgroups of the sidecars, by service."""

    options: Mapping[str, ContainerOptions]
    cgroups: Mapping[str, TrialCgroup]


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A container that is measured in addition to the one under test."""

    name: str
    container_id: str
    cgroup: TrialCgroup
    runs_to_end: bool = False
    """Whether the measured container waits for its end."""


class TrialContainers(Protocol):
    """The containers of one trial. They are created, started, and always removed."""

    @property
    def container_id(self) -> str:
        """The ID of the measured container."""

    @property
    def sidecars(self) -> Sequence[Sidecar]:
        """The containers that are also measured."""

    def prepare(self, deadline: float) -> WorkloadResult:
        """Start the services that the measured container depends on, and wait for them. Raises EnvironmentFault."""

    def start(self) -> None:
        """Start the measured container. Raises CannotStart."""

    def start_the_rest(self, deadline: float) -> WorkloadResult:
        """Start the services that depend on the measured container."""

    def trouble(self) -> str | None:
        """Return which service around the measured container failed, or None."""

    def remove_measured(self) -> None:
        """Remove the measured containers, which ends their samples."""

    def close(self) -> None:
        """Remove everything."""


class PodTools:
    """The tools of pods: compose, drivers, an image for sandboxes, and a probe for each sidecar.

    Image and probes are kept between trials.
    """

    def __init__(
        self,
        compose: Compose,
        make_probe: Callable[[int], Probe],
        drivers: Drivers,
        sandbox_image: Callable[[], AbstractContextManager[str]],
    ) -> None:
        """Use `make_probe`, which is called with a different number for each probe."""
        self.compose = compose
        self.drivers = drivers
        self._make_probe = make_probe
        self._probes: list[Probe] = []
        self._make_sandbox_image = sandbox_image
        self._sandbox_image: str | None = None
        self._kept = ExitStack()

    def sandbox_image(self) -> str:
        """Return the ID of the image that sandboxes run. Raises EnvironmentFault."""
        if self._sandbox_image is None:
            self._sandbox_image = self._kept.enter_context(self._make_sandbox_image())
        return self._sandbox_image

    def probes(self, count: int) -> list[Probe]:
        """Return as many probes as there are sidecars."""
        while len(self._probes) < count:
            self._probes.append(self._make_probe(len(self._probes) + 1))
        return self._probes[:count]

    def close(self) -> None:
        """Stop the probes, and remove the image of sandboxes."""
        with self._kept:
            for probe in self._probes:
                probe.close()


class LoneContainer:
    """The measured container without any services around it."""

    sidecars: Sequence[Sidecar] = ()

    def __init__(self, containers: Containers, options: ContainerOptions, volumes: Mapping[str, Path]) -> None:
        self._containers = containers
        self.container_id = containers.create(options)
        try:
            for path, folder in volumes.items():
                containers.copy_in(self.container_id, folder, path)
        except BaseException:
            self.close()
            raise

    def prepare(self, deadline: float) -> WorkloadResult:
        """Return success: there is nothing to prepare."""
        del deadline
        return WORKLOAD_PASSED

    def start(self) -> None:
        """Start the container."""
        self._containers.start(self.container_id)

    def start_the_rest(self, deadline: float) -> WorkloadResult:
        """Return success: there are no other services."""
        del deadline
        return WORKLOAD_PASSED

    def trouble(self) -> str | None:
        """Return None: there are no other services."""
        return None

    def remove_measured(self) -> None:
        """Remove the container."""
        self._containers.remove(self.container_id)

    def close(self) -> None:
        """Remove the container."""
        self._containers.remove(self.container_id)


class ComposePod:
    """The measured container and the services around it, created by compose and started in order."""

    def __init__(self, containers: Containers, tools: PodTools, spec: TrialSpec, plan: PodPlan, places: Places) -> None:
        """Create the containers. Raises EnvironmentFault, also if compose refuses."""
        self._containers = containers
        self._drivers = tools.drivers
        self._spec = spec
        self._plan = plan
        self._secrets = spec.inputs.secrets
        self._started: list[str] = []
        run, trial = containers.run, places.options[plan.measured].name
        self._names = {name: f"membudget-{name}-{trial}-{run}" for name in plan.services}
        self._project = f"membudget-{run}-{trial}"
        self._images = self._provided(spec, tools)
        model = project_model(plan, Project(self._project, str(run), self._images, self._names, places.options))
        try:
            try:
                tools.compose.create(model, spec.inputs.checkout or Path("/"), _MOST_CREATION_S)
            except ComposeRefused as error:
                raise EnvironmentFault(f"docker compose cannot make the services: {error}") from None
            except TimeoutError:
                raise EnvironmentFault(f"docker compose did not end within {_MOST_CREATION_S:.0f} s") from None
            self._ids = {name: containers.find(container) for name, container in self._names.items()}
            self._copy(spec.inputs.checkout, spec.inputs.volumes)
            self._fill()
        except BaseException:
            self.close()
            raise
        self.container_id = self._ids[plan.measured]
        awaited = plan.services[plan.measured].needs
        self.sidecars: Sequence[Sidecar] = [
            Sidecar(name, self._ids[name], places.cgroups[name], awaited.get(name) is Condition.COMPLETED)
            for name in plan.sidecars
        ]

    def prepare(self, deadline: float) -> WorkloadResult:
        """Start all services before the measured one, in order, and wait for those that it needs."""
        order = list(self._plan.services)
        for name in order[: order.index(self._plan.measured)]:
            result = self._start_service(name, deadline)
            if not result.passed:
                return result
        return self._wait_for_needs(self._plan.measured, deadline)

    def start(self) -> None:
        """Start the measured container."""
        self._containers.start(self.container_id)
        self._started.append(self._plan.measured)

    def start_the_rest(self, deadline: float) -> WorkloadResult:
        """Start all services after the measured one."""
        order = list(self._plan.services)
        for name in order[order.index(self._plan.measured) + 1 :]:
            result = self._start_service(name, deadline)
            if not result.passed:
                return result
        return WORKLOAD_PASSED

    def trouble(self) -> str | None:
        """Return the first service around the measured one that ended with an error."""
        for name in self._started:
            if name != self._plan.measured:
                state = self._containers.state(self._ids[name])
                if not state.running and state.exit_code != 0:
                    return f"{self._plan.title_of(name)} has exited with code {state.exit_code}"
        return None

    def remove_measured(self) -> None:
        """Remove the measured container and its sidecars."""
        for name in (self._plan.measured, *self._plan.sidecars):
            self._containers.remove(self._ids[name])

    def close(self) -> None:
        """Remove the containers, networks and volumes."""
        self._containers.remove_project(self._names.values(), f"{self._project}_")

    def _provided(self, spec: TrialSpec, tools: PodTools) -> dict[str, str | None]:
        """Return the image of each service. Images that were not built are pulled if the engine lacks them."""
        images: dict[str, str | None] = {self._plan.measured: spec.image_id}
        for name, service in self._plan.beside.items():
            images[name] = spec.pod_images.get(name) or (spec.image_id if service.runs_measured else service.image)
            if name not in spec.pod_images and service.image is not None:
                self._containers.provide_image(service.image, self._plan.place_of_image(name))
        if self._plan.sandbox is not None:
            images[self._plan.sandbox.name] = tools.sandbox_image()
        return images

    def _start_service(self, name: str, deadline: float) -> WorkloadResult:
        result = self._wait_for_needs(name, deadline)
        if result.passed:
            try:
                self._containers.start(self._ids[name])
            except CannotStart as error:
                reason = f"{self._plan.title_of(name)} cannot start: {error}"
                return WorkloadResult(passed=False, reason=reason, is_of_surroundings=True)
            self._started.append(name)
        return result

    def _wait_for_needs(self, name: str, deadline: float) -> WorkloadResult:
        for other, condition in self._plan.services[name].needs.items():
            if other in self._ids:
                result = self._wait_for(other, condition, deadline)
                if not result.passed:
                    return result
        return WORKLOAD_PASSED

    def _wait_for(self, name: str, condition: Condition, deadline: float) -> WorkloadResult:
        needed = NeededService(
            self._containers, self._drivers, self._ids[name], self._images[name], self._plan.services[name].started
        )
        result = needed.wait_until(condition, self._spec, deadline)
        if result.passed:
            return result
        tail = self._containers.log_tail(self._ids[name])
        reason = f"{self._plan.title_of(name)}: {result.reason}"
        return dataclasses.replace(result, reason=reason, output_tail=tail, is_of_surroundings=True)

    def _fill(self) -> None:
        """Put given files into the volumes and the containers of a manifest. Everybody may write to empty volumes."""
        sandbox = self._plan.sandbox
        if sandbox is None:
            return
        with tempfile.TemporaryDirectory(prefix="membudget-volumes-") as scratch:
            for number, (path, files) in enumerate(sandbox.volumes.items()):
                folder = Path(scratch, str(number))
                folder.mkdir()
                for file in files:
                    write_file(folder / file.path, file)
                folder.chmod(_ANYBODY)
                # The engine sets the mode of a folder by its name, and not by ".".
                self._containers.copy_in(self._ids[sandbox.name], folder, "/", path.lstrip("/"))
            for name, service in self._plan.services.items():
                for target, file in service.files:
                    single = Path(scratch, "single")
                    write_file(single, file)
                    self._containers.copy_in(self._ids[name], single, "/", target.lstrip("/"))
                    single.unlink()

    def _copy(self, checkout: Path | None, volumes: Mapping[str, Path]) -> None:
        for name, service in self._plan.services.items():
            for source, target in service.copies:
                path = existing(checkout, source, f"services.{name}.volumes", missing_mount(source))
                self._containers.copy_in(self._ids[name], path, "/", target.lstrip("/"))
        for target, folder in volumes.items():
            self._containers.copy_in(self._ids[self._plan.measured], folder, target)


def write_file(path: Path, file: PodFile) -> None:
    """Write a file of a manifest, with its mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b64decode(file.content) if file.is_base64 else file.content.encode())
    path.chmod(file.mode)
