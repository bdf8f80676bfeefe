"""What manifests deploy: workloads with their containers and memory, and what scales them. Bounded, for report.json."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from membudget.core.files import Stored
from membudget.core.quantities import MOST_CPUS
from membudget.manifests.quantities import MOST_BYTES
from membudget.manifests.spots import Spot

LONGEST_NAME = 300
MOST_WORKLOADS, MOST_CONTAINERS, MOST_SCALERS, MOST_FAULTS = 200, 50, 200, 50

Name = Annotated[str, Field(max_length=LONGEST_NAME)]
"""A name in a manifest. It is text from outside."""
Bytes = Annotated[int, Field(ge=0, le=MOST_BYTES)]
_Path = Annotated[str, Field(max_length=1000)]
_Percent = Annotated[int, Field(ge=1, le=1_000_000)]
_Replicas = Annotated[int, Field(ge=0, le=1_000_000)]


@dataclass(frozen=True, slots=True)
class Place(Stored):
    """A line of a file of the repository."""

    path: _Path
    line: Annotated[int, Field(ge=1)] = 1
    is_exact: bool = True
    """Whether the value is written on this line. Otherwise the place is as near as is known."""


@dataclass(frozen=True, slots=True)
class Amount(Stored):
    """An amount of memory, and where it is written."""

    size_bytes: Bytes
    text: Annotated[str, Field(max_length=50)]
    """The amount as it is written."""
    place: Place
    line_text: Annotated[str, Field(max_length=300)] = ""
    """The whole line, if the amount is written there and nothing else on it looks the same. Otherwise empty."""


@dataclass(frozen=True, slots=True)
class CpuLimit(Stored):
    """A limit of CPU time, and where it is written."""

    thousandths: Annotated[int, Field(ge=1, le=MOST_CPUS * 1000)]
    """In thousandths of a CPU."""
    place: Place

    @property
    def cpus(self) -> int:
        """The number of CPUs that a runtime sees that looks at the limit: rounded up."""
        return -(-self.thousandths // 1000)


class Role(StrEnum):
    """The part that a container has in its pod."""

    MAIN = "main"
    SIDECAR = "sidecar"
    """An init container that is always restarted, so that it runs beside the others."""
    INIT = "init"


class ManifestPlatform(StrEnum):
    """What a manifest is written for."""

    KUBERNETES = "kubernetes"
    COMPOSE = "compose"
    ECS = "ecs"


@dataclass(frozen=True, slots=True)
class Container(Stored):
    """A container of a workload."""

    name: Name
    image: Name
    """The reference of its image. Empty if there is none."""
    place: Place
    role: Role = Role.MAIN
    request: Amount | None = None
    limit: Amount | None = None
    volumes: Annotated[tuple[Name, ...], Field(max_length=MOST_CONTAINERS)] = ()
    """The names of the memory volumes that it mounts."""
    runs: Name | None = None
    """The image of the budgets file that it runs. None if it runs another."""
    limit_spot: Spot | None = None
    """Where the missing limit can be written. None if it is there, or if no place is known."""
    request_spot: Spot | None = None
    """The same for the request."""
    cpu_limit: CpuLimit | None = None
    """None if there is none, or none that could be read."""

    @property
    def reserved(self) -> Amount | None:
        """What is reserved for it: without a request, as much as its limit."""
        return self.request if self.request is not None else self.limit


@dataclass(frozen=True, slots=True)
class MemoryVolume(Stored):
    """A volume in memory (`emptyDir` with medium `Memory`, or a tmpfs). Files in it count as the container's memory."""

    name: Name
    place: Place
    size: Amount | None = None
    """None if it may take as much as there is."""
    size_spot: Spot | None = None
    """Where the missing size can be written."""


@dataclass(frozen=True, slots=True)
class DeployedWorkload(Stored):
    """Something that runs containers together: a pod or its owner, a compose service, an ECS task."""

    source: _Path
    """The path of the entry of `manifests` in the budgets file that it comes from."""
    platform: ManifestPlatform
    kind: Name
    name: Name
    place: Place
    containers: Annotated[tuple[Container, ...], Field(max_length=MOST_CONTAINERS)]
    volumes: Annotated[tuple[MemoryVolume, ...], Field(max_length=MOST_CONTAINERS)] = ()
    limit: Amount | None = None
    """The limit of all of its containers together."""
    request: Amount | None = None
    """What is requested for all of its containers together."""
    namespace: Name = ""

    def size_of_volumes(self, container: Container) -> int:
        """Return the bytes of the memory volumes with a known size that a container mounts."""
        sizes = (one.size for one in self.volumes if one.name in container.volumes)
        return sum(size.size_bytes for size in sizes if size is not None)


@dataclass(frozen=True, slots=True)
class MemoryTarget(Stored):
    """How much memory an HPA wants its pods to use."""

    place: Place
    percent: _Percent | None = None
    """In percent of the request. None if it is an amount."""
    average_bytes: Bytes | None = None
    container: Name | None = None
    """The container that counts. None if all do."""


@dataclass(frozen=True, slots=True)
class PodScaler(Stored):
    """A HorizontalPodAutoscaler with memory targets."""

    name: Name
    place: Place
    kind: Name
    """The kind and the name of the workload that it scales."""
    target: Name
    targets: Annotated[tuple[MemoryTarget, ...], Field(max_length=MOST_CONTAINERS)]
    least: _Replicas = 1
    most: _Replicas = 1
    namespace: Name = ""


