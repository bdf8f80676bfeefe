"""What a compose file refers to: the services that a trial needs, and the files that compose would read for them.

The pull request controls the file, which may therefore name nothing outside the checkout.
"""

import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import JsonValue

from membudget.budgets.container import ComposeSettings
from membudget.core.errors import ConfigurationError
from membudget.engine.compose import ComposeModel
from membudget.measure.inputs import LARGEST_SETTINGS_BYTES, existing, read_input

_ONE_FILE = "write one compose file for the check"
_REQUIRED = "required variable"
"""How docker compose begins its message about `${NAME:?}`."""


def needed_part(model: ComposeModel, wanted: tuple[str, ...]) -> dict[str, JsonValue]:
    """Return a compose file without the services that the wanted ones do not need, directly or not.

    Whatever other services name, such as files that are not committed, has no meaning for the trial. If a wanted
    service is missing, the file is returned as it is: the error is to name all services.
    """
    services = _mapping(model.get("services"))
    if any(name not in services for name in wanted):
        return dict(model)
    needed: set[str] = set()
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name not in needed and name in services:
            needed.add(name)
            waiting += _needs(_mapping(services[name]))
    return {**model, "services": {name: given for name, given in services.items() if name in needed}}


def _needs(service: Mapping[str, JsonValue]) -> Iterator[str]:
    """Yield the names of the services that the definition of a service refers to."""
    for key in ("depends_on", "links", "volumes_from"):
        yield from (str(name).partition(":")[0] for name in _names(service.get(key)))
    for key in ("network_mode", "ipc", "pid"):
        mode = str(service.get(key) or "")
        if mode.startswith("service:"):
            yield mode.removeprefix("service:")
    extended = service.get("extends")
    yield str(_mapping(extended).get("service") if isinstance(extended, dict) else extended)


def _names(given: JsonValue) -> list[JsonValue]:
    return given if isinstance(given, list) else [*_mapping(given)]


def with_readable_files(
    model: Mapping[str, JsonValue], settings: ComposeSettings, checkout: Path
) -> dict[str, JsonValue]:
    """Return a compose file that names the stand-ins of its env files. Raises ConfigurationError.

    It is an error if compose would read a file that is missing, outside of the repository, or endless.
    """
    name = settings.file
    if "include" in model:
        raise ConfigurationError("include is not known here", where=name, fix=_ONE_FILE)
    services: dict[str, JsonValue] = {}
    for service, given in _mapping(model.get("services")).items():
        services[service] = given
        if not isinstance(given, dict):
            continue
        extended = given.get("extends")
        if isinstance(extended, dict) and "file" in extended:
            where = f"{name}: services.{service}.extends.file"
            raise ConfigurationError("is not known here", where=where, fix=_ONE_FILE)
        if "label_file" in given:
            raise ConfigurationError("is not known here", where=f"{name}: services.{service}.label_file")
        if "env_file" in given:
            files = list(_env_files(given["env_file"], service, settings, checkout))
            services[service] = {**given, "env_file": files}
    return {**model, "services": services} if "services" in model else dict(model)


def _env_files(given: JsonValue, service: str, settings: ComposeSettings, checkout: Path) -> Iterator[JsonValue]:
    """Yield the entries of `env_file` that compose may read. Paths count from the compose file's folder."""
    folder = posixpath.dirname(settings.file)
    where = f"{settings.file}: services.{service}.env_file"
    for entry in given if isinstance(given, list) else [given]:
        named = entry.get("path") if isinstance(entry, dict) else entry
        if named is None:
            continue
        path = settings.stand_in(posixpath.normpath(posixpath.join(folder, str(named))))
        if path is None:
            continue
        is_required = not isinstance(entry, dict) or entry.get("required") is not False
        if not is_required and not (checkout / path).exists():
            continue
        existing(checkout, path, where, _fix(path))
        readable = str(_readable(checkout, path, where))
        yield {**entry, "path": readable} if isinstance(entry, dict) else readable


def variables_file(settings: ComposeSettings, checkout: Path) -> Path | None:
    """Return the file whose variables compose fills in. None if there is none. Raises ConfigurationError."""
    name = settings.variables_file
    if name is None or not ((checkout / name).exists() or (checkout / name).is_symlink()):
        return None
    return _readable(checkout, name, settings.file)


def fix_for(refusal: str) -> str | None:
    """Return what to do about a message of docker compose."""
    if _REQUIRED not in refusal:
        return None
    return f"commit a file with values for tests, {_named('.env', '.env.example')}"


def missing_mount(path: str) -> str:
    """Return what to do about a mounted file or folder that is not committed."""
    return f"commit it; or {_named(path, f'{path}.example')}; or leave it out: {_entry(path, 'false')}"


def _fix(path: str) -> str:
    return f"{_named(path, f'{path}.example')}; or do without its variables: {_entry(path, 'false')}"


def _named(path: str, instead: str) -> str:
    entry = _entry(path, f'"{instead}"')
    return f"name a committed file in its place: {entry}"


def _entry(path: str, value: str) -> str:
    return f'compose.stand_ins = {{ "{path}" = {value} }}'


def _readable(checkout: Path, name: str, where: str) -> Path:
    """Return a file that compose may read: a regular file of the checkout, of bounded size.

    Raises ConfigurationError.
    """
    read_input(checkout, name, where, LARGEST_SETTINGS_BYTES)
    return existing(checkout, name, where)


def _mapping(value: object) -> Mapping[str, JsonValue]:
    return value if isinstance(value, dict) else {}
