"""How the container of a trial is made, by what its spec says."""

from membudget.budgets.workload import Workload
from membudget.engine.options import ContainerOptions
from membudget.measure.trial import TrialSpec

_HEALTH_INTERVAL_MS = 500
"""An engine waits for one interval before it looks the first time: by default longer than we wait for readiness."""


def container_options(spec: TrialSpec, name: str, cgroup_parent: str | None, cpuset: str | None) -> ContainerOptions:
    """The options of the measured container."""
    workload, inputs = spec.workload, spec.inputs
    one_shot = workload if workload.kind == "command" else None
    return ContainerOptions(
        image=spec.image_id,
        name=name,
        role="trial",
        command=one_shot.command if one_shot is not None else None,
        workdir=one_shot.workdir if one_shot is not None else None,
        interactive=one_shot is not None and one_shot.stdin is not None,
        memory_bytes=spec.limit_bytes,
        cgroup_parent=cgroup_parent,
        cpuset=cpuset,
        health_interval_ms=_HEALTH_INTERVAL_MS if _waits_for_health(workload) else None,
        environment=inputs.environment,
        user=inputs.user,
        read_only=inputs.read_only,
        tmpfs=inputs.tmpfs,
        volumes=tuple(inputs.volumes),
        network="bridge" if inputs.is_network_open else "none",
    )


def _waits_for_health(workload: Workload) -> bool:
    return workload.kind != "command" and workload.ready is not None and workload.ready.healthcheck is not None
