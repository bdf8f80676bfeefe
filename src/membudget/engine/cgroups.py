"""The cgroup of a trial: the name that the engine is given, and the folders that the kernel then shows.

Each trial has its own parent cgroup. The engine removes the container's cgroup when the container ends, but the parent
remains with the kernel's marks until membudget removes it (docs/adr/0003-own-cgroup-parent.md).

A run has one top-level cgroup with a cgroup for each trial, so that one removal cleans up the whole run.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from membudget.engine.run_id import RunId

CgroupVersion = Literal[1, 2]
CgroupDriver = Literal["cgroupfs", "systemd"]
EngineKind = Literal["docker", "podman"]

CGROUP_ROOT = PurePosixPath("/sys/fs/cgroup")

_RUN_NAME = re.compile(r"membudget_([0-9a-fx]+)(?:\.slice)?")


@dataclass(frozen=True, slots=True)
class TrialCgroup:
    """The names of one trial's cgroup."""

    parent_argument: str
    """The cgroup parent of the container, as passed to the engine."""
    path: PurePosixPath
    """The parent's path in a cgroup tree: relative to each controller's mount on v1, and to the only mount on v2."""
    driver: CgroupDriver
    engine: EngineKind = "docker"
    number: int = 0
    """The number of the trial in its run."""

    @property
    def is_shared(self) -> bool:
        """Return whether the engine adds processes of its own next to the container's cgroup.

        Podman adds conmon, which watches the container, and the programs that conmon starts when the container has
        ended. The kernel's marks of the parent then include their memory.
        """
        return self.engine == "podman"

    def leaves(self, container_id: str) -> tuple[PurePosixPath, ...]:
        """Return the possible paths of the container's own cgroup, most specific first.

        The cgroup is removed with the container.
        """
        leaf = self.leaf(container_id)
        # On v2 with the systemd driver, crun creates a cgroup for the container inside of its scope. runc does not.
        return (leaf / "container", leaf) if self.engine == "podman" else (leaf,)

    def leaf(self, container_id: str) -> PurePosixPath:
        """Return the path of the cgroup that the engine creates for the container."""
        name = container_id if self.engine == "docker" else f"libpod-{container_id}"
        if self.driver == "cgroupfs":
            return self.path / name
        return self.path / (f"docker-{name}.scope" if self.engine == "docker" else f"{name}.scope")


def run_name(run: RunId, driver: CgroupDriver) -> str:
    """Return the name of a run's top-level cgroup. It has no dash, because systemd nests a slice at each dash."""
    return f"membudget_{run}.slice" if driver == "systemd" else f"membudget_{run}"


def run_of(name: str) -> RunId | None:
    """Return the run of the top-level cgroup `name`, or None if it is not membudget's."""
    matched = _RUN_NAME.fullmatch(name)
    return RunId.parse(matched[1]) if matched else None


def trial_cgroup(run: RunId, number: int, driver: CgroupDriver, engine: EngineKind = "docker") -> TrialCgroup:
    """Return the cgroup of a run's trial `number`."""
    top = run_name(run, driver)
    if driver == "systemd":
        # systemd.slice(5): a-b.slice is located in a.slice. The engine takes only the name.
        name = f"{top.removesuffix('.slice')}-t{number}.slice"
        return TrialCgroup(name, PurePosixPath(top, name), driver, engine, number)
    return TrialCgroup(f"/{top}/t{number}", PurePosixPath(top, f"t{number}"), driver, engine, number)


def memory_root(version: CgroupVersion) -> PurePosixPath:
    """Return the mount of the tree with the memory controller."""
    return CGROUP_ROOT if version == 2 else CGROUP_ROOT / "memory"
