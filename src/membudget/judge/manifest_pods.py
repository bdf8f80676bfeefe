"""The rules for whole pods and for what scales them.

Sources: Kubernetes, "Resource sharing within containers" of sidecars (KEP-753) for what a pod reserves; "Horizontal Pod
Autoscaling", "Algorithm details": replicas = ceil(replicas * use / target), and nothing within 10 % of the target.
"""

from collections.abc import Iterator, Mapping

from membudget.budgets.manifests import ManifestRule
from membudget.judge.manifests import (
    Addition,
    AmountChange,
    CannotScaleDown,
    LimitNeed,
    ManifestFinding,
    whole_mib,
    written,
)
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.metric import Verdict
from membudget.manifests.deployed import (
    Container,
    DeployedManifests,
    DeployedWorkload,
    MemoryScaler,
    MemoryTarget,
    PodScaler,
    Role,
)

_HPA_TOLERANCE = 0.1
_CPU = "[cpu]"
_CPU_FOR_ALL = f'[{{containerName: "*", controlledResources: {_CPU}}}]'
Needs = Mapping[str, LimitNeed]


def pod_findings(
    workload: DeployedWorkload, needs: Needs, measured: Mapping[str, ImageMeasurement]
) -> Iterator[ManifestFinding]:
    """Yield the rules that a pod or a task as a whole breaks."""
    if not any(container.runs in measured for container in workload.containers):
        return
    yield from _init_containers(workload)
    limit = workload.limit
    if limit is None:
        return
    sums = [_needed(container, needs) for container in workload.containers if container.role is not Role.INIT]
    is_known = any(container.runs in needs for container in workload.containers if container.role is not Role.INIT)
    volumes = sum(volume.size.size_bytes for volume in workload.volumes if volume.size is not None)
    if is_known and limit.size_bytes < sum(sums) + volumes:
        fitting = whole_mib(sum(sums) + volumes)
        change = AmountChange(limit, written(fitting, workload.platform), fitting)
        yield ManifestFinding(
            ManifestRule.POD_BELOW_SUM, Verdict.WARN, limit.place, f"{workload.kind}/{workload.name}",
            found_bytes=limit.size_bytes, other_bytes=sum(sums) + volumes, fitting_bytes=fitting,
            change=change if change.line_after is not None else None,
        )  # fmt: skip


def _needed(container: Container, needs: Needs) -> int:
    """Return the limit that a container needs, or what it requests if that is not known."""
    need = needs.get(container.runs or "")
    if need is not None:
        return need.size_bytes
    return container.reserved.size_bytes if container.reserved is not None else 0


def _init_containers(workload: DeployedWorkload) -> Iterator[ManifestFinding]:
    """Yield the init container because of which a pod reserves more than its other containers do."""
    beside = 0
    largest: tuple[int, Container] | None = None
    for container in workload.containers:
        requested = container.reserved.size_bytes if container.reserved is not None else 0
        if container.role is Role.SIDECAR:
            beside += requested
        elif container.role is Role.INIT and (largest is None or requested + beside > largest[0]):
            largest = (requested + beside, container)
    running = sum(
        container.reserved.size_bytes
        for container in workload.containers
        if container.reserved is not None and container.role is not Role.INIT
    )
    if largest is not None and running and largest[0] > running:
        size_bytes, container = largest
        place = container.reserved.place if container.reserved is not None else container.place
        yield ManifestFinding(
            ManifestRule.INIT_RESERVES_MORE, Verdict.WARN, place, f"{workload.kind}/{workload.name}", container.name,
            found_bytes=size_bytes, other_bytes=running,
        )  # fmt: skip


