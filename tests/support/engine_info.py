"""An engine's properties, for tests that need no engine."""

from membudget.core.quantities import GIB
from membudget.engine.connection import EngineInfo

DOCKER = EngineInfo(
    name="runner",
    version="26.1.5",
    api_version="1.45",
    cgroup_version=2,
    cgroup_driver="systemd",
    kernel="6.12.43+deb13-amd64",
    platform="linux/amd64",
    storage_driver="overlay2",
    cpus=4,
    memory_bytes=16 * GIB,
)
"""Docker as root, on a machine with cgroup v2."""