@dataclass(frozen=True, slots=True)
class ContainerPolicy(Stored):
    """What a VerticalPodAutoscaler may do to a container."""

    container: Name
    """The name of the container, or "*" for those without a policy."""
    sets_memory: bool = True
    most: Amount | None = None
    """`maxAllowed`."""
    least: Amount | None = None
    """`minAllowed`."""
    resources_spot: Spot | None = None
    """Where its missing `controlledResources` can be written."""


@dataclass(frozen=True, slots=True)
class MemoryScaler(Stored):
    """A VerticalPodAutoscaler."""

    name: Name
    place: Place
    kind: Name
    target: Name
    acts: bool = True
    """Whether it changes pods. With the update mode "Off", it only recommends."""
    policies: Annotated[tuple[ContainerPolicy, ...], Field(max_length=MOST_CONTAINERS)] = ()
    namespace: Name = ""
    policies_spot: Spot | None = None
    """Where its missing `containerPolicies` can be written."""

    def policy_for(self, container: str) -> ContainerPolicy:
        """Return the policy for a container: its own, else that for all, else the default."""
        by_name = {policy.container: policy for policy in self.policies}
        return by_name.get(container) or by_name.get("*") or ContainerPolicy(container)


@dataclass(frozen=True, slots=True)
class ManifestFault(Stored):
    """Something that could not be read."""

    place: Place
    key: Annotated[str, Field(max_length=1000)]
    """The key whose value is wrong. Empty if it is about the whole file."""
    reason: Annotated[str, Field(max_length=500)]
    """Why, for people. It may quote text from outside."""


@dataclass(frozen=True, slots=True)
class DeployedManifests(Stored):
    """All that the manifests of one commit deploy."""

    workloads: Annotated[tuple[DeployedWorkload, ...], Field(max_length=MOST_WORKLOADS)] = ()
    pod_scalers: Annotated[tuple[PodScaler, ...], Field(max_length=MOST_SCALERS)] = ()
    memory_scalers: Annotated[tuple[MemoryScaler, ...], Field(max_length=MOST_SCALERS)] = ()
    faults: Annotated[tuple[ManifestFault, ...], Field(max_length=MOST_FAULTS)] = field(default=())

    @property
    def amounts(self) -> list[Amount]:
        """All amounts of memory, in the order in which `with_amounts` meets them."""
        found: list[Amount] = []

        def note(amount: Amount) -> Amount:
            found.append(amount)
            return amount

        self.with_amounts(note)
        return found

    def with_amounts(self, of: Callable[[Amount], Amount]) -> "DeployedManifests":
        """Return the same with `of` applied to each amount."""

        def maybe(amount: Amount | None) -> Amount | None:
            return of(amount) if amount is not None else None

        workloads = tuple(
            replace(
                workload,
                containers=tuple(
                    replace(one, request=maybe(one.request), limit=maybe(one.limit)) for one in workload.containers
                ),
                volumes=tuple(replace(volume, size=maybe(volume.size)) for volume in workload.volumes),
                limit=maybe(workload.limit),
                request=maybe(workload.request),
            )
            for workload in self.workloads
        )
        memory = tuple(
            replace(
                scaler,
                policies=tuple(
                    replace(policy, most=maybe(policy.most), least=maybe(policy.least)) for policy in scaler.policies
                ),
            )
            for scaler in self.memory_scalers
        )
        return replace(self, workloads=workloads, memory_scalers=memory)

    @property
    def possible_amounts(self) -> list[Amount | None]:
        """The amounts that may be missing: of each container the limit and the request, and of each volume."""
        found: list[Amount | None] = []
        for workload in self.workloads:
            for container in workload.containers:
                found += (container.limit, container.request)
            found += (volume.size for volume in workload.volumes)
        return found

    @property
    def lacks_amounts(self) -> bool:
        """Whether an amount is missing."""
        return None in self.possible_amounts

    @property
    def spots(self) -> list[Spot]:
        """Where missing amounts can be written."""
        found: list[Spot | None] = []
        for workload in self.workloads:
            for container in workload.containers:
                found += (container.limit_spot, container.request_spot)
            found += (volume.size_spot for volume in workload.volumes)
        return [spot for spot in found if spot is not None]

    def with_spots(self, spots: Mapping[int, Spot]) -> "DeployedManifests":
        """Return the same with these spots alone, by the number of the amount among the possible ones."""
        numbers = iter(range(len(self.possible_amounts)))
        workloads = []
        for workload in self.workloads:
            containers = tuple(
                replace(one, limit_spot=spots.get(next(numbers)), request_spot=spots.get(next(numbers)))
                for one in workload.containers
            )
            volumes = tuple(replace(one, size_spot=spots.get(next(numbers))) for one in workload.volumes)
            workloads.append(replace(workload, containers=containers, volumes=volumes))
        return replace(self, workloads=tuple(workloads))

    def with_more(self, other: "DeployedManifests") -> "DeployedManifests":
        """Return both together, as far as they are within bounds. What is too much is a fault."""
        workloads, pods = self.workloads + other.workloads, self.pod_scalers + other.pod_scalers
        memory, faults = self.memory_scalers + other.memory_scalers, self.faults + other.faults
        is_too_much = len(workloads) > MOST_WORKLOADS or max(len(pods), len(memory)) > MOST_SCALERS
        if is_too_much:
            place = Place(other.workloads[0].source if other.workloads else "manifests", is_exact=False)
            faults += (ManifestFault(place, "", f"more than {MOST_WORKLOADS} workloads, the rest was not looked at"),)
        return DeployedManifests(
            workloads[:MOST_WORKLOADS], pods[:MOST_SCALERS], memory[:MOST_SCALERS], faults[:MOST_FAULTS]
        )
