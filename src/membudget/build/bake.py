"""Bake files: how a target is built, as a plain `build` of a budgets file says it.

A target is resolved before anything is compared. So all rules about `build` apply to what a bake file says: a changed
context or argument needs approval, and the head is built with the base's. Whatever a plain build cannot have (secrets,
SSH, entitlements, contexts from elsewhere) is refused. What does not change the image's files is left out: tags,
labels, caches, outputs and attestations. Keys that are not known here are refused, because they may change the image.
"""

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

from pydantic import JsonValue, TypeAdapter, ValidationError

from membudget.budgets.entries import Budgets, Build
from membudget.budgets.faults import Fault
from membudget.budgets.key_path import Guesses
from membudget.budgets.lines import Keys
from membudget.core.errors import shortened
from membudget.core.quantities import KIB, format_size

LARGEST_BAKE_FILE = 256 * KIB
_LONGEST_ARGUMENTS = 64 * KIB
_LONGEST_LIST = 200
_OBJECT = TypeAdapter(dict[str, JsonValue])
_BLOCKS = ("target", "group")
_BLOCK = re.compile(r'(?<![\w"-])(target|group)[ \t]+"?([A-Za-z0-9_-]{1,200})"?[ \t]*\{')
_READ = frozenset({"context", "dockerfile", "target", "args", "platforms", "network"})
_LEFT_OUT = frozenset({
    "annotations", "attest", "cache-from", "cache-to", "description", "labels", "no-cache", "no-cache-filter", "output",
    "pull", "tags",
})  # fmt: skip
_REFUSED = {
    "contexts": "named contexts, which membudget does not build with",
    "dockerfile-inline": "a Dockerfile inside of the bake file; membudget needs it as a file",
    "entitlements": "entitlements, which no build of a pull request gets",
    "secret": "secrets, which no build of a pull request gets",
    "ssh": "an SSH agent, which no build of a pull request gets",
}


class BakeRefused(Exception):
    """A bake file or its target cannot be used. The message says why."""


class BakeReader(Protocol):
    """Resolves bake files."""

    def targets(self, text: str, kind: str, wanted: str | None = None) -> str:
        """Return targets of a bake file as JSON: the wanted one, or those of a bake without arguments.

        `kind` is the file's language: "hcl" or "json". Raises BakeRefused, and EnvironmentFault without buildx.
        """


@dataclass(frozen=True, slots=True)
class BakeNames:
    """The names in a bake file, as far as they can be read without evaluating it."""

    targets: tuple[str, ...]
    groups: tuple[str, ...]
    is_complete: bool
    """Whether there are no others: a matrix makes names that only buildx knows."""


@lru_cache(maxsize=8)
def bake_names(text: str, kind: str) -> BakeNames | None:
    """Return the names in a bake file. None if it is JSON that cannot be read."""
    if kind == "hcl":
        found = [(match[1], match[2]) for match in _BLOCK.finditer(text)]
        targets, groups = (tuple(dict.fromkeys(name for of, name in found if of == block)) for block in _BLOCKS)
        return BakeNames(targets, groups, is_complete="matrix" not in text)
    try:
        file = _OBJECT.validate_json(text)
    except ValidationError:
        return None
    targets, groups = (tuple(_mapping(file.get(block))) for block in _BLOCKS)
    are_plain = all(isinstance(file.get(block, {}), dict) for block in _BLOCKS)  # HCL's JSON also allows lists of them
    return BakeNames(targets, groups, is_complete="matrix" not in text and are_plain)


def kind_of(path: str) -> str:
    """Return the language of a bake file."""
    return path.rpartition(".")[2]


