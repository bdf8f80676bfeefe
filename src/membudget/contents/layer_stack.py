"""The file system that layers form together, without unpacking them: which bytes are live and which are waste.

The rules are overlayfs' (OCI image specification, "Applying Changesets"; kernel, overlayfs.rst). Whiteouts apply only
to lower layers, at any position in their archive. A folder over a folder merges, and everything else replaces. Paths
are used as written: links are never followed, so circles of links do no harm.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from sys import intern
from typing import Union

from membudget.contents.image import EntryKind, Layer, LayerEntry
from membudget.core.errors import UnreadableImage

MOST_NAMES = 4_000_000
"""The most files and folders, including those that are only parts of paths."""
NO_FILE = -1
"""The number of a name without bytes: a symbolic link or a device."""

Folder = dict[str, Union["Folder", int]]
"""Maps each name to a folder, or to the number of a file's content."""


class WasteKind(StrEnum):
    """Why bytes of a layer are no longer live."""

    REMOVED = "removed"
    REPLACED = "replaced"
    REWRITTEN = "rewritten"
    """Replaced by the same content: by `chmod`, `chown`, `touch` or a second copy."""


@dataclass(slots=True)
class WasteGroup:
    """Bytes of one layer that another layer turned into waste in one way."""

    from_layer: int
    by_layer: int
    kind: WasteKind
    file_bytes: int = 0
    files: int = 0
    example: str = ""
    """The path of the largest file."""
    example_bytes: int = -1


@dataclass(slots=True)
class _FolderSum:
    """A folder while it is summed up."""

    path: str
    items: Iterator[tuple[str, "Folder | int"]]
    file_bytes: int = 0
    files: int = 0


