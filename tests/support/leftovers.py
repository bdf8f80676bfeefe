"""What membudget could leave behind, listed: a test takes one list before and one after."""

import re
import subprocess
import tempfile
from pathlib import Path

from membudget.engine.cgroup_removal import our_cgroups
from membudget.engine.docker_engine import Engine
from membudget.engine.docker_reaper import TRIAL_IMAGES

_ANONYMOUS = re.compile(r"[0-9a-f]{64}")
_CGROUPS = Path("/sys/fs/cgroup")


def leftovers(engine: Engine, repository: Path | None = None) -> dict[str, set[str]]:
    """What is ours, or has no name, by kind. Two equal lists: nothing stayed behind."""
    api = engine.client.api
    volumes = {str(one["Name"]) for one in api.volumes()["Volumes"] or ()}
    images = {f"{one['RepoTags'] or '<none>'} {one['Id']}" for one in api.images()}
    listed = {
        "containers": {str(one["Names"]) for one in api.containers(all=True) if "membudget" in str(one["Names"])},
        "networks": {str(one["Name"]) for one in api.networks() if "membudget" in str(one["Name"])},
        "volumes": {name for name in volumes if "membudget" in name or _ANONYMOUS.fullmatch(name)},
        "images": {image for image in images if TRIAL_IMAGES in image or "<none>" in image},
        "cgroups": set(our_cgroups(_CGROUPS)),
        "temporary": {path.name for path in Path(tempfile.gettempdir()).glob("membudget*")},
        "helpers": _helper_processes(),
    }
    if repository is not None:
        told = subprocess.run(
            ["git", "worktree", "list", "--porcelain"], cwd=repository, capture_output=True, text=True, check=True
        )
        listed["worktrees"] = {line for line in told.stdout.splitlines() if line.startswith("worktree ")}
    return listed


def _helper_processes() -> set[str]:
    """Processes of ours that run programs of membudget."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word.startswith(b"membudget.") for word in words):
            found.add(f"{process.name} {b' '.join(words).decode(errors='replace')}")
    return found
