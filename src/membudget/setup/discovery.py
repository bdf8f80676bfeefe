"""Puts together what the files of a repository say: one entry for each image that is built from it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

from membudget.build.bake import BakeReader
from membudget.setup import bake, charts, ci_builds, compose_files, dockerfiles, manifests
from membudget.setup.charts import ChartRenderer
from membudget.setup.dockerfiles import DockerfileFacts
from membudget.setup.found import (
    BuildDefinition,
    ComposeService,
    Deployed,
    Fact,
    FoundImage,
    HealthProbe,
    Skipped,
    image_name,
    unused_name,
)
from membudget.setup.repository import RepositoryFiles

_WORDS = re.compile(r"[^a-z]+")
_PRODUCTION = frozenset({"prod", "production", "live"})
_TRIED = frozenset({"ci", "dev", "development", "e2e", "local", "qa", "stage", "staging", "test", "testing", "tests"})
_MOST_DEPLOYED = 2000
MOST_IMAGES = 100
"""More images than anybody writes down by hand. Of a repository that has more, the others are skipped."""


@dataclass(frozen=True, slots=True)
class Readers:
    """The programs of the user that read files whose language membudget does not know. None if they are missing."""

    of_bake_files: BakeReader | None = None
    of_charts: ChartRenderer | None = None


@dataclass(frozen=True, slots=True)
class Discovery:
    """The images of a repository, and what was not read."""

    images: tuple[FoundImage, ...]
    skipped: tuple[Skipped, ...]


def discover(files: RepositoryFiles, readers: Readers, repository_name: str) -> Discovery:
    """Return the images that the repository builds."""
    services = [_committed_service(files, one) for one in compose_files.read_compose_files(files)]
    deployed = [_committed_values(files, one) for one in _deployed(files, readers)]
    definitions = _merged(files, services, readers, repository_name)
    images: list[FoundImage] = []
    taken: set[str] = set()
    for build, service in definitions:
        if len(images) >= MOST_IMAGES:
            files.skip(build.dockerfile, f"more than {MOST_IMAGES} images were found")
            continue
        parsed = dockerfiles.read_dockerfile(files, build.dockerfile, build.args)
        if parsed is None:
            continue
        if build.target is not None and parsed.stage(build.target) is None:
            files.skip(build.origin.path, f"line {build.origin.line}: {build.dockerfile} has no stage {build.target}")
            continue
        name = unused_name(build.name, f"{build.context}-{build.name}", taken)
        taken.add(name)
        facts = dockerfiles.facts_of(parsed, build.dockerfile, build.target, build.args)
        images.append(_found(replace(build, name=name), service, facts, _of(build, deployed)))
    return Discovery(tuple(images), tuple(files.skipped))


def _deployed(files: RepositoryFiles, readers: Readers) -> list[Deployed]:
    """Return what is deployed. Manifests come before charts: their lines are what somebody applies."""
    folders = charts.chart_folders(files)
    found = chain(manifests.read_manifests(files, folders), charts.read_charts(files, folders, readers.of_charts))
    return list(islice(found, _MOST_DEPLOYED))


_NOT_COMMITTED = "HEAD does not have it like this, so its values of variables and build arguments are not copied"
"""A file of the working tree may hold what nobody wants to commit. What HEAD has is known to all who see the files."""


def _committed_service(files: RepositoryFiles, service: ComposeService) -> ComposeService:
    build, deployed = _committed_args(files, service.build), _committed_values(files, service.deployed)
    return replace(service, build=build, deployed=deployed)


def _committed_args(files: RepositoryFiles, build: BuildDefinition) -> BuildDefinition:
    """Return a definition, without the values of build arguments if its file is not committed."""
    if not build.args or files.is_committed(build.origin.path):
        return build
    files.skip(build.origin.path, _NOT_COMMITTED)
    return replace(build, args={})


def _committed_values(files: RepositoryFiles, deployed: Deployed) -> Deployed:
    """Return a container, without the values of its variables if one of their files is not committed."""
    if not deployed.variables or all(map(files.is_committed, deployed.sources or (deployed.origin.path,))):
        return deployed
    files.skip(deployed.origin.path, _NOT_COMMITTED)
    return replace(deployed, variables={})


def _merged(
    files: RepositoryFiles, services: Sequence[ComposeService], readers: Readers, repository_name: str
) -> list[tuple[BuildDefinition, ComposeService | None]]:
    """Return each image once, by how it is built.

    Compose services stay apart even if they are built alike, because each runs the image in its own way. A Dockerfile
    that no other file names is built from the context that it seems to need.
    """
    found: list[tuple[BuildDefinition, ComposeService | None]] = [(service.build, service) for service in services]
    places: dict[tuple[str, str, str | None], int] = {}
    for place, (build, _) in enumerate(found):
        places.setdefault(build.key, place)
    read = (*bake.read_bake_files(files, readers.of_bake_files), *ci_builds.read_workflows(files, repository_name))
    others = [_committed_args(files, build) for build in read]
    named = {build.dockerfile for build, _ in found} | {build.dockerfile for build in others}
    for path in dockerfiles.names_of(files):
        if path in named:
            continue
        if dockerfiles.is_named_for_development(path):
            files.skip(path, "its name says that it is for development or tests, and no other file builds it")
            continue
        parsed = dockerfiles.read_dockerfile(files, path)
        if parsed is not None:
            others.append(dockerfiles.definition_of(files, path, parsed, repository_name))
    for build in others:
        known, service = found[places[build.key]] if build.key in places else (None, None)
        if known is None or _are_two_targets(known, build):
            places[build.key] = len(found)
            found.append((_named(build, repository_name), None))
            continue
        aliases = known.aliases | build.aliases | {build.name}
        args = known.args if known.bake is not None else {**build.args, **known.args}
        found[places[build.key]] = (replace(known, aliases=aliases, args=args), service)
    return found


def _are_two_targets(one: BuildDefinition, other: BuildDefinition) -> bool:
    """Return whether a bake file makes two images of one Dockerfile, with other arguments."""
    return one.bake is not None and other.bake is not None and one.args != other.args


def _named(build: BuildDefinition, repository_name: str) -> BuildDefinition:
    """Return a definition with a name: its own, or the Dockerfile's."""
    return build if build.name else replace(build, name=dockerfiles.name_of(build.dockerfile, repository_name))


