"""Turns the pod of a Kubernetes manifest into the plan of a trial, in the terms in which compose pods are run.

A container of membudget's own, the sandbox, holds the network and the volumes of the pod, as a cluster's does. So
containers reach each other over loopback, and a volume keeps its content while the containers that use it come and go.
"""

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from membudget.budgets.deployed_pod import (
    DeployedPod,
    PodContainer,
    PodFile,
    PodMount,
    PodProbe,
    PodVolume,
    VolumeKind,
)
from membudget.budgets.fields import LONGEST_DURATION_MS
from membudget.budgets.workload_parts import Readiness
from membudget.engine.compose import literally
from membudget.measure.pod_plan import Condition, PodPlan, PodService, Sandbox

SANDBOX = "pod.sandbox"
"""No container of Kubernetes has a dot in its name."""
SANDBOX_PROGRAM = "pause"
_PIDS = 4096
_SANDBOX_PIDS = 16
_VolumeKey = tuple[str, str]
"""The name of a volume and a path below it. Each such part is a volume of the engine's."""


def manifest_plan(pod: DeployedPod, *, is_open: bool, keeps_healthcheck: bool = False) -> PodPlan:
    """Return the plan for a pod.

    `is_open` says whether its network may reach the outside, and `keeps_healthcheck` whether the HEALTHCHECK of the
    measured image is run, which a cluster ignores.
    """
    volumes = {volume.name: volume for volume in pod.volumes}
    keys: dict[_VolumeKey, str] = {}
    for container in pod.containers:
        for mount in container.mounts:
            if (key := _key(mount, volumes)) is not None:
                keys.setdefault(key, f"volume-{len(keys)}")
    network = "bridge" if is_open else "none"
    services = {SANDBOX: _sandbox(network, keys)}
    before: dict[str, Condition] = {SANDBOX: Condition.STARTED}
    for container in pod.containers:
        is_measured = container.name == pod.measured
        probe = pod.ready if is_measured else container.started
        definition = _definition(container, keys, volumes)
        if probe is not None and probe.command:
            definition["healthcheck"] = {"test": ["CMD", *map(literally, probe.command)]}
        elif not (is_measured and keeps_healthcheck):
            definition["healthcheck"] = {"disable": True}
        services[container.name] = PodService(
            definition, container.image, container.build,
            needs={**before}, runs_measured=container.image is None and container.build is None,
            files=tuple(_files(container, volumes)), started=_readiness(container.started),
        )  # fmt: skip
        if container.runs_to_end:
            before[container.name] = Condition.COMPLETED
        elif container.started is not None:
            before[container.name] = Condition.HEALTHY if container.started.command else Condition.ANSWERS
    given = {f"/{name}": volumes[key[0]].files for key, name in keys.items() if not _is_in_memory(key, volumes)}
    return PodPlan(
        pod.measured, tuple(one.name for one in pod.containers if one.name != pod.measured), services, {},
        {name: _made(volumes[key[0]]) for key, name in keys.items()},
        Sandbox(SANDBOX, given), _readiness(pod.ready), pod.ports,
    )  # fmt: skip


def _sandbox(network: str, keys: Mapping[_VolumeKey, str]) -> PodService:
    return PodService(
        {
            "entrypoint": [f"/{SANDBOX_PROGRAM}"],
            "network_mode": network,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "pids_limit": _SANDBOX_PIDS,
            "volumes": [_volume(name, f"/{name}") for name in keys.values()],
        },
        None,
        None,
    )


def _definition(
    container: PodContainer, keys: Mapping[_VolumeKey, str], volumes: Mapping[str, PodVolume]
) -> dict[str, JsonValue]:
    definition: dict[str, JsonValue] = {
        "network_mode": f"service:{SANDBOX}",
        "security_opt": ["no-new-privileges"],
        "pids_limit": _PIDS,
        "environment": {name: literally(value) for name, value in container.environment},
        "cap_drop": list(container.dropped),
        "cap_add": list(container.kept),
        "volumes": [
            _volume(keys[key], mount.path, read_only=mount.read_only or volumes[mount.volume].kind is VolumeKind.FILES)
            for mount in container.mounts
            if (key := _key(mount, volumes)) is not None
        ],
        # Single files are put into the container's own files, which therefore stay writable.
        "read_only": container.read_only and not any(True for _ in _files(container, volumes)),
    }
    optional: dict[str, JsonValue] = {
        "entrypoint": _all_literally(container.command),
        "command": _all_literally(container.arguments),
        "working_dir": literally(container.workdir) if container.workdir is not None else None,
        "user": container.user,
        "group_add": list(map(str, container.groups)) or None,
        "mem_limit": container.limit_bytes,
        "memswap_limit": container.limit_bytes,
    }
    return definition | {key: value for key, value in optional.items() if value is not None}


def _key(mount: PodMount, volumes: Mapping[str, PodVolume]) -> _VolumeKey | None:
    """Return which volume of the engine's a mount needs. None if it is a part of given files, which are copied."""
    if volumes[mount.volume].kind is not VolumeKind.FILES:
        return mount.volume, mount.sub_path
    return (mount.volume, "") if not mount.sub_path else None


def _files(container: PodContainer, volumes: Mapping[str, PodVolume]) -> Iterator[tuple[str, PodFile]]:
    """Yield the files that are mounted one by one, with their paths in the container."""
    for mount in container.mounts:
        volume = volumes[mount.volume]
        if volume.kind is not VolumeKind.FILES or not mount.sub_path:
            continue
        for file in volume.files:
            if file.path == mount.sub_path:
                yield mount.path, file
            elif file.path.startswith(f"{mount.sub_path}/"):
                yield f"{mount.path}{file.path.removeprefix(mount.sub_path)}", file


def _is_in_memory(key: _VolumeKey, volumes: Mapping[str, PodVolume]) -> bool:
    return volumes[key[0]].kind is VolumeKind.MEMORY


def _volume(name: str, path: str, *, read_only: bool = False) -> JsonValue:
    # A volume of a pod begins empty, and not with the image's files at its path.
    return {"type": "volume", "source": name, "target": path, "read_only": read_only, "volume": {"nocopy": True}}


def _made(volume: PodVolume) -> JsonValue:
    if volume.kind is not VolumeKind.MEMORY:
        return {}
    size = f"size={volume.size_bytes}," if volume.size_bytes else ""
    return {"driver": "local", "driver_opts": {"type": "tmpfs", "device": "tmpfs", "o": f"{size}mode=1777"}}


def _readiness(probe: PodProbe | None) -> Readiness | None:
    """Return a probe as a workload's readiness. A cluster never gives up, so only the trial's timeout ends it."""
    if probe is None:
        return None
    if probe.command:
        return Readiness.model_construct(healthcheck=True, timeout=LONGEST_DURATION_MS)
    if probe.http is not None:
        return Readiness.model_construct(http=probe.http, port=probe.port, timeout=LONGEST_DURATION_MS)
    return Readiness.model_construct(tcp=probe.port, timeout=LONGEST_DURATION_MS)


def _all_literally(words: tuple[str, ...] | None) -> JsonValue:
    return [literally(word) for word in words] if words is not None else None
