"""What membudget could leave behind: a test lists it before, and asks afterwards what is new.

Others use this machine as well: another clone's tests, another engine. What belongs to a run whose process lives and
was started elsewhere is theirs, and so is what they made and remove while we look.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from docker.errors import APIError

from membudget.build.docker_images import CONTENT_LABEL
from membudget.engine.cgroup_removal import CgroupsRemain, our_cgroups, remove_cgroups
from membudget.engine.cleanup import TRIAL_IMAGES
from membudget.engine.connection import RUN_LABEL, Engine
from membudget.engine.run_id import RunId, own_run_id, owner_lives
from second_engine import TESTS_BESIDE, folder_in
from tests.support.awaited import PATIENCE_S
from tests.support.started import end_started, started_pids

Listed = dict[str, set[str]]
"""Names by kind."""
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")
_RUN = re.compile(r"[0-9a-f]{8}x\d+x\d+x[0-9a-f]{8}x\d+x[0-9a-f]{4}")
_CGROUPS = Path("/sys/fs/cgroup")
_TEMPORARY = Path(tempfile.gettempdir())


@contextlib.contextmanager
def nothing_stays(engine: Engine, repository: Path | None = None) -> Iterator[None]:
    """Fails where something stays behind, and removes it, as what stays of a test that fails: the next ones pass."""
    before = leftovers(engine, repository)
    left: Listed = {}
    try:
        yield
        left = since(before, engine, repository)
    finally:
        end_started()
        remove(engine, new(before, leftovers(engine, repository)), repository)
    assert left == {}, f"this stayed behind: {left}"


def since(before: Listed, engine: Engine, repository: Path | None = None) -> Listed:
    """What is new since, by kind; kinds without anything new are left out.

    What a run left that was not started from here gets time: whoever killed it removes it, or lets another remove it.
    So does a helper: it ends by itself when nobody gives it orders any more.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = new(before, leftovers(engine, repository))
        strange = any(_is_of_a_stranger(name) for names in found.values() for name in names)
        if not (strange or "helpers" in found) or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def new(before: Listed, after: Listed) -> Listed:
    """What one list has and another does not. That something went away meanwhile is nobody's fault."""
    found = {kind: names - before.get(kind, set()) for kind, names in after.items()}
    return {kind: names for kind, names in found.items() if names}


def leftovers(engine: Engine, repository: Path | None = None) -> Listed:
    """What is ours, or has no name and no other owner, by kind."""
    api = engine.client.api
    containers = api.containers(all=True)
    others = [one for one in containers if _is_anothers(one["Labels"])]
    of_others = {str(mount.get("Name")) for one in others for mount in one["Mounts"]}
    volumes = {str(one["Name"]) for one in api.volumes()["Volumes"] or ()}
    listed = {
        "containers": {name for one in containers if _is_ours(name := one["Names"][0].removeprefix("/"))},
        "networks": {name for one in api.networks() if _is_ours(name := str(one["Name"]))},
        "volumes": {name for name in volumes if _is_ours(name) or _ANONYMOUS.fullmatch(name)} - of_others,
        "images": _images(engine),
        "cgroups": {name for name in our_cgroups(_CGROUPS) if not _may_be_of_tests_beside(name)},
        "temporary": {path.name for path in _TEMPORARY.glob("membudget*") if _is_of_a_run(path.name)},
        "helpers": _helper_processes(),
    }
    if repository is not None:
        told = subprocess.run(
            ["git", "worktree", "list", "--porcelain"], cwd=repository, capture_output=True, text=True, check=True
        )
        listed["worktrees"] = {line for line in told.stdout.splitlines() if line.startswith("worktree ")}
    return {kind: {name for name in names if not _is_at_work_elsewhere(name)} for kind, names in listed.items()}


def remove(engine: Engine, left: Listed, repository: Path | None = None) -> None:
    """Remove what was left, as far as that goes."""
    api = engine.client.api
    removals: dict[str, Callable[[str], object]] = {
        "helpers": lambda name: os.kill(int(name.split()[0]), signal.SIGKILL),
        "containers": lambda name: api.remove_container(name, force=True, v=True),
        "networks": api.remove_network,
        "volumes": api.remove_volume,
        "images": lambda name: api.remove_image(name.split()[0], force=True),
        "temporary": lambda name: shutil.rmtree(_TEMPORARY / name),
        "worktrees": lambda name: shutil.rmtree(name.removeprefix("worktree ")),
    }
    for kind, removal in removals.items():
        for name in left.get(kind, ()):
            with contextlib.suppress(APIError, OSError):  # gone meanwhile; what stays is in the next list before
                removal(name)
    if repository is not None and "worktrees" in left:
        subprocess.run(["git", "worktree", "prune"], cwd=repository, capture_output=True, check=False)
    with contextlib.suppress(CgroupsRemain, OSError):
        remove_cgroups(_CGROUPS, left.get("cgroups", ()), engine.info.cgroup_driver)


