"""Cleans up at the end of a run, on every path: everything that this run created, and leftovers of killed runs."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from membudget.core.errors import EnvironmentFault
from membudget.engine.cgroup_removal import SYSTEM_BUS, CgroupsRemain, our_cgroups, remove_cgroups
from membudget.engine.cgroups import CGROUP_ROOT, CgroupDriver, run_name, run_of
from membudget.engine.connection import RUN_LABEL, Engine, engine_errors
from membudget.engine.containers import Containers
from membudget.engine.helper import DockerHelper
from membudget.engine.options import ContainerOptions
from membudget.engine.removal import (
    patience_ends,
    remove_container,
    remove_each,
    remove_networks_and_volumes,
    unless_gone,
)
from membudget.engine.run_id import RunId, owner_lives

TRIAL_IMAGES = "membudget-trial"
"""The repository of the images that membudget builds. The run ID is part of the tag."""

_REGISTRY = "docker.io/"
"""Podman puts the default registry in front of the names that its Docker API is given."""
_UNSEEN_RUN_LASTS_S = 6 * 3600
"""If a run's process cannot be seen and no container of it runs, the run counts as dead after this time."""


def trial_tag(image_name: str, run: RunId, side: str) -> str:
    """Return the reference of an image that a run built."""
    return f"{TRIAL_IMAGES}/{image_name}:{run}-{side}"


def remove_run(engine: Engine, run: RunId) -> None:
    """Remove all containers, networks, volumes and image tags of `run`.

    Raises EnvironmentFault if the engine refuses some; the rest is removed all the same.
    """
    api = engine.client.api
    with ExitStack() as parts:  # in turn from the last to the first, each also if one before it failed
        parts.callback(remove_networks_and_volumes, engine, run, f"membudget-{run}-")
        parts.callback(_remove_images, engine, run)
        with engine_errors("cleaning up"):
            found = api.containers(all=True, filters={"label": f"{RUN_LABEL}={run}"})
            ours = (container["Id"] for container in found if _run_of_container(container) == run)
            remove_each(partial(remove_container, engine, end=patience_ends()), ours)


def _remove_images(engine: Engine, run: RunId) -> None:
    with engine_errors("cleaning up"):
        ours = (tag for tag in _trial_tags(engine) if _run_of_tag(tag) == run)
        remove_each(partial(unless_gone, engine.client.api.remove_image), ours)


def runs_present(engine: Engine) -> set[RunId]:
    """Return the runs that have anything in the engine."""
    client = engine.client
    with engine_errors("looking for what earlier runs left"):
        containers = client.api.containers(all=True, filters={"label": RUN_LABEL})
        networks = client.api.networks(filters={"label": RUN_LABEL})
        tags = _trial_tags(engine)
    runs = [*map(_run_of_container, containers), *map(_run_of_network, networks), *map(_run_of_tag, tags)]
    return {run for run in runs if run is not None}


def abandoned(
    engine: Engine, runs: Iterable[RunId], owner_lives: Callable[[RunId], bool | None], now: float | None = None
) -> set[RunId]:
    """Return those of `runs` whose process is dead."""
    moment = time.time() if now is None else now
    return {run for run in runs if _is_abandoned(engine, run, owner_lives(run), moment)}


def _is_abandoned(engine: Engine, run: RunId, lives: bool | None, now: float) -> bool:
    if lives is not None:
        return not lives
    with engine_errors("looking for what earlier runs left"):
        working = engine.client.api.containers(filters={"label": f"{RUN_LABEL}={run}", "status": "running"})
    return not working and now - run.started_at > _UNSEEN_RUN_LASTS_S


def _trial_tags(engine: Engine) -> list[str]:
    ours = f"{_REGISTRY if engine.info.kind == 'podman' else ''}{TRIAL_IMAGES}/"
    images = engine.client.api.images(filters={"reference": f"{ours}*"})
    return [tag for image in images for tag in image["RepoTags"] or [] if tag.startswith(ours)]


def _run_of_tag(tag: str) -> RunId | None:
    return RunId.parse(tag.rpartition(":")[2].partition("-")[0])


