"""Removes things of the engine: containers, images, networks and volumes. They may be gone already."""

import time
from collections.abc import Callable, Iterable
from functools import partial

from docker.errors import APIError, NotFound

from membudget.engine.connection import RUN_LABEL, Engine, engine_errors
from membudget.engine.run_id import RunId

_PATIENCE_S = 10.0
_PAUSE_S = 0.5


def patience_ends() -> float:
    """Return until when an engine is asked again that refuses to remove containers, on the clock of `monotonic`."""
    return time.monotonic() + _PATIENCE_S


def remove_container(engine: Engine, container_id: str, end: float | None = None) -> None:
    """Remove a container and its anonymous volumes, even while it runs. It may be gone already.

    On a busy machine, an engine may refuse at first: Podman if it does not see in time that the container's process has
    ended, Docker (409) while it removes the container already. So it is asked again until `end`, by default for ten
    seconds. Several containers have one `end`. Raises docker's APIError if the engine still refuses.
    """
    end = patience_ends() if end is None else end
    while True:
        try:
            unless_gone(partial(engine.client.api.remove_container, force=True, v=True), container_id)
            return
        except APIError as error:
            may_change = error.status_code == 409 or error.is_server_error()
            if not may_change or time.monotonic() >= end:
                raise
        time.sleep(_PAUSE_S)


def remove_networks_and_volumes(engine: Engine, run: RunId, prefix: str) -> None:
    """Remove the networks and volumes of `run` whose names start with `prefix`. They may be gone already."""
    api, label = engine.client.api, {"label": f"{RUN_LABEL}={run}"}
    with engine_errors("removing networks and volumes"):
        networks = [str(network["Name"]) for network in api.networks(filters=label)]
        volumes = [str(volume["Name"]) for volume in api.volumes(filters=label)["Volumes"] or ()]
        for names, remove in ((networks, api.remove_network), (volumes, api.remove_volume)):
            remove_each(partial(unless_gone, remove), (name for name in names if name.startswith(prefix)))


def remove_each(remove: Callable[[str], None], names: Iterable[str]) -> None:
    """Call `remove` with each name, also after the engine has refused one. Raises the first APIError at the end."""
    refused: APIError | None = None
    for name in names:
        try:
            remove(name)
        except APIError as error:
            refused = refused or error
    if refused is not None:
        raise refused


def unless_gone(remove: Callable[[str], object], name: str) -> None:
    """Call `remove` with a name or ID that may be gone already."""
    try:
        remove(name)
    except NotFound:
        return
