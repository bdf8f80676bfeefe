"""Reads a compose file of a checkout. It is the pull request's: nothing outside of the repository is read for it."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath

import yaml
from pydantic import JsonValue, TypeAdapter, ValidationError

from membudget.budgets.container import ComposeSettings
from membudget.core.errors import ConfigurationError
from membudget.engine.compose import ComposeModel, ComposeRefused
from membudget.measure.inputs import LARGEST_SETTINGS_BYTES, existing, read_input
from membudget.measure.pod_plan import PodPlan, plan_pod

_OBJECT = TypeAdapter(dict[str, JsonValue])
_MOST_VALUES = 100_000
"""With every alias written out: a few lines of aliases can stand for more than a machine holds."""

Resolve = Callable[[ComposeModel, Path, Path | None], ComposeModel]


def read_pod(settings: ComposeSettings, image_name: str, checkout: Path, resolve: Resolve, *, is_open: bool) -> PodPlan:
    """The pod that measures `image_name`. `resolve` is compose's own reading. Raises ConfigurationError."""
    model = _read(settings.file, f"images.{image_name}.compose.file", checkout)
    env_file = checkout / ".env"
    has_variables = env_file.exists() or env_file.is_symlink()
    try:
        resolved = resolve(model, checkout, _readable(checkout, ".env", settings.file) if has_variables else None)
    except ComposeRefused as error:
        raise ConfigurationError(f"docker compose says: {error}", where=settings.file) from None
    return plan_pod(resolved, settings, image_name, PurePosixPath(checkout), is_open=is_open)


def _read(name: str, where: str, checkout: Path) -> ComposeModel:
    content = read_input(checkout, name, where, LARGEST_SETTINGS_BYTES)
    try:
        given = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"cannot be read as YAML: {error}", where=name) from None
    if _size(given, {}) > _MOST_VALUES:
        raise ConfigurationError(f"has more than {_MOST_VALUES:,} values", where=name)
    try:
        model = _OBJECT.validate_python(given)
    except (ValidationError, RecursionError):
        raise ConfigurationError("is no compose file: its keys are names, its values plain", where=name) from None
    _check_references(model, name, checkout)
    return model


def _check_references(model: ComposeModel, name: str, checkout: Path) -> None:
    """Raise ConfigurationError where compose would read a file outside the repository, or one without an end."""
    if "include" in model:
        raise ConfigurationError("include is not known here", where=name, fix="write one compose file for the check")
    services = model.get("services")
    for service, given in (services if isinstance(services, dict) else {}).items():
        if not isinstance(given, dict):
            continue
        extended = given.get("extends")
        if isinstance(extended, dict) and "file" in extended:
            fix = "write one compose file for the check"
            raise ConfigurationError("is not known here", where=f"{name}: services.{service}.extends.file", fix=fix)
        if "label_file" in given:
            raise ConfigurationError("is not known here", where=f"{name}: services.{service}.label_file")
        files = given.get("env_file")
        for entry in files if isinstance(files, list) else [files]:
            path = entry.get("path") if isinstance(entry, dict) else entry
            if path is not None:
                _readable(checkout, str(path), f"{name}: services.{service}.env_file")


def _readable(checkout: Path, name: str, where: str) -> Path:
    """A file that compose may read: a plain file of the checkout, of bounded size. Raises ConfigurationError."""
    read_input(checkout, name, where, LARGEST_SETTINGS_BYTES)
    return existing(checkout, name, where)


def _size(value: object, known: dict[int, int]) -> int:
    """How many values it is with every alias written out. One that contains itself is endless."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in known:
        known[id(value)] = _MOST_VALUES + 1  # until it is counted
        inner = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_size(part, known) for part in inner)
    return known[id(value)]
