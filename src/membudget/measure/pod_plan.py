"""The containers of a trial: what is measured, what runs around it, and in which order. Does no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import JsonValue

from membudget.budgets.deployed_pod import PodFile
from membudget.budgets.entries import Build
from membudget.budgets.workload_parts import Readiness

PodDefinition = Mapping[str, JsonValue]


class Condition(StrEnum):
    """When a service may start after one that it depends on."""

    STARTED = "service_started"
    HEALTHY = "service_healthy"
    COMPLETED = "service_completed_successfully"
    ANSWERS = "answers"  # at a port, which no compose file can say


@dataclass(frozen=True, slots=True)
class PodService:
    """One service of a pod."""

    definition: PodDefinition
    """The definition for compose, without image, files and limits."""
    image: str | None
    """The image that the file names. None if the image is built."""
    build: Build | None
    copies: tuple[tuple[str, str], ...] = ()
    """Files and folders to copy into the container: the path in the repository, and the target."""
    needs: Mapping[str, Condition] = field(default_factory=dict)
    """The services that this one waits for."""
    runs_measured: bool = False
    files: tuple[tuple[str, PodFile], ...] = ()
    """Files to put into the container, by their paths there."""
    started: Readiness | None = None
    """What tells that it has started, for `Condition.ANSWERS`."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A container of membudget's own that holds what the containers of a Kubernetes pod share: network and volumes."""

    name: str
    volumes: Mapping[str, tuple[PodFile, ...]] = field(default_factory=dict)
    """The files of each volume that is not in memory, by the volume's path in this container."""


@dataclass(frozen=True, slots=True)
class PodPlan:
    """The services of a trial."""

    measured: str
    sidecars: tuple[str, ...]
    """The services that are also measured."""
    services: Mapping[str, PodService]
    """All services that are needed, each after those that it depends on."""
    networks: PodDefinition
    volumes: PodDefinition
    sandbox: Sandbox | None = None
    """None if compose says how the services share a network."""
    ready: Readiness | None = None
    """When the measured container is ready, if the workload does not say it."""
    ports: tuple[int, ...] = ()

    def title_of(self, name: str) -> str:
        """Return what messages call a service."""
        return f"the {'service' if self.sandbox is None else 'container'} {name}"

    def place_of_image(self, name: str) -> str:
        """Return where the image of a service is named, for messages."""
        of_compose = self.sandbox is None
        return f"services.{name}.image of the compose file" if of_compose else f"the container {name} of the manifest"

    @property
    def variables(self) -> dict[str, str]:
        """The variables that the measured container is given, beside those of its image."""
        service = self.services.get(self.measured)
        given = service.definition.get("environment") if service is not None else None
        # A resolved compose file writes $ twice.
        return {
            name: str(value).replace("$$", "$")
            for name, value in (given.items() if isinstance(given, dict) else ())
            if value is not None
        }

    @property
    def beside(self) -> dict[str, PodService]:
        """All services except the measured one, whose image the check builds."""
        return {name: service for name, service in self.services.items() if name != self.measured}

    @property
    def has_healthcheck(self) -> bool:
        """Whether the compose file has a HEALTHCHECK for the measured service."""
        check = mapping(self.services[self.measured].definition.get("healthcheck"))
        return bool(check.get("test")) and check.get("test") != ["NONE"] and check.get("disable") is not True

    @property
    def builds(self) -> dict[str, Build]:
        """The builds that the other services need."""
        return {name: service.build for name, service in self.beside.items() if service.build is not None}


def mapping(value: JsonValue | PodDefinition) -> PodDefinition:
    """Return a mapping, or an empty one for another value."""
    return value if isinstance(value, Mapping) else {}
