"""Packages, and the files that belong to them."""

import re
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from membudget.contents.image import shown
from membudget.contents.layer_stack import NO_FILE, LayerStack
from membudget.core.files import Stored

BYTE_CODE_FOLDER = "__pycache__"
_BYTE_CODE_NAME = re.compile(r"(.+?)\.[^.]+(?:\.opt-[^.]+)?\.pyc", re.DOTALL)


def compiled_module(name: str) -> str | None:
    """Return the module that a file of a `__pycache__` folder was compiled from, or None."""
    match = _BYTE_CODE_NAME.fullmatch(name)
    return match[1] if match is not None else None


_NOBODY = -1
_LONGEST_NAME = 300
_MERGED = ("bin/", "sbin/", "lib/", "lib32/", "lib64/", "libx32/")


class Ecosystem(StrEnum):
    """The kind of a package."""

    DEB = "deb"
    APK = "apk"
    RPM = "rpm"
    PYTHON = "python"
    NPM = "npm"
    GO = "go"
    JAVA = "java"


class PackageId(NamedTuple):
    """Identifies a package."""

    ecosystem: Ecosystem
    name: str
    version: str
    folder: str = ""
    """The location, in ecosystems where the same package may occur more than once."""


@dataclass(frozen=True, slots=True)
class Package(Stored):
    """A package and its share of an image."""

    ecosystem: Ecosystem
    name: str
    version: str
    folder: str
    file_bytes: int
    """The size of its live files. A file that two packages claim counts for the distribution's package."""
    layer: int
    """The index of the layer that contains most of them."""
    parts: tuple[tuple[str, str, int | None], ...] = ()
    """The parts of its only file: modules of a Go binary, or archives in an archive. Name, version, and bytes if known.
    """


class Claims:
    """Maps each file of an image to a package: the first one that claims it."""

    def __init__(self, stack: LayerStack) -> None:
        self._stack = stack
        self._owners = array("i", [_NOBODY]) * stack.content_count
        self._packages: list[PackageId] = []
        self._parts: dict[int, tuple[tuple[str, str, int | None], ...]] = {}

    def package(self, name: PackageId, parts: tuple[tuple[str, str, int | None], ...] = ()) -> int:
        """Register a package and return its number."""
        ecosystem, *texts = name
        self._packages.append(PackageId(ecosystem, *(shown(text, _LONGEST_NAME) for text in texts)))
        if parts:
            clean = tuple((shown(part, _LONGEST_NAME), shown(version, 100), size) for part, version, size in parts)
            self._parts[len(self._packages) - 1] = clean
        return len(self._packages) - 1

    def claim(self, package: int, path: str) -> None:
        """Assign the file at a path to a package. Missing files and files of other packages are ignored."""
        node = self._stack.find(path)
        if node is None and path.startswith(_MERGED):
            node = self._stack.find(f"usr/{path}")  # it was moved there, but package lists contain the old path
        if isinstance(node, int) and node != NO_FILE and self._owners[node] == _NOBODY:
            self._owners[node] = package

    def claim_folders(self, packages: Mapping[str, int]) -> None:
        """Assign all files below folders to packages. In nested folders, the inner package wins.

        `packages` are numbers by the paths of the folders.
        """
        if not packages:
            return
        waiting = [("", self._stack.root, packages.get("", _NOBODY))]
        while waiting:
            path, folder, package = waiting.pop()
            for name, node in folder.items():
                if isinstance(node, dict):
                    below = f"{path}/{name}" if path else name
                    waiting.append((below, node, packages.get(below, package)))
                elif node != NO_FILE and self._owners[node] == _NOBODY:
                    self._owners[node] = package

    def claim_byte_code(self) -> None:
        """Assign byte-code to the package of its source, because installers need not list it (PEP 3147, PEP 627)."""
        waiting = [self._stack.root]
        while waiting:
            folder = waiting.pop()
            waiting += [node for node in folder.values() if isinstance(node, dict)]
            compiled = folder.get(BYTE_CODE_FOLDER)
            for name, node in compiled.items() if isinstance(compiled, dict) else ():
                module = compiled_module(name)
                source = folder.get(f"{module}.py") if module is not None else None
                if isinstance(source, dict | None) or isinstance(node, dict) or NO_FILE in (source, node):
                    continue
                if self._owners[node] == _NOBODY:
                    self._owners[node] = self._owners[source]

    def owner(self, number: int) -> PackageId | None:
        """Return the package of a content, or None."""
        owner = self._owners[number]
        return self._packages[owner] if owner != _NOBODY else None

    def summed(self) -> tuple[Package, ...]:
        """Return all packages with live files, largest first."""
        by_layer: dict[int, dict[int, int]] = {}
        for number, owner in enumerate(self._owners):
            if owner != _NOBODY and self._stack.is_live(number):
                layers, layer = by_layer.setdefault(owner, {}), self._stack.layer(number)
                layers[layer] = layers.get(layer, 0) + self._stack.size(number)
        packages = [
            Package(
                *self._packages[owner],
                file_bytes=sum(layers.values()),
                layer=max(layers, key=lambda layer: layers[layer]),
                parts=self._parts.get(owner, ()),
            )
            for owner, layers in by_layer.items()
        ]
        return tuple(sorted(packages, key=lambda one: (-one.file_bytes, one.name, one.folder)))