def _of(build: BuildDefinition, deployed: Iterable[Deployed]) -> list[Deployed]:
    """Return where the image is deployed. What has the image's own name comes before what shares another one."""
    names = {image_name(name) for name in {build.name, *build.aliases}}
    ranked = [
        (next((place for place, name in enumerate(one.names) if name in names), None), _stage(one), number, one)
        for number, one in enumerate(deployed)
    ]
    return [one for place, *_, one in sorted(ranked, key=lambda rank: (rank[0] or 0, *rank[1:3])) if place is not None]


def _stage(deployed: Deployed) -> int:
    """Rank where something is deployed: in production, anywhere, or where it is tried."""
    words = set(_WORDS.split(deployed.origin.path.lower()))
    return 0 if words & _PRODUCTION else 2 if words & _TRIED else 1


def _found(
    build: BuildDefinition, service: ComposeService | None, facts: DockerfileFacts, deployed: Sequence[Deployed]
) -> FoundImage:
    """Return an image with its facts. Manifests count more than compose files, and those more than Dockerfiles."""
    places = [*deployed, *([service.deployed] if service is not None else [])]
    if any(place.has_own_command for place in places):
        facts = DockerfileFacts()
    own_probe = [facts.probe] if facts.probe is not None else []
    probes = [*(probe for place in places for probe in place.probes), *own_probe]
    jobs = [place.origin for place in places if place.runs_to_end]
    return FoundImage(
        build.name,
        build,
        limit=next((place.limit for place in places if place.limit is not None), None),
        ports=_once([*(port for place in places for port in place.ports), *facts.ports]),
        probes=tuple(sorted(probes, key=_telling)),
        compose=service,
        runs_to_end=jobs[0] if jobs and len(jobs) == len(places) else None,
        variables=next((Fact(place.variables, place.origin) for place in places if place.variables), None),
        unknown_variables=_first_unknown(places),
        is_service=bool(places) and not jobs,
    )


def _first_unknown(places: Sequence[Deployed]) -> Fact[tuple[str, ...]] | None:
    found = (Fact(place.unknown_variables, place.origin) for place in places if place.unknown_variables)
    return next(found, None)


def _telling(probe: Fact[HealthProbe]) -> int:
    """Rank probes: a path tells more than a HEALTHCHECK, and that more than a port."""
    if probe.value.path is not None:
        return 0
    return 2 if probe.value.port is not None else 1


def _once(ports: Sequence[Fact[int]]) -> tuple[Fact[int], ...]:
    found: Mapping[int, Fact[int]] = {port.value: port for port in reversed(ports)}
    return tuple(dict.fromkeys(found[port.value] for port in ports))
