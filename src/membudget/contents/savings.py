"""Finds what could be saved in an image. Every amount is measured in this image.

Only the image's own layers count, because a Dockerfile cannot change what its base image contains. General rules for
Dockerfiles are left to hadolint.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum

from membudget.contents.image import shown
from membudget.contents.layer_stack import LayerStack, WasteKind
from membudget.contents.merged import MergedImage
from membudget.contents.origin import BaseVariant, LayerOrigin
from membudget.contents.packages.package import BYTE_CODE_FOLDER, Ecosystem, compiled_module
from membudget.core.files import Stored

LEAST_SHARE = 0.01
"""The smallest saving to report, as a part of `image_size`."""
_LEAST_DUPLICATE_BYTES = 4096


class HintKind(StrEnum):
    """The kind of a saving."""

    PACKAGE_CACHE = "package_cache"
    REMOVED_LATER = "removed_later"
    REWRITTEN = "rewritten"
    REPLACED = "replaced"
    BUILD_TOOLS = "build_tools"
    TESTS_AND_DOCS = "tests_and_docs"
    BYTE_CODE = "byte_code"
    GIT_HISTORY = "git_history"
    GIT_CLONE = "git_clone"
    CONTEXT_MODULES = "context_modules"
    DEBUG_SYMBOLS = "debug_symbols"
    DUPLICATES = "duplicates"
    SMALLER_BASE = "smaller_base"


@dataclass(frozen=True, slots=True)
class Hint(Stored):
    """Bytes that could be saved in one way."""

    kind: HintKind
    saves_bytes: int
    files: int | None
    """The number of files. None for a smaller base, whose files are unknown."""
    example: str
    """The largest file. For build tools the name of a package, and for a smaller base its reference."""
    layer: int | None
    """The index of the layer that contains most of the bytes."""
    dockerfile_lines: tuple[int, int] | None
    """The lines of that layer."""


_CACHES = re.compile(
    r"(?:var/lib/apt/lists|var/cache/(?:apt|apk|dnf|yum|zypp|pacman)|var/lib/dnf|etc/apk/cache"
    r"|(?:root|home/[^/]+)/(?:\.cache|\.npm/_cacache|\.yarn/cache|\.gradle/caches|\.cargo/registry|\.bundle/cache)"
    r"|usr/local/share/\.cache|(?:go|root/go)/pkg/mod/cache)/"
)
_DOCS = re.compile(r"usr/(?:local/)?share/(?:doc|man|info|gtk-doc)/")
_TESTS = re.compile(r"(?:site-packages|dist-packages|node_modules)/(?:.+/)?(?:tests?|__tests__)/")
_DEBUG = re.compile(r"(?:usr/lib/debug/|.+\.(?:debug|pdb|dwo|dSYM)$|.+\.dSYM/)")
_GIT = re.compile(r"(?:.+/)?\.git/(?:objects|refs|hooks|index|HEAD|logs|packed-refs)")
_MODULES = re.compile(r"(?:.+/)?node_modules/")
_BUILD_TOOL = re.compile(
    r"(?:gcc|g\+\+|cpp|clang|llvm|binutils|make|cmake|ninja-build|autoconf|automake|libtool|bison|flex|rustc|cargo"
    r"|golang|build-essential|build-base|dpkg-dev|patch|m4|pkg-config|pkgconf|nasm|yasm|swig|cython3?)"
    r"(?:-[0-9.]+.*|-common|-bin|-x86-64-linux-gnu|-aarch64-linux-gnu)?|.+-dev|.+-devel|libgcc-[0-9]+-dev"
)
_SYSTEM = (Ecosystem.DEB, Ecosystem.APK, Ecosystem.RPM)


@dataclass(slots=True)
class _Sum:
    """The sum of the files of one hint."""

    file_bytes: int = 0
    files: int = 0
    example: str = ""
    largest: int = -1
    layers: dict[int, int] = field(default_factory=dict)
    """The bytes by layer."""

    def add(self, path: str, size: int, layer: int) -> None:
        self.file_bytes += size
        self.files += 1
        self.layers[layer] = self.layers.get(layer, 0) + size
        if size > self.largest:
            self.example, self.largest = path, size


def hints(image: MergedImage, smaller_base: BaseVariant | None = None) -> tuple[Hint, ...]:
    """Return the possible savings in an image, largest first. Savings below `LEAST_SHARE` are left out.

    `smaller_base` is a smaller variant of its base image.
    """
    least = image.contents.file_bytes * LEAST_SHARE
    sums = {**_of_waste(image), **_of_files(image), HintKind.BUILD_TOOLS: _of_build_tools(image)}
    sums[HintKind.DEBUG_SYMBOLS] = _of_symbols(image, sums.get(HintKind.DEBUG_SYMBOLS, _Sum()))
    found = [_hint(kind, one, image) for kind, one in sums.items() if one.file_bytes >= max(least, 1)]
    if smaller_base is not None:
        found += [hint for hint in [_of_base(image, smaller_base)] if hint.saves_bytes >= max(least, 1)]
    return tuple(sorted(found, key=lambda hint: -hint.saves_bytes))


def _of_base(image: MergedImage, variant: BaseVariant) -> Hint:
    """Return how much larger the base's layers are than the variant."""
    inherited = frozenset(range(len(image.origins))) - image.own_layers
    size = sum(image.contents.layers[number].layer.file_bytes for number in inherited)
    line = variant.of.dockerfile_line
    lines = (line, line) if line is not None else None
    return Hint(HintKind.SMALLER_BASE, size - variant.file_bytes, None, shown(variant.reference), None, lines)


