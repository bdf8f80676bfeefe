"""The page's data about an image's bytes: folders, packages and layers of both sides, and what changed."""

from collections.abc import Iterator, Mapping, Sequence
from heapq import nlargest
from typing import TypeAlias, TypeVar

from membudget.contents.diff import ImageDiff
from membudget.contents.summary import FolderSummary, ImageSummary
from membudget.core.untrusted_text import Json, printable
from membudget.judge.measurement import ImageMeasurement

_LONGEST_INSTRUCTION = 160
_LONGEST_PATH = 160

_Key = TypeVar("_Key")
_Sizes: TypeAlias = tuple[int | None, int | None]
"""The sizes in base and head. None if the item is missing or too small to be listed."""


def contents(image: ImageMeasurement, most: int) -> dict[str, Json] | None:
    """Return the contents of both sides, at most `most` of each kind. None if no side's layers could be read."""
    base, head = (side.contents if side is not None else None for side in (image.base, image.head))
    if (base is None and head is None) or not most:
        return None
    known = [side for side in (base, head) if side is not None]
    changes = image.contents_diff
    return {
        "live": [side.live_bytes if side is not None else None for side in (base, head)],
        "total": [side.file_bytes if side is not None else None for side in (base, head)],
        "folders": _tree(_both(_folders(base), _folders(head)), _both(_files(base), _files(head)), most),
        "packages": _packages(base, head, most),
        "packageCount": max(side.package_count for side in known),
        "layers": [_layers(base, changes, most, is_head=False), _layers(head, changes, most, is_head=True)],
        "layerCount": max(side.layer_count for side in known),
        "dockerfile": printable(image.dockerfile) if image.dockerfile is not None else None,
        "changedPackages": _changed_packages(changes, most) if changes is not None else [],
        "changedFiles": _changed_files(changes, most) if changes is not None else [],
        "largestFiles": [
            [f"/{printable(file.path, _LONGEST_PATH)}", file.layer, file.file_bytes]
            for file in known[-1].files[: min(most, 30)]
        ],
    }


def _folders(side: ImageSummary | None) -> dict[str, int]:
    folders: Sequence[FolderSummary] = side.folders if side is not None else ()
    return {folder.path: folder.file_bytes for folder in folders if folder.path}


def _files(side: ImageSummary | None) -> dict[str, int]:
    return {file.path: file.file_bytes for file in side.files} if side is not None else {}


def _both(base: Mapping[_Key, int], head: Mapping[_Key, int]) -> dict[_Key, _Sizes]:
    return {key: (base.get(key), head.get(key)) for key in {**head, **base}}


def _larger(sizes: _Sizes) -> int:
    return max(size or 0 for size in sizes)


def _tree(folders: Mapping[str, _Sizes], files: Mapping[str, _Sizes], most: int) -> Json:
    """Return the largest as [name, base, head, children], each below the nearest listed folder that contains it."""
    chosen = nlargest(most, folders, key=lambda path: (_larger(folders[path]), -len(path)))
    large = nlargest(most, files.keys() - folders.keys(), key=lambda path: (_larger(files[path]), path))
    inside: dict[str, list[Json]] = {"": []}
    for path in [*sorted(chosen), *sorted(large)]:  # files come last, because nothing lies below them
        parent = path
        while parent not in inside or parent == path:
            parent = parent.rpartition("/")[0]
        children: list[Json] = []
        inside[path] = children
        name = path.removeprefix(f"{parent}/") if parent else path
        sizes = folders.get(path) or files[path]
        inside[parent].append([printable(name, _LONGEST_PATH) or "?", *sizes, children])
    return inside[""]


def _packages(base: ImageSummary | None, head: ImageSummary | None, most: int) -> Json:
    """Return the largest packages as [ecosystem, name, base's version, head's version, base, head]."""
    versions: list[dict[tuple[str, str], str]] = []
    sizes: list[dict[tuple[str, str], int]] = []
    for side in (base, head):
        size: dict[tuple[str, str], int] = {}
        version: dict[tuple[str, str], str] = {}
        for package in side.packages if side is not None else ():
            key = (package.ecosystem.value, package.name)
            size[key] = size.get(key, 0) + package.file_bytes
            version.setdefault(key, package.version)
        versions.append(version)
        sizes.append(size)
    both = _both(*sizes)
    return [
        [key[0], printable(key[1], 80), *(printable(side.get(key, ""), 40) for side in versions), *both[key]]
        for key in nlargest(most, both, key=lambda key: (_larger(both[key]), key))
    ]


def _layers(side: ImageSummary | None, changes: ImageDiff | None, most: int, *, is_head: bool) -> Json:
    """Return each layer as [number, what made it, first line, bytes, waste, whether inherited, delta].

    None without a side.
    """
    if side is None:
        return None
    deltas: dict[int | None, int] = {}
    base_moved = False
    for change in changes.layers if changes is not None else ():
        deltas[change.head_layer if is_head else change.base_layer] = change.delta_bytes
        base_moved = base_moved or change.is_upstream
    return [
        [
            number,
            printable(layer.instruction, _LONGEST_INSTRUCTION) or "(no history)",
            layer.dockerfile_lines[0] if layer.dockerfile_lines is not None else None,
            layer.file_bytes,
            layer.file_bytes - layer.live_bytes,
            bool(layer.is_inherited),
            deltas.get(number, None if changes is None or (layer.is_inherited and base_moved) else 0),
        ]
        for number, layer in enumerate(side.layers[:most])
    ]


def _changed_packages(changes: ImageDiff, most: int) -> Json:
    return [
        [one.ecosystem.value, printable(one.name, 80), printable(", ".join(one.base_versions), 60),
         printable(", ".join(one.head_versions), 60), one.base_bytes, one.head_bytes]
        for one in changes.packages[:most]
    ]  # fmt: skip


def _changed_files(changes: ImageDiff, most: int) -> Json:
    resized = [one for one in changes.files if one.base_bytes != one.head_bytes]
    return [list(_file(one.path, one.kind.value, one.base_bytes, one.head_bytes)) for one in resized[:most]]


def _file(path: str, kind: str, base: int, head: int) -> Iterator[Json]:
    yield from (f"/{printable(path, _LONGEST_PATH)}", kind, base, head)