def _is_ours(name: str) -> bool:
    """Whether something in the engine is membudget's by its name. act names what is its own after the workflow."""
    return "membudget" in name and not name.startswith("act-")


def _is_anothers(labels: Mapping[str, str]) -> bool:
    """Whether a container with these labels is no run's, or that of a run elsewhere."""
    return RUN_LABEL not in labels or _is_at_work_elsewhere(labels[RUN_LABEL])


def _images(engine: Engine) -> set[str]:
    """Tags of ours, and images without one that we built."""
    found = set()
    for one in engine.client.api.images():
        tags = [tag for tag in one["RepoTags"] or () if "<none>" not in tag]
        found |= {tag for tag in tags if tag.startswith(f"{TRIAL_IMAGES}/")}
        if not tags and CONTENT_LABEL in (one["Labels"] or {}):
            found.add(str(one["Id"]))
    return found


def _is_of_a_run(name: str) -> bool:
    """Whether a temporary file or folder is a run's, or tells of a bug; the project's own tools have some as well."""
    return _RUN.search(name) is not None or name.startswith("membudget-bug-")


def _run_in(name: str) -> RunId | None:
    found = _RUN.search(name)
    return RunId.parse(found[0]) if found is not None else None


def _is_at_work_elsewhere(name: str) -> bool:
    """Whether something belongs to a run whose process lives and does not descend from this one."""
    run = _run_in(name)
    if run is None or run.owner.pid in started_pids():
        return False
    lives = owner_lives(run)
    if lives is None:
        return run.owner.boot == own_run_id().owner.boot and _namespace_lives(run.owner.pid_namespace)
    return lives and os.getpid() not in _ancestors(run.owner.pid)


def _is_of_a_stranger(name: str) -> bool:
    """Whether something belongs to a run that we know not to have started, or may not have started."""
    run = _run_in(name)
    return run is not None and run.owner.pid not in {os.getpid(), *started_pids()}


def _may_be_of_tests_beside(name: str) -> bool:
    """Whether a cgroup may be that of a run which tests on another engine started, and perhaps killed."""
    run = _run_in(name)
    if os.environ.get(TESTS_BESIDE) != "1" or run is None:
        return False
    return run.owner.pid_namespace == own_run_id().owner.pid_namespace and _is_of_a_stranger(name)


def _namespace_lives(namespace: str) -> bool:
    """Whether any process is in a PID namespace, such as a container's."""
    for link in Path("/proc").glob("[0-9]*/ns/pid"):
        with contextlib.suppress(OSError):
            if f"{link.stat().st_ino & 0xFFFFFFFF:08x}" == namespace:
                return True
    return False


def _ancestors(pid: int) -> list[int]:
    """A process and whom it descends from."""
    found = [pid]
    with contextlib.suppress(OSError):
        while found[-1] > 1:
            found.append(int(Path(f"/proc/{found[-1]}/stat").read_text().rpartition(")")[2].split()[1]))
    return found


def _helper_processes() -> set[str]:
    """Processes that run programs of membudget: ours, and those whose parent is gone."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        words = _words(process)
        if not any(word.startswith(b"membudget.") for word in words):
            continue
        ancestors = _ancestors(int(process.name))
        parent, *others = [_words(Path(f"/proc/{pid}")) for pid in ancestors[1:]] or [[]]
        if _is_of_tests_beside(process, [parent, *others]):
            continue
        if os.getpid() in ancestors or not any(b"python" in word or b"membudget" in word for word in parent):
            found.add(f"{process.name} {b' '.join(words).decode(errors='replace')}")
    return found


def _is_of_tests_beside(process: Path, ancestors: Iterable[Sequence[bytes]]) -> bool:
    """Whether a process works for another engine that tests use: below its folder, or in a container of it.

    `ancestors` are their words. The engine's own process beside a container has the engine's folder among its words.
    """
    if os.environ.get(TESTS_BESIDE) != "1":
        return False
    told = [word for word in _words(process, "environ") if word.startswith(b"TMPDIR=")]
    told += [word for words in ancestors for word in words]
    folder = next(filter(None, (folder_in(word.decode(errors="replace")) for word in told)), None)
    return folder != folder_in(os.environ.get("TMPDIR", ""))


def _words(process: Path, file: str = "cmdline") -> list[bytes]:
    try:
        return (process / file).read_bytes().split(b"\0")
    except OSError:
        return []
