"""Checks the parts of files that a budgets file names: stages, targets of bake files, and services of compose files.

Bake files are not evaluated, because that needs buildx. Their targets are found by their text. Names made by a matrix
are not checked.
"""

from collections.abc import Iterator
from pathlib import Path

from membudget.budgets.container import ComposeSettings
from membudget.budgets.entries import Budgets, Build
from membudget.budgets.faults import Fault
from membudget.budgets.key_path import Guesses
from membudget.budgets.lines import Keys
from membudget.build.bake import LARGEST_BAKE_FILE, bake_names, kind_of, unknown_target
from membudget.contents.dockerfile import LARGEST_DOCKERFILE, Dockerfile, parse_dockerfile
from membudget.core.errors import Problem, shortened
from membudget.core.files import read_plain
from membudget.core.quantities import format_size
from membudget.manifests.yaml_text import MOST_ENTRIES, InvalidYaml, documents, entries, get
from membudget.setup.finding import SetupFinding

_LONGEST_LIST = 200


def unknown_targets(budgets: Budgets, top: Path, guesses: Guesses) -> Iterator[Fault]:
    """Yield the targets of a valid budgets file that no stage has. `top` is the top of the repository."""
    read: dict[str, Dockerfile | None] = {}
    for image, spec in budgets.images.items():
        target = spec.build.target
        if target is None:
            continue
        if spec.build.bake is not None:
            yield from _of_bake_file(spec.build.bake, target, ("images", image, "build"), top, guesses)
            continue
        key = spec.build.model_copy(update={"target": None}).model_dump_json()
        if key not in read:
            read[key] = _stages(spec.build, top)
        dockerfile = read[key]
        if dockerfile is None or not dockerfile.stages or dockerfile.stage(target) is not None:
            continue
        names = [stage.name for stage in dockerfile.stages if stage.name is not None]
        yield Fault(
            ("images", image, "build", "target"),
            f"names no stage of {spec.build.dockerfile}",
            target,
            shortened(", ".join(names), _LONGEST_LIST) if names else "nothing: the stages have no names",
            guesses.similar(target, names.copy),
        )


def _of_bake_file(path: str, target: str, table: Keys, top: Path, guesses: Guesses) -> Iterator[Fault]:
    """Yield the fault of a target that a bake file does not have, or of a file that cannot be read."""
    try:
        data = read_plain(top / path, LARGEST_BAKE_FILE)
    except (OSError, ValueError):
        return
    if len(data) > LARGEST_BAKE_FILE:
        allowed = f"a bake file of at most {format_size(LARGEST_BAKE_FILE)}"
        yield Fault((*table, "bake"), "names a file that is too large", path, allowed)
        return
    names = bake_names(data.decode(errors="replace"), kind_of(path))
    if names is None:
        yield Fault((*table, "bake"), "names a file that is no JSON", path)
    elif (unknown := unknown_target(names, target, path, table, guesses)) is not None:
        yield unknown


def _stages(build: Build, top: Path) -> Dockerfile | None:
    """Return the Dockerfile of a build. None if it cannot be read whole: the build says why."""
    try:
        data = read_plain(top / build.context / build.dockerfile, LARGEST_DOCKERFILE)
    except (OSError, ValueError):
        return None
    if len(data) > LARGEST_DOCKERFILE:
        return None
    return parse_dockerfile(data.decode(errors="replace"), build.args, build.platform)


_LONGEST_LIST = 200
LARGEST_COMPOSE_BYTES = 256 * 1024
"""Larger files are left to the check, because reading them takes seconds."""


def unknown_services(budgets: Budgets, top: Path, guesses: Guesses) -> tuple[list[Fault], list[SetupFinding]]:
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
        SetupFinding(Problem(file, "", f"cannot be read as YAML: {error.reason}", line=error.line, column=error.column))
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
