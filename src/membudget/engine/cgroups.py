"""Where a trial's cgroup lies: the name given to the engine, and the folders the kernel then shows.

Each trial has a parent cgroup of its own. The engine removes a container's cgroup when the container ends; the
parent stays, and with it the kernel's marks, until we remove it (docs/adr/0003-own-cgroup-parent.md).

A run is one top-level cgroup, a trial one below it, so that one removal takes all of a run.
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
    """What the engine is given as the container's cgroup parent."""
    path: PurePosixPath
    """The parent, from the root of a cgroup tree: below each controller's mount on v1, the one mount on v2."""
    driver: CgroupDriver
    engine: EngineKind = "docker"
    number: int = 0
    """Which of the run's."""

    @property
    def is_shared(self) -> bool:
        """Whether the engine puts processes of its own in there, beside the container's own cgroup.

        Podman does: conmon, which watches the container, and what conmon starts when the container has ended. The
        kernel's marks of the parent are then not the container's alone.
        """
        return self.engine == "podman"

    def leaves(self, container_id: str) -> tuple[PurePosixPath, ...]:
        """Where the container's own cgroup may lie, which goes away with the container: the first that is there."""
        leaf = self.leaf(container_id)
        # crun, below the systemd driver on v2, gives the container a cgroup within its scope; runc does not.
        return (leaf / "container", leaf) if self.engine == "podman" else (leaf,)

    def leaf(self, container_id: str) -> PurePosixPath:
        """The cgroup that the engine makes for the container."""
        name = container_id if self.engine == "docker" else f"libpod-{container_id}"
        if self.driver == "cgroupfs":
            return self.path / name
        return self.path / (f"docker-{name}.scope" if self.engine == "docker" else f"{name}.scope")


def run_name(run: RunId, driver: CgroupDriver) -> str:
    """The top-level cgroup of a run. Without a dash: systemd nests a slice at each."""
    return f"membudget_{run}.slice" if driver == "systemd" else f"membudget_{run}"


def run_of(name: str) -> RunId | None:
    """The run that a top-level cgroup of this name belongs to; None when it is not ours."""
    matched = _RUN_NAME.fullmatch(name)
    return RunId.parse(matched[1]) if matched else None


def trial_cgroup(run: RunId, number: int, driver: CgroupDriver, engine: EngineKind = "docker") -> TrialCgroup:
    """The cgroup of the `number`th trial of a run."""
    top = run_name(run, driver)
    if driver == "systemd":
        # systemd.slice(5): a-b.slice lies in a.slice, and the engine takes the name alone.
        name = f"{top.removesuffix('.slice')}-t{number}.slice"
        return TrialCgroup(name, PurePosixPath(top, name), driver, engine, number)
    return TrialCgroup(f"/{top}/t{number}", PurePosixPath(top, f"t{number}"), driver, engine, number)


def memory_root(version: CgroupVersion) -> PurePosixPath:
    """Where the memory controller's tree is mounted."""
    return CGROUP_ROOT if version == 2 else CGROUP_ROOT / "memory"
