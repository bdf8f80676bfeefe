"""Checks the compose files that a budgets file names: whether they can be read, and have the services in question."""

from collections.abc import Iterator
from pathlib import Path

from membudget.budgets.entries import Budgets, ComposeSettings
from membudget.budgets.faults import Fault
from membudget.budgets.key_path import Guesses
from membudget.budgets.lines import Keys
from membudget.core.errors import Problem, shortened
from membudget.core.files import read_plain
from membudget.setup.finding import Finding
from membudget.setup.yaml_text import MOST_ENTRIES, InvalidYaml, documents, entries, get

_LONGEST_LIST = 200
LARGEST_COMPOSE_BYTES = 256 * 1024
"""Larger files are left to the check, because reading them takes seconds."""


def unknown_services(budgets: Budgets, top: Path, guesses: Guesses) -> tuple[list[Fault], list[Finding]]:
    """Return services that compose files do not have, and compose files that cannot be read.

    `top` is the top of the repository.
    """
    files: dict[str, list[str] | InvalidYaml | None] = {}
    faults: list[Fault] = []
    for image, spec in budgets.images.items():
        settings = spec.compose
        if settings is None:
            continue
        if settings.file not in files:
            files[settings.file] = _services(top / settings.file)
        services = files[settings.file]
        if isinstance(services, list):
            faults += _unknown(settings, image, services, guesses)
    broken = [
        Finding(Problem(file, "", f"cannot be read as YAML: {error.reason}", line=error.line, column=error.column))
        for file, error in files.items()
        if isinstance(error, InvalidYaml)
    ]
    return faults, broken


def _services(path: Path) -> list[str] | InvalidYaml | None:
    """Return the names of the services. None if the file is too large, or gets services from elsewhere."""
    try:
        data = read_plain(path, LARGEST_COMPOSE_BYTES)
        if len(data) > LARGEST_COMPOSE_BYTES:
            return None
        root = next(iter(documents(data.decode())), None)
    except InvalidYaml as error:
        return error
    except (OSError, UnicodeDecodeError):
        return None
    if get(root, "include") is not None:
        return None
    services = [service.text for service, _ in entries(get(root, "services"))]
    return services if len(services) < MOST_ENTRIES else None


def _unknown(settings: ComposeSettings, image: str, services: list[str], guesses: Guesses) -> Iterator[Fault]:
    table: Keys = ("images", image, "compose")
    named: list[tuple[Keys, str]] = [((*table, "service"), settings.service or image)]
    named += [((*table, "sidecars", number), sidecar) for number, sidecar in enumerate(settings.sidecars)]
    known = frozenset(services)
    for keys, service in named:
        if service not in known:
            what = f"names a service that {settings.file} does not have"
            listed = shortened(", ".join(services), _LONGEST_LIST)
            yield Fault(keys, what, service, listed, guesses.similar(service, services.copy))
