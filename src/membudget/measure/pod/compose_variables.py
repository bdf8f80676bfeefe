"""The variables that a compose file sets for the service of an image that is measured without its compose file.

They are only named in the reason of a failed trial. So the file is read when the first trial has failed. Whatever is
wrong with it means that there are none.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Lock

from membudget.budgets.container import COMPOSE_FILES
from membudget.budgets.entries import Build
from membudget.core.errors import ConfigurationError
from membudget.measure.assumed import ComposeVariables
from membudget.measure.pod.compose_file import read_model

_NAME = re.compile(r"[A-Za-z_]\w{0,99}", re.ASCII)
_LARGEST_BYTES = 256 << 10
"""Larger files are not read: parsing one takes seconds, for a hint."""


class ComposeFile:
    """The compose file of one checkout, which is read at most once."""

    def __init__(self, checkout: Path) -> None:
        self._checkout = checkout
        self._reading = Lock()
        self._read: tuple[str, Mapping[str, object]] | None = None
        """The file's name and its services. None before they are read."""

    def variables(self, image_name: str, build: Build) -> ComposeVariables | None:
        """Return the variables of the service that is called like the image or is built from the same Dockerfile."""
        with self._reading:
            self._read = file, services = self._read or self._services()
        name = _service(services, image_name, build)
        given = _mapping(services[name]).get("environment") if name is not None else None
        names = tuple(dict.fromkeys(_variables(given)))
        return ComposeVariables(file, name, names) if name is not None and names else None

    def _services(self) -> tuple[str, Mapping[str, object]]:
        file = next((name for name in COMPOSE_FILES if (self._checkout / name).is_file()), None)
        if file is None:
            return "", {}
        try:
            return file, _mapping(read_model(file, file, self._checkout, _LARGEST_BYTES).get("services"))
        except ConfigurationError:
            return file, {}


def _service(services: Mapping[str, object], image_name: str, build: Build) -> str | None:
    if image_name in services:
        return image_name
    wanted = _dockerfile(build.context, build.dockerfile)
    same = [name for name, given in services.items() if _built_from(_mapping(given).get("build")) == wanted]
    return same[0] if len(same) == 1 else None


def _built_from(build: object) -> str | None:
    if isinstance(build, str):
        return _dockerfile(build, "Dockerfile")
    given = _mapping(build)
    context = given.get("context")
    return _dockerfile(context, str(given.get("dockerfile") or "Dockerfile")) if isinstance(context, str) else None


def _dockerfile(context: str, dockerfile: str) -> str:
    return posixpath.normpath(posixpath.join(context, dockerfile))


def _variables(environment: object) -> Iterator[str]:
    """Yield names, from the form of a mapping or of a list (NAME=VALUE, or NAME)."""
    given = environment if isinstance(environment, list) else list(_mapping(environment))
    names = (str(entry).partition("=")[0] for entry in given)
    yield from (name for name in names if _NAME.fullmatch(name))


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