class LayerStack:
    """Merged layers, lowest first."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        """Merge layers. Raises UnreadableImage, and DamagedLayer if a stored layer is damaged."""
        self.root: Folder = {}
        self._layers, self._links = array("i"), array("I")
        self._sizes, self._digests = array("q"), array("Q")
        self._waste: dict[tuple[int, int, WasteKind], WasteGroup] = {}
        self.live_bytes = 0
        self._made = 0
        self._last_parent: str | None = None
        self._last_folder = self.root
        for number, layer in enumerate(layers):
            self._last_parent = None
            for whiteout in layer.whiteouts():
                self._remove(whiteout, number)
            for entry in layer.entries():
                self._add(entry, number)

    @property
    def waste(self) -> tuple[WasteGroup, ...]:
        """Return the waste, largest first. Together with `live_bytes`, it is the file bytes of all layers."""
        return tuple(sorted(self._waste.values(), key=lambda group: -group.file_bytes))

    @property
    def waste_bytes(self) -> int:
        """Return `image_waste`."""
        return sum(group.file_bytes for group in self._waste.values())

    @property
    def content_count(self) -> int:
        """Return the number of file contents in all layers, live or not. Contents are numbered from 0.

        Hard links are several names of one content.
        """
        return len(self._sizes)

    def is_live(self, number: int) -> bool:
        """Return whether a content still has a name."""
        return self._links[number] > 0

    def layer(self, number: int) -> int:
        """Return the index of the layer that contains a content."""
        return self._layers[number]

    def size(self, number: int) -> int:
        """Return the bytes of a content."""
        return self._sizes[number]

    def digest(self, number: int) -> int:
        """Return the digest of a content: see `LayerEntry`."""
        return self._digests[number]

    def find(self, path: str) -> "Folder | int | None":
        """Return the node at a path, or None."""
        node: Folder | int = self.root
        for name in path.split("/") if path else ():
            if not isinstance(node, dict) or name not in node:
                return None
            node = node[name]
        return node

    def names_below(self, folder: str) -> Iterator[tuple[str, int]]:
        """Yield regular files below a folder as (path, number of the content), by every name, sorted in each folder."""
        start = self.find(folder)
        if isinstance(start, dict):
            yield from _walk(start, f"{folder}/" if folder else "")

    def files(self) -> Iterator[tuple[str, int]]:
        """Yield regular files as (path, number of the content). Each content appears once, under its first name."""
        seen: set[int] = set()
        for path, number in self.names_below(""):
            if self._links[number] > 1:
                if number in seen:
                    continue
                seen.add(number)
            yield path, number

    def folders(self) -> Iterator[tuple[str, int, int]]:
        """Yield folders as (path, bytes, number of the regular files below), deepest first. The root's path is ""."""
        seen: set[int] = set()
        waiting = [_FolderSum("", iter(self.root.items()))]
        while waiting:
            current = waiting[-1]
            for name, node in current.items:
                if isinstance(node, dict):
                    path = f"{current.path}/{name}" if current.path else name
                    waiting.append(_FolderSum(path, iter(node.items())))
                    break
                if node != NO_FILE:
                    current.files += 1
                    if node not in seen:
                        current.file_bytes += self._sizes[node]
                    if self._links[node] > 1:
                        seen.add(node)
            else:
                waiting.pop()
                if waiting:
                    waiting[-1].file_bytes += current.file_bytes
                    waiting[-1].files += current.files
                yield current.path, current.file_bytes, current.files

    def _count(self, path: str) -> None:
        """Limit the number of names. Deep paths count more."""
        self._made += 1 + path.count("/") // 8
        if self._made > MOST_NAMES:
            raise UnreadableImage(f"the image's layers name more than {MOST_NAMES:,} files and folders")

    def _remove(self, whiteout: LayerEntry, by: int) -> None:
        self._count(whiteout.path)
        if whiteout.kind is EntryKind.OPAQUE:
            node = self.find(whiteout.path)
            if isinstance(node, dict):
                self._drop(node, whiteout.path, by, None)
                node.clear()
            return
        folder, _, name = whiteout.path.rpartition("/")
        parent = self.find(folder)
        if isinstance(parent, dict) and name in parent:
            self._drop(parent.pop(name), whiteout.path, by, None)

    def _add(self, entry: LayerEntry, by: int) -> None:
        path = entry.path
        if not path:
            return
        parent, _, name = path.rpartition("/")
        if parent != self._last_parent:  # archives list the files of a folder one after another
            self._last_folder = self._folder_at(parent, by)
            self._last_parent = parent
        folder = self._last_folder
        self._count(path)
        before = folder.get(name)
        if entry.kind is EntryKind.FOLDER:
            if isinstance(before, dict):
                return
            folder[intern(name)] = {}
            number = None
        else:
            number = self._number_of(entry, by)
            folder[intern(name)] = number
        if before is not None:
            self._last_parent = None  # it may have been inside of what is dropped now
            self._drop(before, path, by, number)

    def _folder_at(self, path: str, by: int) -> Folder:
        """Return the folder at a path. Missing folders are created."""
        folder = self.root
        parts = path.split("/") if path else []
        for depth, part in enumerate(parts):
            below = folder.get(part)
            if not isinstance(below, dict):
                if below is not None:
                    self._drop(below, "/".join(parts[: depth + 1]), by, None)
                below = folder[intern(part)] = {}
                self._made += 1
            folder = below
        return folder

    def _number_of(self, entry: LayerEntry, by: int) -> int:
        if entry.kind is EntryKind.HARD_LINK:
            node = self.find(entry.target)
            if not isinstance(node, int) or node == NO_FILE:
                return NO_FILE  # the target is missing: an engine would not unpack it
            self._links[node] += 1
            return node
        if entry.kind is not EntryKind.FILE:
            return NO_FILE
        self._layers.append(by)
        self._sizes.append(entry.size)
        self._digests.append(entry.digest)
        self._links.append(1)
        self.live_bytes += entry.size
        return len(self._sizes) - 1

    def _drop(self, node: "Folder | int", path: str, by: int, successor: int | None) -> None:
        """Remove what is at a path. `successor` is the number of the content that replaces it."""
        if isinstance(node, int):
            self._drop_name(node, path, by, successor)
            return
        for name, number in _walk(node, f"{path}/"):
            self._drop_name(number, name, by, None)

    def _drop_name(self, number: int, path: str, by: int, successor: int | None) -> None:
        if number == NO_FILE:
            return
        self._links[number] -= 1
        if self._links[number]:
            return
        size = self._sizes[number]
        self.live_bytes -= size
        if successor is None:
            kind = WasteKind.REMOVED
        elif successor != NO_FILE and (self._sizes[successor], self._digests[successor]) == (
            size,
            self._digests[number],
        ):
            kind = WasteKind.REWRITTEN
        else:
            kind = WasteKind.REPLACED
        layer = self._layers[number]
        group = self._waste.setdefault((layer, by, kind), WasteGroup(layer, by, kind))
        group.file_bytes += size
        group.files += 1
        if size > group.example_bytes:
            group.example, group.example_bytes = path, size


def _walk(folder: Folder, prefix: str) -> Iterator[tuple[str, int]]:
    """Yield the names of regular files below a folder, without recursion: paths may have thousands of parts."""
    waiting: list[tuple[str, Iterable[tuple[str, Folder | int]]]] = [(prefix, iter(sorted(folder.items(), key=_name)))]
    while waiting:
        path, items = waiting[-1]
        for name, node in items:
            if isinstance(node, dict):
                waiting.append((f"{path}{name}/", iter(sorted(node.items(), key=_name))))
                break
            if node != NO_FILE:
                yield f"{path}{name}", node
        else:
            waiting.pop()


def _name(item: tuple[str, object]) -> str:
    return item[0]
