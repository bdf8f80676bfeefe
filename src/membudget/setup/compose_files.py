"""Finds the services of compose files that are built from the repository, with their ports, checks and limits."""

import posixpath
import re
from collections.abc import Iterator
from itertools import islice

from pydantic import TypeAdapter, ValidationError

from membudget.budgets.container import COMPOSE_FILES
from membudget.budgets.fields import ServiceName
from membudget.manifests.other_platforms import LIMIT_OF_COMPOSE
from membudget.manifests.quantities import InvalidQuantity, compose_bytes
from membudget.manifests.yaml_text import YamlValue
from membudget.setup.compose_inputs import ComposeInputs, Surroundings
from membudget.setup.dockerfiles import asked_by, expanded, is_for_development, ports_in_command
from membudget.setup.found import (
    BuildDefinition,
    ComposeService,
    Deployed,
    Fact,
    HealthProbe,
    Origin,
    image_name,
    last_part,
)
from membudget.setup.manifests import is_possible
from membudget.setup.repository import RepositoryFiles

_NAME = re.compile(r"(?:docker-)?compose(?:[.-][\w.-]+)?\.ya?ml", re.IGNORECASE)
_MOST_SERVICES = 200
_LONGEST_PORT = 100
_SURROUNDINGS = (
    "depends_on", "environment", "env_file", "command", "entrypoint", "volumes", "configs", "secrets", "working_dir",
    "tmpfs", "user", "extra_hosts", "links",
)  # fmt: skip
"""Keys without which the container may not work."""
_PUBLISHED = re.compile(r"(?:[^:]+:)*(\d{1,5})(?:/tcp)?", re.ASCII)
_SERVICE_NAME = TypeAdapter(ServiceName)


def read_compose_files(files: RepositoryFiles) -> list[ComposeService]:
    """Return the services with a build, of all compose files. Of equally named ones in one folder, the first counts.

    The usual names come first, so that a variant for development or tests adds nothing to them.
    """
    paths = files.having(lambda path: _NAME.fullmatch(posixpath.basename(path)) is not None)
    found: dict[tuple[str, str], ComposeService] = {}
    for path in sorted(paths, key=_rank):
        folder = posixpath.dirname(path)
        known = frozenset(service for other, service in found if other == folder)
        text = files.text(path)
        for document in files.documents(path, text)[:1] if text is not None else ():
            inputs = ComposeInputs(files, path, document, text or "")
            found |= {(folder, one.service): one for one in _services(files, path, document, inputs, known)}
    return list(found.values())


def _rank(path: str) -> tuple[int, int, str]:
    name = posixpath.basename(path)
    return path.count("/"), (*COMPOSE_FILES, name).index(name), path


def _services(
    files: RepositoryFiles, path: str, document: YamlValue, inputs: ComposeInputs, known: frozenset[str]
) -> Iterator[ComposeService]:
    """Yield the services with a build, but for those that another file of the folder has."""
    services = list(islice(document.get("services").items(), _MOST_SERVICES))
    awaited = {
        name
        for _, service in services
        for name, need in service.get("depends_on").items()
        if need.get("condition").text == "service_completed_successfully"
    }
    for name, service in services:
        if not service.get("build") or name in known:
            continue
        try:
            _SERVICE_NAME.validate_python(name)
        except ValidationError:
            files.skip(path, f"the service {name!r} has a name that a budgets file cannot have")
            continue
        profiles = service.get("profiles").texts()
        if profiles and all(map(is_for_development, profiles)):
            files.skip(path, f"the service {name} has only profiles for development or tests: {', '.join(profiles)}")
            continue
        build = _build(files, path, name, service)
        if build is None:
            continue
        deployed = Deployed(
            names=(name,),
            origin=Origin(path, service.line),
            limit=_limit(path, service),
            ports=tuple(_ports(path, service)),
            probes=tuple(_probe(path, service)),
            runs_to_end=name in awaited,
            variables={name: value for name, value in service.get("environment").pairs().items() if "$" not in value},
            has_own_command=bool(service.get("command") or service.get("entrypoint")),
        )
        needs_its_file = any(service.get(key) for key in _SURROUNDINGS)
        lacks = inputs.uncommitted(name) if needs_its_file else Surroundings()
        yield ComposeService(build, deployed, name, needs_its_file, lacks.stand_ins, tuple(lacks.remarks))


def _build(files: RepositoryFiles, path: str, name: str, service: YamlValue) -> BuildDefinition | None:
    build = service.get("build")
    where = f"the service {name}"
    written = expanded(build.text or build.get("context").text or ".", {})
    if "://" in written or written.startswith("git@"):
        files.skip(path, f"{where} is built from another repository")
        return None
    if build.get("dockerfile_inline"):
        files.skip(path, f"{where} has its Dockerfile in the compose file, which membudget cannot build")
        return None
    context = posixpath.normpath(posixpath.join(posixpath.dirname(path), written))
    dockerfile = posixpath.normpath(posixpath.join(context, build.get("dockerfile").text or "Dockerfile"))
    if context.startswith(("../", "/")) or context == ".." or not files.has_file(dockerfile):
        files.skip(path, f"{where} names a Dockerfile that the repository does not have: {dockerfile}")
        return None
    image = service.get("image").text
    alias = last_part(image) if image is not None else None
    args = {key: value for key, value in build.get("args").pairs().items() if "$" not in value}
    return BuildDefinition(
        image_name(name),
        context,
        dockerfile,
        Origin(path, build.line),
        build.get("target").text or None,
        args,
        frozenset({alias} if alias is not None else ()),
    )


def _limit(path: str, service: YamlValue) -> Fact[int] | None:
    for keys in LIMIT_OF_COMPOSE:
        value = service.get(*keys)
        try:
            limit = compose_bytes(expanded(value.text, {})) if value.text is not None else None
        except InvalidQuantity:
            continue
        if is_possible(limit):
            return Fact(limit, Origin(path, value.line))
    return None


def _ports(path: str, service: YamlValue) -> Iterator[Fact[int]]:
    for key in ("ports", "expose"):
        for entry in service.get(key).entries():
            value = entry.get("target") if entry.is_mapping else entry
            matched = _PUBLISHED.fullmatch(expanded((value.text or "")[:_LONGEST_PORT], {}))
            if matched is not None and 1 <= int(matched[1]) <= 65535:
                yield Fact(int(matched[1]), Origin(path, value.line))
    command = service.get("command")
    for port in ports_in_command(expanded(" ".join(command.texts()), {})):
        yield Fact(port, Origin(path, command.line))


def _probe(path: str, service: YamlValue) -> Iterator[Fact[HealthProbe]]:
    check = service.get("healthcheck")
    test = check.get("test")
    words = test.texts()
    if not words or words[:1] == ["NONE"] or check.get("disable").text == "true":
        return
    yield Fact(asked_by(" ".join(words).replace("$$", "$"), {}) or HealthProbe(), Origin(path, test.line))
