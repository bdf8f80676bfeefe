"""Finds what services of a compose file need that is not committed, and committed files that can take its place.

Repositories ignore `.env`, certificates and data folders, and often commit an example beside them. A check sees only
what is committed.
"""

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from membudget.manifests.yaml_text import YamlValue
from membudget.setup.dockerfiles import expanded
from membudget.setup.repository import RepositoryFiles

_EXAMPLE = ("example", "sample", "template", "dist", "default", "defaults", "tmpl")
_VALUE = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w{0,99})[ \t]*=[ \t]*(\S?)", re.MULTILINE | re.ASCII)
_USED = re.compile(r"(?<!\$)\$(?:([A-Za-z_]\w{0,99})|\{([A-Za-z_]\w{0,99})(?::?\?[^}\n]{0,300})?\})", re.ASCII)
"""Variables of a compose file without a default. `$$` is a plain dollar."""
_MOST_NAMES = 8
_MOST_FILES, _MOST_NEEDED = 50, 50


@dataclass(slots=True)
class Surroundings:
    """The files that services name and that are not committed."""

    stand_ins: dict[str, str | Literal[False]] = field(default_factory=dict)
    """What takes the place of a path that is not committed. False if the container runs without it."""
    remarks: list[str] = field(default_factory=list)
    """What was done about each, for people."""


class ComposeInputs:
    """The files that the services of one compose file name."""

    def __init__(self, files: RepositoryFiles, path: str, root: YamlValue, text: str) -> None:
        self._files = files
        self._path = path
        self._root = root
        self._used = list(dict.fromkeys(name or other for name, other in _USED.findall(text)))
        self._read: dict[str, list[tuple[str, str]]] = {}
        self._lacks: dict[str, list[tuple[str, bool]]] = {}

    def uncommitted(self, name: str) -> Surroundings:
        """Return what a service and those that it depends on name and HEAD does not have."""
        found = Surroundings()
        for service in _needed(self._root, name):
            if service not in self._lacks:
                self._lacks[service] = list(self._lacking(self._root.get("services", service)))
            for path, is_env in self._lacks[service]:
                self._stand_in(found, path, is_env=is_env)
        if self._used:
            self._interpolated(found)
        return found

    def _lacking(self, service: YamlValue) -> Iterator[tuple[str, bool]]:
        """Yield the paths that a service names and HEAD does not have, and whether each has variables."""
        for written in islice(_env_files(service), _MOST_FILES):
            path = self._inside(written)
            if _can_be_named(path) and not self._files.in_head(path):
                yield path, True
        for written in islice((*_mounts(service), *_granted(self._root, service)), _MOST_FILES):
            path = self._inside(written)
            if _can_be_named(path) and not self._files.has(path):
                yield path, False

    def _inside(self, written: str) -> str:
        """Return a path that the file names, from the top of the repository if it does not begin with a slash."""
        return posixpath.normpath(posixpath.join(posixpath.dirname(self._path), expanded(written, {})))

    def _stand_in(self, found: Surroundings, path: str, *, is_env: bool) -> None:
        if path in found.stand_ins:
            return
        example = _example_of(self._files, path)
        found.stand_ins[path] = example if example is not None else False
        if example is None:
            without = "its variables" if is_env else "it"
            why = "belongs to the machine" if path.startswith("/") else "is not committed"
            found.remarks.append(f"{path} {why}: the services run without {without}")
            return
        empty = [name for name, value in self._variables(example) if not value] if is_env else []
        without_values = f", which has no value for {_listed(empty)}" if empty else ""
        found.remarks.append(f"{path} is not committed: {example} takes its place{without_values}")

    def _interpolated(self, found: Surroundings) -> None:
        """Add the file whose variables compose fills in, and name the variables that nothing sets."""
        path = self._inside(".env")
        if not self._files.in_head(path) and _example_of(self._files, path) is not None:
            self._stand_in(found, path, is_env=True)
        instead = found.stand_ins.get(path, path)
        known = {name for name, _ in self._variables(instead)} if instead and self._files.in_head(instead) else set()
        unset = [name for name in self._used if name not in known]
        if unset:
            what = f"{self._path} uses {_listed(unset)}, which no committed file sets"
            found.remarks.append(f"{what}: compose leaves {'them' if len(unset) > 1 else 'it'} empty")

    def _variables(self, path: str) -> list[tuple[str, str]]:
        """Return the names in an env file, each with the first character of its value."""
        if path not in self._read:
            self._read[path] = _VALUE.findall(self._files.text(path) or "")
        return self._read[path]


def _can_be_named(path: str) -> bool:
    """Return whether a budgets file can name a path. One that leads out of the repository depends on the machine."""
    return not path.startswith("..") and "\0" not in path


def _needed(root: YamlValue, name: str) -> list[str]:
    """Return a service and those that it depends on, directly or not."""
    needed: dict[str, None] = {}
    waiting = [name]
    while waiting and len(needed) < _MOST_NEEDED:
        one = waiting.pop()
        if one not in needed:
            needed[one] = None
            depends = root.get("services", one, "depends_on")
            waiting += islice((*depends.texts(), *(key for key, _ in depends.items())), _MOST_NEEDED)
    return list(needed)


def _env_files(service: YamlValue) -> Iterator[str]:
    given = service.get("env_file")
    for entry in [given, *given.entries()]:
        text = entry.text or entry.get("path").text
        if text is not None and entry.get("required").text != "false":
            yield text


def _mounts(service: YamlValue) -> Iterator[str]:
    for entry in service.get("volumes").entries():
        source = entry.get("source").text if entry.get("type").text == "bind" else None
        if entry.text is not None:
            source, colon, _ = expanded(entry.text, {}).partition(":")
            source = source if colon and source.startswith((".", "/")) else None
        if source:
            yield source


def _granted(root: YamlValue, service: YamlValue) -> Iterator[str]:
    """Yield the files of a service's configs and secrets."""
    for kind in ("configs", "secrets"):
        for entry in service.get(kind).entries():
            file = root.get(kind, entry.text or entry.get("source").text or "", "file").text
            if file is not None:
                yield file


def _example_of(files: RepositoryFiles, path: str) -> str | None:
    """Return the committed example of a file: of `.env`, for instance `.env.example`."""
    folder, name = posixpath.split(path)
    stem, ending = posixpath.splitext(name)
    plain = name.lstrip(".")
    for word in _EXAMPLE:
        for one in (f"{name}.{word}", f"{name}-{word}", f"{stem}.{word}{ending}", f"{plain}.{word}", f"{word}.{plain}"):
            example = posixpath.join(folder, one)
            if one != name and files.in_head(example):
                return example
    return None


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
