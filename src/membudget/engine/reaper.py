"""Nothing stays behind: removes what a run has in the engine, and what killed runs left there."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from docker.errors import ImageNotFound, NotFound

from membudget.engine.connection import RUN_LABEL, Engine, engine_errors
from membudget.engine.run_id import RunId

TRIAL_IMAGES = "membudget-trial"
"""The repository of the images we build; the run id is in the tag."""

_UNSEEN_RUN_LASTS_S = 6 * 3600
"""A run whose process we cannot see, with no container running, is believed dead after this time."""


def trial_tag(image_name: str, run: RunId, side: str) -> str:
    """The reference of an image that a run built."""
    return f"{TRIAL_IMAGES}/{image_name}:{run}-{side}"


def remove_run(engine: Engine, run: RunId) -> None:
    """Remove every container of `run`, its networks and volumes, and every image tag."""
    client = engine.client
    label = {"label": f"{RUN_LABEL}={run}"}
    with engine_errors("cleaning up"):
        for container in client.api.containers(all=True, filters=label):
            if _run_of_container(container) == run:
                _unless_gone(lambda name: client.api.remove_container(name, force=True, v=True), container["Id"])
        for tag in _trial_tags(engine):
            if _run_of_tag(tag) == run:
                _unless_gone(client.api.remove_image, tag)
    remove_networks_and_volumes(engine, run, f"membudget-{run}-")


def remove_networks_and_volumes(engine: Engine, run: RunId, prefix: str) -> None:
    """Those with the label of `run` whose names begin with `prefix`; what is gone already is fine."""
    api, label = engine.client.api, {"label": f"{RUN_LABEL}={run}"}
    with engine_errors("removing networks and volumes"):
        networks = [str(network["Name"]) for network in api.networks(filters=label)]
        volumes = [str(volume["Name"]) for volume in api.volumes(filters=label)["Volumes"] or ()]
        for names, remove in ((networks, api.remove_network), (volumes, api.remove_volume)):
            for name in names:
                if name.startswith(prefix):
                    _unless_gone(remove, name)


def runs_present(engine: Engine) -> set[RunId]:
    """The runs that have anything in the engine."""
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
    """Those of `runs` that nobody works on any more."""
    moment = time.time() if now is None else now
    return {run for run in runs if _is_abandoned(engine, run, owner_lives(run), moment)}


def _is_abandoned(engine: Engine, run: RunId, lives: bool | None, now: float) -> bool:
    if lives is not None:
        return not lives
    with engine_errors("looking for what earlier runs left"):
        working = engine.client.api.containers(filters={"label": f"{RUN_LABEL}={run}", "status": "running"})
    return not working and now - run.started_at > _UNSEEN_RUN_LASTS_S


def _trial_tags(engine: Engine) -> list[str]:
    images = engine.client.api.images(filters={"reference": f"{TRIAL_IMAGES}/*"})
    return [tag for image in images for tag in image["RepoTags"] or [] if tag.startswith(f"{TRIAL_IMAGES}/")]


def _run_of_tag(tag: str) -> RunId | None:
    return RunId.parse(tag.rpartition(":")[2].partition("-")[0])


def _run_of_container(container: Mapping[str, Any]) -> RunId | None:
    """The run that made a container: label and name say it. The label alone may come from the image."""
    run = RunId.parse(str(container["Labels"].get(RUN_LABEL)))
    ours = any(name.startswith("/membudget-") and name.endswith(f"-{run}") for name in container["Names"] or ())
    return run if ours else None


def _run_of_network(network: Mapping[str, Any]) -> RunId | None:
    """The run that made a network: label and name say it."""
    run = RunId.parse(str((network["Labels"] or {}).get(RUN_LABEL)))
    return run if str(network["Name"]).startswith(f"membudget-{run}-") else None


def _unless_gone(remove: Callable[[str], object], name: str) -> None:
    try:
        remove(name)
    except (NotFound, ImageNotFound):
        return
