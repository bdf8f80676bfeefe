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

    def leaf(self, container_id: str) -> PurePosixPath:
        """The container's own cgroup, which goes away with the container."""
        return self.path / (f"docker-{container_id}.scope" if self.driver == "systemd" else container_id)


def run_name(run: RunId, driver: CgroupDriver) -> str:
    """The top-level cgroup of a run. Without a dash: systemd nests a slice at each."""
    return f"membudget_{run}.slice" if driver == "systemd" else f"membudget_{run}"


def run_of(name: str) -> RunId | None:
    """The run that a top-level cgroup of this name belongs to; None when it is not ours."""
    matched = _RUN_NAME.fullmatch(name)
    return RunId.parse(matched[1]) if matched else None


def trial_cgroup(run: RunId, number: int, driver: CgroupDriver) -> TrialCgroup:
    """The cgroup of the `number`th trial of a run."""
    top = run_name(run, driver)
    if driver == "systemd":
        # systemd.slice(5): a-b.slice lies in a.slice, and the engine takes the name alone.
        name = f"{top.removesuffix('.slice')}-t{number}.slice"
        return TrialCgroup(name, PurePosixPath(top, name), driver)
    return TrialCgroup(f"/{top}/t{number}", PurePosixPath(top, f"t{number}"), driver)


def memory_root(version: CgroupVersion) -> PurePosixPath:
    """Where the memory controller's tree is mounted."""
    return CGROUP_ROOT if version == 2 else CGROUP_ROOT / "memory"
