"""The end of a run, on every path: what it made is removed, and what killed runs left behind as well."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from membudget.core.errors import EnvironmentFault
from membudget.engine.cgroup_removal import SYSTEM_BUS, CgroupsRemain, our_cgroups, remove_cgroups
from membudget.engine.cgroups import CGROUP_ROOT, run_name, run_of
from membudget.engine.connection import Engine
from membudget.engine.containers import HELPER_MEMORY_BYTES, Containers
from membudget.engine.helper import DockerHelper
from membudget.engine.options import ContainerOptions
from membudget.engine.reaper import abandoned, remove_run, runs_present
from membudget.engine.run_id import owner_lives

_MODULE = "membudget.engine.cgroup_removal"
_MOUNT = Path("/membudget-cgroup")
_ANSWER_S = 30.0

Warn = Callable[[str], None]


@contextmanager
def cleaned_up(
    engine: Engine, containers: Containers, helper_image: str | None, warn: Warn, *, makes_cgroups: bool = True
) -> Iterator[None]:
    """Reap what dead runs left, then do the work, then remove everything of this run, whatever happened.

    `helper_image` is None where this process may remove cgroups itself. What cannot be removed is told to `warn`:
    a clean-up that fails must not hide how the work ended.
    """
    with _told(warn):
        for run in abandoned(engine, runs_present(engine), owner_lives):
            remove_run(engine, run)
    try:
        yield
    finally:
        with _told(warn):
            remove_run(engine, containers.run)
        if makes_cgroups:
            with _told(warn):
                _remove_cgroups(engine, containers, helper_image)


@contextmanager
def _told(warn: Warn) -> Iterator[None]:
    try:
        yield
    except (EnvironmentFault, CgroupsRemain) as error:
        warn(f"clean-up is incomplete, the next run tries again: {error}")


def _remove_cgroups(engine: Engine, containers: Containers, helper_image: str | None) -> None:
    """Remove this run's cgroups and those of dead runs."""
    driver = engine.info.cgroup_driver
    own = run_name(containers.run, driver)
    if helper_image is None:
        root = Path(CGROUP_ROOT)
        remove_cgroups(root, [own], driver)  # first: whether others' runs are dead, only a living engine may tell
        remove_cgroups(root, _of_dead_runs(engine, our_cgroups(root), own), driver)
        return
    helper = DockerHelper(containers, _MODULE, _removal_options(helper_image, driver == "systemd"))
    try:
        listed = _ask(helper, {"order": "list", "root": str(_MOUNT)})["names"]
        names = [own]
        if isinstance(listed, list):
            names += _of_dead_runs(engine, map(str, listed), own)
        order: dict[str, object] = {"order": "remove", "root": str(_MOUNT), "names": names, "driver": driver}
        remaining = _ask(helper, order)["remaining"]
    finally:
        helper.close()
    if remaining:
        raise CgroupsRemain(str(remaining))


def _of_dead_runs(engine: Engine, names: Iterable[str], own: str) -> list[str]:
    others = {run: name for name in names if name != own and (run := run_of(name)) is not None}
    dead = abandoned(engine, others, owner_lives)
    return [name for run, name in others.items() if run in dead]


def _removal_options(image: str, by_systemd: bool) -> ContainerOptions:
    binds = [f"{CGROUP_ROOT}:{_MOUNT}:rw"]
    if by_systemd:
        binds.append(f"{SYSTEM_BUS}:{SYSTEM_BUS}")
    return ContainerOptions(
        image=image,
        name="removal",
        role="removal",
        entrypoint=("python3", "-m", _MODULE),
        command=(),
        memory_bytes=HELPER_MEMORY_BYTES,
        capabilities=("DAC_OVERRIDE",),  # the folders belong to the host's root, their parent to nobody's write
        binds=tuple(binds),
        host_namespaces=True,
        interactive=True,
    )


def _ask(helper: DockerHelper, order: dict[str, object]) -> dict[str, object]:
    helper.send(json.dumps(order))
    try:
        answer = json.loads(helper.receive(_ANSWER_S))
    except TimeoutError:
        raise CgroupsRemain(f"the removal container did not answer within {_ANSWER_S:.0f} s") from None
    if not isinstance(answer, dict):
        raise CgroupsRemain(f"the removal container answered {answer!r}")
    return answer