class _Unresolved(Exception):
    """The build of an image cannot be resolved."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.what)
        self.fault = fault


def with_resolved_builds(
    budgets: Budgets, file_at: Callable[[str, int], str | None], reader: BakeReader
) -> tuple[Budgets, list[Fault]]:
    """Return the budgets with a plain build instead of each bake target, and why some have none.

    `file_at` returns the text of a file of the commit. None if the commit has no such file, or a larger one than asked
    for. A build that cannot be resolved stays as it is. Raises EnvironmentFault if buildx is missing.
    """
    images, faults, guesses = dict(budgets.images), [], Guesses()
    texts: dict[str, str | None] = {}
    for name, spec in budgets.images.items():
        path = spec.build.bake
        if path is None:
            continue
        if path not in texts:
            texts[path] = file_at(path, LARGEST_BAKE_FILE)
        try:
            build = _resolved(spec.build, texts[path], ("images", name, "build"), reader, guesses)
            images[name] = spec.model_copy(update={"build": build})
        except _Unresolved as error:
            faults.append(error.fault)
    return replace(budgets, images=images), faults


def _resolved(build: Build, text: str | None, keys: Keys, reader: BakeReader, guesses: Guesses) -> Build:
    path, target = build.bake or "", build.target or ""
    if text is None:
        allowed = f"a committed file of at most {format_size(LARGEST_BAKE_FILE)}"
        raise _Unresolved(Fault((*keys, "bake"), "names no file of this commit", path, allowed))
    kind = kind_of(path)
    try:
        return target_build(read_targets(reader.targets(text, kind, target)), target, build, path)
    except BakeRefused as error:
        names = bake_names(text, kind)
        unknown = unknown_target(names, target, path, keys, guesses) if names is not None else None
        fault = unknown or Fault((*keys, "bake"), f"cannot be resolved: {error}", path)
        raise _Unresolved(fault) from None


def unknown_target(names: BakeNames, target: str, path: str, keys: Keys, guesses: Guesses) -> Fault | None:
    """Return the fault of a name that is no target of a bake file. None if it is one, or if only buildx can tell.

    `keys` is the path of the table `build`.
    """
    if target in names.targets:
        return None
    allowed = shortened(", ".join(names.targets), _LONGEST_LIST) or "nothing: the file has no targets"
    if target in names.groups:
        what = f"names a group of {path}; an image is built from one target"
        return Fault((*keys, "target"), what, target, allowed)
    if not names.is_complete:
        return None
    return Fault(
        (*keys, "target"), f"names no target of {path}", target, allowed, guesses.similar(target, lambda: names.targets)
    )


def read_targets(printed: str) -> Mapping[str, JsonValue]:
    """Return the object that `docker buildx bake --print` printed. Raises BakeRefused."""
    try:
        return _OBJECT.validate_json(printed)
    except ValidationError:
        raise BakeRefused("the output of docker buildx bake is no JSON; buildx 0.8 or newer is needed") from None


def target_build(printed: Mapping[str, JsonValue], name: str, given: Build, path: str) -> Build:
    """Return the plain build of a resolved target. Raises BakeRefused.

    `given` is the build of the budgets file, whose platform and network count before those of the target.
    """
    target = _mapping(printed.get("target")).get(name)
    if not isinstance(target, dict):
        group = _mapping(_mapping(printed.get("group")).get(name)).get("targets")
        listed = ", ".join(map(str, group)) if isinstance(group, list) else "none"
        raise BakeRefused(f"{name} is a group; name one of its targets: {shortened(listed, _LONGEST_LIST)}")
    _check_keys(target, name)
    own = "context" in given.model_fields_set
    context, dockerfile = _paths(target, given.context if own else posixpath.dirname(path) or ".", name)
    plain: dict[str, JsonValue] = {"context": context, "dockerfile": posixpath.relpath(dockerfile, context)}
    plain["args"] = _arguments(target, name)
    plain["target"] = target.get("target") or None
    plain["platform"] = given.platform or _only(target.get("platforms"))
    plain["network"] = given.network if "network" in given.model_fields_set else target.get("network") or "default"
    try:
        return Build.model_validate(plain)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        key = ".".join(map(str, first["loc"])) or "its settings"
        raise BakeRefused(f"{key} of the target {name} cannot be used: {shortened(first['msg'], 150)}") from None


def _arguments(target: Mapping[str, JsonValue], name: str) -> dict[str, JsonValue]:
    arguments: dict[str, JsonValue] = {
        key: value for key, value in _mapping(target.get("args")).items() if value is not None
    }
    if sum(len(key) + len(str(value)) for key, value in arguments.items()) > _LONGEST_ARGUMENTS:
        raise BakeRefused(f"the arguments of the target {name} are longer than {format_size(_LONGEST_ARGUMENTS)}")
    return arguments


def _check_keys(target: Mapping[str, JsonValue], name: str) -> None:
    for key, value in target.items():
        if not value or key in _READ | _LEFT_OUT or (key == "call" and value == "build"):
            continue
        uses = _REFUSED.get(key, f"`{shortened(key, 40)}`, which membudget does not know")
        raise BakeRefused(f"the target {name} uses {uses}; write `build` with context, dockerfile and args instead")


def _paths(target: Mapping[str, JsonValue], folder: str, name: str) -> tuple[str, str]:
    """Return context and Dockerfile of a target, from the top of the repository. `folder` is where its paths start."""
    context, dockerfile = (
        str(target.get(key) or usual).removeprefix("cwd://")
        for key, usual in (("context", "."), ("dockerfile", "Dockerfile"))
    )
    if "://" in context or re.match(r"git@|github\.com/|-$", context):
        raise BakeRefused(f"the context of the target {name} is not in the repository: {shortened(context)}")
    context = posixpath.normpath(posixpath.join(folder, context))
    dockerfile = posixpath.normpath(posixpath.join(context, dockerfile))
    for what, path in (("context", context), ("Dockerfile", dockerfile)):
        if path.startswith("/") or path.split("/")[0] == "..":
            raise BakeRefused(f"the {what} of the target {name} lies outside of the repository: {shortened(path)}")
    return context, dockerfile


def _only(platforms: JsonValue) -> JsonValue:
    """Return the platform of a target that is built for one. Of several, the engine's own is measured."""
    return platforms[0] if isinstance(platforms, list) and len(platforms) == 1 and platforms != ["local"] else None


def _mapping(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def unresolved_notes(faults: list[Fault], revision: str) -> Iterator[str]:
    """Yield a note for each build of a revision that could not be resolved."""
    for fault in faults:
        yield f"{revision}: {'.'.join(map(str, fault.keys))} {fault.what}"