def _run_of_container(container: Mapping[str, Any]) -> RunId | None:
    """Return the run that created a container. Both label and name must match, because an image can set the label."""
    run = RunId.parse(str(container["Labels"].get(RUN_LABEL)))
    ours = any(name.startswith("/membudget-") and name.endswith(f"-{run}") for name in container["Names"] or ())
    return run if ours else None


def _run_of_network(network: Mapping[str, Any]) -> RunId | None:
    """Return the run that created a network. Both label and name must match."""
    run = RunId.parse(str((network["Labels"] or {}).get(RUN_LABEL)))
    return run if str(network["Name"]).startswith(f"membudget-{run}-") else None


_MODULE = "membudget.engine.cgroup_removal"
_MOUNT = Path("/membudget-cgroup")
_ANSWER_S = 30.0

Warn = Callable[[str], None]


@contextmanager
def cleaned_up(
    engine: Engine, containers: Containers, helper_image: str | None, warn: Warn, *, makes_cgroups: bool = True
) -> Iterator[None]:
    """Remove leftovers of dead runs, do the work, then remove everything of this run, whatever happens.

    `helper_image` is None if this process may remove cgroups itself. Failures to remove something are passed to `warn`,
    so that they do not hide the result of the work.
    """
    with _told(warn):
        for run in abandoned(engine, runs_present(engine), owner_lives):
            with _told(warn):  # apart, so that a run that cannot be removed does not keep the others
                remove_run(engine, run)
    try:
        yield
    finally:
        with _told(warn):
            remove_run(engine, containers.run)
        if makes_cgroups:
            with _told(warn), _removal(engine, containers, helper_image) as cgroups:
                own = run_name(containers.run, engine.info.cgroup_driver)
                with _told(warn):  # first and apart, because only a live engine can tell about other runs
                    cgroups.remove([own])
                cgroups.remove(_of_dead_runs(engine, cgroups.ours(), own))


@contextmanager
def _told(warn: Warn) -> Iterator[None]:
    try:
        yield
    except (EnvironmentFault, CgroupsRemain) as error:
        warn(f"clean-up is incomplete, the next run tries again: {error}")


class _Removal(Protocol):
    """Lists and removes cgroups of ours on the engine's machine."""

    def ours(self) -> Sequence[str]:
        """Return the names of the top-level cgroups of every run."""

    def remove(self, names: Sequence[str]) -> None:
        """Raise CgroupsRemain if some stay."""


@dataclass(frozen=True, slots=True)
class _OwnRemoval:
    """Removes cgroups in this process."""

    driver: CgroupDriver

    def ours(self) -> Sequence[str]:
        return our_cgroups(Path(CGROUP_ROOT))

    def remove(self, names: Sequence[str]) -> None:
        remove_cgroups(Path(CGROUP_ROOT), names, self.driver)


@dataclass(frozen=True, slots=True)
class _HelperRemoval:
    """Removes cgroups in a helper container."""

    helper: DockerHelper
    driver: CgroupDriver

    def ours(self) -> Sequence[str]:
        listed = _ask(self.helper, {"order": "list", "root": str(_MOUNT)})["names"]
        return [str(name) for name in listed] if isinstance(listed, list) else []

    def remove(self, names: Sequence[str]) -> None:
        order: dict[str, object] = {"order": "remove", "root": str(_MOUNT), "names": list(names), "driver": self.driver}
        remaining = _ask(self.helper, order)["remaining"]
        if remaining:
            raise CgroupsRemain(str(remaining))


@contextmanager
def _removal(engine: Engine, containers: Containers, helper_image: str | None) -> Iterator[_Removal]:
    driver = engine.info.cgroup_driver
    if helper_image is None:
        yield _OwnRemoval(driver)
        return
    helper = DockerHelper(containers, _MODULE, _removal_options(helper_image, driver == "systemd"))
    try:
        yield _HelperRemoval(helper, driver)
    finally:
        helper.close()


def _of_dead_runs(engine: Engine, names: Sequence[str], own: str) -> list[str]:
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
        capabilities=("DAC_OVERRIDE",),  # the host's root owns the folders, and nobody else may write to their parent
        binds=tuple(binds),
        host_namespaces=True,
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
