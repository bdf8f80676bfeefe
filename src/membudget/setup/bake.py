"""Finds the targets of bake files. `docker buildx bake --print` knows their language, and builds nothing."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Protocol

from pydantic import JsonValue, TypeAdapter, ValidationError

from membudget.core.errors import shortened
from membudget.setup.found import MOST_ALIASES, BuildDefinition, Origin
from membudget.setup.names import image_name, last_part
from membudget.setup.repository import RepositoryFiles

_NAMES = ("docker-bake.hcl", "docker-bake.json")
_OBJECT = TypeAdapter(dict[str, JsonValue])
_MOST_TARGETS = 200


class BakeRefused(Exception):
    """The client cannot read a bake file. The message says why."""


class BakeReader(Protocol):
    """Resolves bake files."""

    def targets(self, text: str, kind: str) -> str:
        """Return the targets of a bake file as JSON. `kind` is its language: "hcl" or "json". Raises BakeRefused."""


def read_bake_files(files: RepositoryFiles, reader: BakeReader | None) -> Iterator[BuildDefinition]:
    """Yield the targets of all bake files. Without a reader, only those that are JSON are read."""
    for path in files.having(lambda path: posixpath.basename(path) in _NAMES):
        text = files.text(path)
        if text is None:
            continue
        kind = path.rpartition(".")[2]
        try:
            if reader is None and kind == "hcl":
                raise BakeRefused("it is read with docker buildx, which is not installed")
            model = _OBJECT.validate_json(reader.targets(text, kind) if reader is not None else text)
        except (BakeRefused, ValidationError, RecursionError) as error:
            reason = str(error) if isinstance(error, BakeRefused) else "it is no bake file"
            files.skip(path, shortened(reason, 200))
            continue
        for name, target in islice(_mapping(model.get("target")).items(), _MOST_TARGETS):
            definition = _definition(files, path, text, name, _mapping(target))
            if definition is not None:
                yield definition


def _definition(
    files: RepositoryFiles, path: str, text: str, name: str, target: Mapping[str, JsonValue]
) -> BuildDefinition | None:
    """Return the definition of a target. Paths of a bake file count from the folder that it is in."""
    context = str(target.get("context") or ".")
    if "://" in context or "dockerfile-inline" in target:
        files.skip(path, f"the target {name} is not built from a Dockerfile of the repository")
        return None
    context = posixpath.normpath(posixpath.join(posixpath.dirname(path), context))
    dockerfile = posixpath.normpath(posixpath.join(context, str(target.get("dockerfile") or "Dockerfile")))
    if context.startswith(("..", "/")) or not files.has_file(dockerfile):
        files.skip(path, f"the target {name} names a Dockerfile that the repository does not have: {dockerfile}")
        return None
    tags = target.get("tags")
    aliases = (last_part(tag) for tag in (tags if isinstance(tags, list) else []) if isinstance(tag, str))
    stage = target.get("target") or None
    return BuildDefinition(
        image_name(name),
        context,
        dockerfile,
        Origin(path, _line(text, name)),
        stage if isinstance(stage, str) else None,
        {key: value for key, value in _mapping(target.get("args")).items() if isinstance(value, str)},
        frozenset(islice((alias for alias in aliases if alias is not None), MOST_ALIASES)),
    )


def _line(text: str, name: str) -> int:
    """Return the line that names a target, or the first one if a matrix has made the name."""
    matched = re.search(rf"(?:target\s+)?\"{re.escape(name)}\"\s*[:{{]", text)
    return text.count("\n", 0, matched.start()) + 1 if matched is not None else 1


def _mapping(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, dict) else {}