def scaler_findings(
    workload: DeployedWorkload, deployment: DeployedManifests, needs: Needs, settled: Mapping[str, int]
) -> Iterator[ManifestFinding]:
    """Yield the rules that the scalers of a workload break."""
    key, where = (workload.namespace, workload.kind, workload.name), f"{workload.kind}/{workload.name}"
    pods = [one for one in deployment.pod_scalers if (one.namespace, one.kind, one.target) == key]
    memory = [one for one in deployment.memory_scalers if (one.namespace, one.kind, one.target) == key]
    for scaler in pods:
        for target in scaler.targets:
            scaling = _stuck(workload, scaler, target, settled)
            if scaling is not None:
                yield ManifestFinding(
                    ManifestRule.HPA_CANNOT_SCALE_DOWN, Verdict.WARN, target.place, where, target.container,
                    found_bytes=scaling.used_bytes, other_bytes=scaling.wanted_bytes, scaling=scaling,
                    fitting_bytes=_request_to_scale(scaling), name=scaler.name,
                    change=_request_change(workload, target, scaling),
                )  # fmt: skip
    for other in memory:
        sets_memory = any(other.policy_for(one.name).sets_memory for one in workload.containers)
        for scaler in pods if other.acts and sets_memory else ():
            yield ManifestFinding(
                ManifestRule.HPA_AND_VPA, Verdict.WARN, scaler.targets[0].place, where, name=scaler.name,
                change=_cpu_alone(workload, other),
            )  # fmt: skip
        for container in workload.containers:
            most, need = other.policy_for(container.name).most, needs.get(container.runs or "")
            if most is not None and need is not None and need.is_more_than(most.size_bytes):
                fitting = need.fitting_bytes
                change = (
                    AmountChange(most, written(fitting, workload.platform), fitting) if fitting is not None else None
                )
                yield ManifestFinding(
                    ManifestRule.VPA_BELOW_NEED, Verdict.WARN, most.place, where, container.name, container.runs,
                    most.size_bytes, need.size_bytes, need.basis, fitting_bytes=fitting, name=other.name,
                    change=change if change is not None and change.line_after is not None else None,
                )  # fmt: skip


def _cpu_alone(workload: DeployedWorkload, scaler: MemoryScaler) -> Addition | None:
    """Return what to add to a VPA so that it leaves memory alone. None unless one key does that."""
    spot, text = scaler.policies_spot, _CPU_FOR_ALL
    if scaler.policies:
        acting = {policy for one in workload.containers if (policy := scaler.policy_for(one.name)).sets_memory}
        spot, text = (next(iter(acting)).resources_spot if len(acting) == 1 else None), _CPU
    return Addition(((spot, text),), 0) if spot is not None and not spot.is_json else None


def _stuck(
    workload: DeployedWorkload, scaler: PodScaler, target: MemoryTarget, settled: Mapping[str, int]
) -> CannotScaleDown | None:
    """Return the sum if an HPA removes no pod even when all of them rest. None if it does, or if that is not known.

    Containers that were not measured count as if they used nothing, so the real use is higher still.
    """
    if scaler.most <= scaler.least:
        return None
    counted = _counted(workload, target)
    used = sum(settled.get(one.runs or "", 0) for one in counted)
    requested = None
    wanted = target.average_bytes or 0
    if target.percent is not None:
        if any(one.reserved is None for one in counted):
            return None  # the HPA has no figure either
        requested = sum(one.reserved.size_bytes for one in counted if one.reserved is not None)
        wanted = requested * target.percent // 100
    if not used or not wanted:
        return None
    # Of n pods at rest, none is removed if use / target is above 1 - 1/n. The largest n is the mildest.
    tolerated, rounded = 1 - _HPA_TOLERANCE, 1 - 1 / scaler.most
    if used / wanted < tolerated and used / wanted <= rounded:
        return None
    return CannotScaleDown(used, wanted, requested, target.percent, round(100 * min(tolerated, rounded), 1))


def _counted(workload: DeployedWorkload, target: MemoryTarget) -> list[Container]:
    """Return the containers whose use an HPA compares with its target."""
    return [
        one
        for one in workload.containers
        if one.role is not Role.INIT and (target.container is None or one.name == target.container)
    ]


def _request_change(workload: DeployedWorkload, target: MemoryTarget, scaling: CannotScaleDown) -> AmountChange | None:
    """Return the request to write so that the HPA could scale down. None unless one container alone can have it."""
    counted, fitting = _counted(workload, target), _request_to_scale(scaling)
    if fitting is None or len(counted) != 1 or (request := counted[0].request) is None:
        return None
    limit = counted[0].limit
    change = AmountChange(request, written(fitting, workload.platform), fitting)
    is_possible = limit is None or fitting <= limit.size_bytes
    return change if is_possible and change.patch is not None else None


def _request_to_scale(scaling: CannotScaleDown) -> int | None:
    """Return the request of the pod with which the HPA could scale down. None if the target is an amount."""
    if scaling.percent is None:
        return None
    return whole_mib(scaling.used_bytes / (scaling.percent / 100) / (scaling.most_percent / 100)) + (1 << 20)
