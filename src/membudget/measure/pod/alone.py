"""How the measured service of a trial starts alone, in the container in which its runtime is asked about its memory.

Its compose file or its manifest sets variables, user, command and files, as in the trial. The services around it are
not there, and nothing has a network.
"""

import posixpath
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from membudget.budgets.deployed_pod import PodFile
from membudget.engine.containers import Containers
from membudget.measure.inputs import existing
from membudget.measure.pod.pod import write_file
from membudget.measure.pod_plan import PodDefinition, PodPlan, mapping
from membudget.measure.trial import TrialInputs, TrialSpec


@dataclass(frozen=True, slots=True)
class Alone:
    """What a container gets. None stands for what the image says."""

    environment: Mapping[str, str]
    user: str | None
    read_only: bool
    volumes: tuple[str, ...]
    """The paths of new volumes."""
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    workdir: str | None = None


def alone(spec: TrialSpec) -> Alone:
    """Return what the service of a trial gets if it starts alone. The budgets file stands before compose."""
    inputs, own = spec.inputs, spec.workload.start
    definition: PodDefinition = {}
    if inputs.pod is not None:
        definition = inputs.pod.services[inputs.pod.measured].definition
    return Alone(
        {**(inputs.pod.variables if inputs.pod is not None else {}), **inputs.environment},
        inputs.user or _text(definition.get("user")),
        inputs.read_only or definition.get("read_only") is True,
        (*inputs.volumes, *(path for path in _mounted(definition) if path not in inputs.volumes)),
        _words(definition.get("entrypoint")),
        own.command if own.command is not None else _words(definition.get("command")),
        own.workdir or _text(definition.get("working_dir")),
    )


def fill(containers: Containers, container_id: str, inputs: TrialInputs) -> None:
    """Copy into a container what the service gets from the repository or from a manifest. Raises EnvironmentFault."""
    pod = inputs.pod
    if pod is not None:
        service = pod.services[pod.measured]
        for source, target in service.copies:
            path = existing(inputs.checkout, source, f"services.{pod.measured}.volumes")
            containers.copy_in(container_id, path, "/", target.lstrip("/"))
        with tempfile.TemporaryDirectory(prefix="membudget-files-") as scratch:
            for target, file in _files(pod):
                single = Path(scratch, "single")
                write_file(single, file)
                containers.copy_in(container_id, single, "/", target.lstrip("/"))
                single.unlink()
    for target, folder in inputs.volumes.items():
        containers.copy_in(container_id, folder, target)


def _files(pod: PodPlan) -> Iterator[tuple[str, PodFile]]:
    """Yield the files of a manifest by their paths in the measured container: single ones, and those of volumes."""
    service = pod.services[pod.measured]
    yield from service.files
    volumes = pod.sandbox.volumes if pod.sandbox is not None else {}
    for mount in _list(service.definition.get("volumes")):
        source, target = (_text(mapping(mount).get(key)) for key in ("source", "target"))
        for file in volumes.get(f"/{source}", ()) if target is not None else ():
            yield posixpath.join(target or "/", file.path), file


def _mounted(definition: PodDefinition) -> Iterator[str]:
    """Yield the paths of volumes and of tmpfs."""
    for mount in _list(definition.get("volumes")):
        if (target := _text(mapping(mount).get("target"))) is not None:
            yield target
    written = definition.get("tmpfs")
    for path in [written] if isinstance(written, str) else _list(written):
        yield _plain(str(path)).partition(":")[0]


def _words(value: JsonValue) -> tuple[str, ...] | None:
    return tuple(_plain(str(word)) for word in value) if isinstance(value, list) else None


def _text(value: JsonValue) -> str | None:
    return _plain(value) if isinstance(value, str) and value else None


def _plain(text: str) -> str:
    """Return a text of a resolved compose file, which writes `$` twice."""
    return text.replace("$$", "$")


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
