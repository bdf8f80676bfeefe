"""What a trial's result depends on, as one key: the same key, the same result but for noise."""

import hashlib
import json
import os
from dataclasses import dataclass

from membudget.budgets.workload import CommandWorkload, steps_of
from membudget.measure.trial import TrialSpec

MEASURING_VERSION = 1
"""Of how trials are run and read: raise it whenever a figure of the same container could come out differently."""


@dataclass(frozen=True, slots=True)
class MachineClass:
    """What of a machine makes its figures comparable with those of another one."""

    engine: str
    platform: str
    kernel: str
    cgroup: str
    """Version and driver."""
    storage_driver: str
    cpus: int
    cpu_model: str
    memory_gib: int
    probe: str
    rate_hz: int
    jobs: int


def result_key(spec: TrialSpec, machine: MachineClass, files: tuple[str, ...] | None) -> str | None:
    """The key of `spec` on such a machine; None where its result depends on what no key can hold.

    `files` names the content of what the workload is given of the repository; None: that is not known. Pods, open
    networks and load from other images depend on what may change without a trace here.
    """
    inputs = spec.inputs
    workload = spec.workload
    from_outside = inputs.pod is not None or inputs.is_network_open or spec.pod_images
    is_driven = not isinstance(workload, CommandWorkload) and any(step.driver for step in steps_of(workload))
    if spec.identity is None or files is None or from_outside or is_driven:
        return None
    parts = [
        MEASURING_VERSION,
        [getattr(machine, name) for name in MachineClass.__slots__],
        spec.identity,
        spec.limit_bytes,
        spec.timeout_ms,
        spec.settle_ms,
        workload.model_dump(mode="json"),
        sorted(spec.unjudged_phases),
        sorted(inputs.environment.items()),
        sorted(inputs.tmpfs.items()),
        sorted((path, os.path.relpath(folder, inputs.checkout or ".")) for path, folder in inputs.volumes.items()),
        [inputs.read_only, inputs.user, inputs.cpus],
        files,
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