def _hint(kind: HintKind, one: _Sum, image: MergedImage) -> Hint:
    layer = max(one.layers, key=lambda number: one.layers[number], default=None)
    lines = image.origins[layer].dockerfile_lines if layer is not None else None
    example = one.example if kind is HintKind.BUILD_TOOLS else f"/{one.example}"
    return Hint(kind, one.file_bytes, one.files, shown(example), layer, lines)


def _of_waste(image: MergedImage) -> dict[HintKind, _Sum]:
    """Return what own layers add and other own layers make waste."""
    kinds = {
        WasteKind.REMOVED: HintKind.REMOVED_LATER,
        WasteKind.REWRITTEN: HintKind.REWRITTEN,
        WasteKind.REPLACED: HintKind.REPLACED,
    }
    sums: dict[HintKind, _Sum] = {}
    own = image.own_layers
    for group in image.stack.waste:
        if group.by_layer not in own:
            continue
        # A rewritten file of the base image counts too, because the rewrite can be avoided.
        if group.from_layer not in own and group.kind is not WasteKind.REWRITTEN:
            continue
        one = sums.setdefault(kinds[group.kind], _Sum())
        one.add(group.example, group.file_bytes, group.by_layer)
        one.files += group.files - 1
    return sums


def _of_files(image: MergedImage) -> dict[HintKind, _Sum]:
    """Return the savings among live files of own layers, found by path or content."""
    sums: dict[HintKind, _Sum] = {}
    stack, own = image.stack, image.own_layers
    repeated = _Repeated(stack, own)
    seen: set[tuple[int, int]] = set()
    byte_code: dict[tuple[str, str], list[tuple[int, str, int]]] = {}
    for path, number in stack.files():
        size, layer = stack.size(number), stack.layer(number)
        if layer not in own:
            continue
        kind = _kind_by_path(path, image.origins[layer])
        if kind is not None:
            sums.setdefault(kind, _Sum()).add(path, size, layer)
            continue
        folder, _, name = path.rpartition("/")
        module = compiled_module(name) if folder.endswith(f"/{BYTE_CODE_FOLDER}") else None
        if module is not None:
            byte_code.setdefault((folder, module), []).append((size, path, layer))
        elif size >= _LEAST_DUPLICATE_BYTES and stack.digest(number) in repeated:
            if (stack.digest(number), size) in seen:
                sums.setdefault(HintKind.DUPLICATES, _Sum()).add(path, size, layer)
            seen.add((stack.digest(number), size))
    for files in byte_code.values():
        for size, path, layer in sorted(files)[:-1]:
            sums.setdefault(HintKind.BYTE_CODE, _Sum()).add(path, size, layer)
    return sums


class _Repeated:
    """The digests that several live contents may have. A table of all digests would be large, and few repeat.

    For each value of a digest's last bits, one byte counts 0, 1 or more contents. A few digests are included by
    mistake.
    """

    def __init__(self, stack: LayerStack, own: frozenset[int]) -> None:
        self._mask = (1 << (4 * stack.content_count).bit_length()) - 1
        self._counts = bytearray(self._mask + 1)
        for number in range(stack.content_count):
            if stack.size(number) >= _LEAST_DUPLICATE_BYTES and stack.is_live(number) and stack.layer(number) in own:
                place = stack.digest(number) & self._mask
                self._counts[place] = min(self._counts[place] + 1, 2)

    def __contains__(self, digest: int) -> bool:
        return self._counts[digest & self._mask] > 1


def _kind_by_path(path: str, origin: LayerOrigin) -> HintKind | None:
    if _CACHES.match(path):
        return HintKind.PACKAGE_CACHE
    if _DOCS.match(path) or ("/test" in path and _TESTS.search(path)):
        return HintKind.TESTS_AND_DOCS
    if ".git/" in path and _GIT.match(path):
        is_built = origin.from_stage is not None or origin.instruction.startswith("RUN ")
        return HintKind.GIT_CLONE if is_built else HintKind.GIT_HISTORY
    if "node_modules/" in path and _is_of_context(origin) and _MODULES.match(path):
        return HintKind.CONTEXT_MODULES
    if _DEBUG.match(path):
        return HintKind.DEBUG_SYMBOLS
    return None


def _is_of_context(origin: LayerOrigin) -> bool:
    """Return whether a layer was copied from the build context. The history alone does not tell it from a stage."""
    is_copied = origin.instruction.startswith(("COPY ", "ADD "))
    return is_copied and origin.from_stage is None and origin.dockerfile_lines is not None


def _of_build_tools(image: MergedImage) -> _Sum:
    """Return the packages of own layers that only builds need."""
    own = image.own_layers
    one = _Sum()
    for package in image.packages:
        if package.layer in own and package.ecosystem in _SYSTEM and _BUILD_TOOL.fullmatch(package.name):
            one.add(package.name, package.file_bytes, package.layer)
    return one


def _of_symbols(image: MergedImage, one: _Sum) -> _Sum:
    """Add the debug sections of binaries to the files that contain only debug information."""
    own = image.own_layers
    for path, found in image.facts.items():
        size = found.get("debug_bytes") if isinstance(found, dict) else None
        node = image.stack.find(path)
        if isinstance(size, int) and isinstance(node, int) and not _DEBUG.match(path):
            layer = image.stack.layer(node)
            if layer in own:
                one.add(path, size, layer)
    return one
