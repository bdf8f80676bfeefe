"""An image of membudget's own programs, which the engine makes of an archive, without a registry or a builder."""

import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from docker.errors import APIError

from membudget.core.errors import DoctorCheck, EnvironmentFault
from membudget.core.work import shielded
from membudget.engine.cleanup import trial_tag
from membudget.engine.connection import Engine, engine_errors
from membudget.engine.run_id import RunId


@contextmanager
def image_of(engine: Engine, run: RunId, name: str, files: Mapping[str, bytes]) -> Iterator[str]:
    """Make an image of executables alone, by their names, and yield its ID.

    It is removed in the end, or by what removes everything that belongs to `run`. Raises EnvironmentFault.
    """
    reference = trial_tag(name, run, "doctor")
    with engine_errors(f"making the image of the {name}"):
        # Podman only takes the tag as a part of the name. Docker takes it either way.
        said = engine.client.api.import_image_from_data(_archive(files), repository=reference)
        _require_no_error(str(said))
        image_id = str(engine.client.images.get(reference).id)
    try:
        yield image_id
    finally:
        with shielded(), suppress(EnvironmentFault), engine_errors("removing the image"), suppress(APIError):
            engine.client.api.remove_image(reference)


def _require_no_error(said: str) -> None:
    """Raise EnvironmentFault if the engine tells an error in its answer (Engine API, ImageCreate: JSON lines)."""
    for line in said.splitlines():
        with suppress(ValueError, RecursionError):
            told = json.loads(line)
            if isinstance(told, dict) and "error" in told:
                raise EnvironmentFault(f"the engine cannot make an image: {told['error']}", check=DoctorCheck.DISK)


def _archive(files: Mapping[str, bytes]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return written.getvalue()
