"""Finds the targets of bake files. `docker buildx bake --print` knows their language, and builds nothing."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from itertools import islice

from pydantic import JsonValue

from membudget.budgets.entries import Build
from membudget.build.bake import BakeReader, BakeRefused, kind_of, read_targets, target_build
from membudget.core.errors import EnvironmentFault, shortened
from membudget.setup.found import MOST_ALIASES, BakeTarget, BuildDefinition, Origin, image_name, last_part
from membudget.setup.repository import RepositoryFiles

_NAMES = ("docker-bake.hcl", "docker-bake.json")
_MOST_TARGETS = 200
_MOST_FILES = 20
"""Each takes buildx up to a minute, if somebody wants it to."""


def read_bake_files(files: RepositoryFiles, reader: BakeReader | None) -> Iterator[BuildDefinition]:
    """Yield the targets of all bake files. Without a reader, only those that are JSON are read."""
    for number, path in enumerate(files.having(lambda path: posixpath.basename(path) in _NAMES)):
        if number >= _MOST_FILES:
            files.skip(path, f"more than {_MOST_FILES} bake files were read before")
            return
        text = files.text(path)
        if text is None:
            continue
        kind = kind_of(path)
        try:
            if reader is None and kind == "hcl":
                raise BakeRefused("it is read with docker buildx, which is not installed")
            model = read_targets(reader.targets(text, kind) if reader is not None else text)
        except BakeRefused as error:
            files.skip(path, shortened(str(error), 200))
            continue
        except EnvironmentFault as error:  # there is no buildx
            files.skip(path, error.what)
            continue
        for name in islice(_mapping(model.get("target")), _MOST_TARGETS):
            definition = _definition(files, path, text, name, model)
            if definition is not None:
                yield definition


def _definition(
    files: RepositoryFiles, path: str, text: str, name: str, model: Mapping[str, JsonValue]
) -> BuildDefinition | None:
    """Return the definition of a target, as a check reads it.

    Paths of a bake file start where the user calls bake: in the file's folder, or else at the top of the repository.
    """
    try:
        build, folder = target_build(model, name, Build(), path), None
        if not files.has_file(_dockerfile(build)) and "/" in path:
            build, folder = target_build(model, name, Build(context="."), path), "."
    except BakeRefused as error:
        files.skip(path, shortened(str(error), 200))
        return None
    if not files.has_file(_dockerfile(build)):
        missing = _dockerfile(build)
        files.skip(path, f"the target {name} names a Dockerfile that the repository does not have: {missing}")
        return None
    tags = _mapping(_mapping(model.get("target")).get(name)).get("tags")
    aliases = (last_part(tag) for tag in (tags if isinstance(tags, list) else []) if isinstance(tag, str))
    return BuildDefinition(
        image_name(name),
        build.context,
        _dockerfile(build),
        Origin(path, _line(text, name)),
        build.target,
        build.args,
        frozenset(islice((alias for alias in aliases if alias is not None), MOST_ALIASES)),
        BakeTarget(name, folder),
        build.platform,
        build.network,
    )


def _dockerfile(build: Build) -> str:
    return posixpath.normpath(posixpath.join(build.context, build.dockerfile))


def _line(text: str, name: str) -> int:
    """Return the line that names a target, or the first one if a matrix has made the name."""
    matched = re.search(rf"(?:target\s+)?\"{re.escape(name)}\"\s*[:{{]", text)
    return text.count("\n", 0, matched.start()) + 1 if matched is not None else 1


def _mapping(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, dict) else {}
