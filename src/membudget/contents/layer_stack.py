"""The file system that layers make together, without unpacking them: what is live in it, and what is waste.

Overlay semantics (OCI image specification, "Applying Changesets"; kernel, overlayfs.rst): whiteouts count for lower
layers alone, wherever they lie in their archive; a folder over a folder merges; all else replaces. Paths are taken as
written: links are never followed, so no loop of them matters.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from sys import intern
from typing import Union

from membudget.contents.image import Entry, EntryKind, Layer
from membudget.core.errors import UnreadableImage

MOST_NAMES = 4_000_000
"""Of files and folders at a time, those that only paths name among them."""
NO_FILE = -1
"""A name of something that has no bytes: a symbolic link, a device."""

Folder = dict[str, Union["Folder", int]]
"""By name: a folder, or the number of a file's content."""


class WasteKind(StrEnum):
    """Why bytes of a layer are live no more."""

    REMOVED = "removed"
    REPLACED = "replaced"
    REWRITTEN = "rewritten"
    """Replaced by the same content: `chmod`, `chown`, `touch`, or a second copy."""


@dataclass(slots=True)
class WasteGroup:
    """Bytes of one layer that another one made waste, in one way."""

    from_layer: int
    by_layer: int
    kind: WasteKind
    file_bytes: int = 0
    files: int = 0
    example: str = ""
    """Path of the largest file."""
    example_bytes: int = -1


@dataclass(slots=True)
class _FolderSum:
    """A folder that is being added up."""

    path: str
    items: Iterator[tuple[str, "Folder | int"]]
    file_bytes: int = 0
    files: int = 0


class LayerStack:
    """Layers merged, lowest first."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        """Merge them. Raises UnreadableImage, and ValueError where a kept layer was damaged."""
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
        """What is live no more, largest first. Their sum and `live_bytes` are all layers' file bytes."""
        return tuple(sorted(self._waste.values(), key=lambda group: -group.file_bytes))

    @property
    def waste_bytes(self) -> int:
        """`image_waste`."""
        return sum(group.file_bytes for group in self._waste.values())

    @property
    def content_count(self) -> int:
        """How many files' contents there are in all layers, live or not. Hard links are several names of one.

        Their numbers begin at 0.
        """
        return len(self._sizes)

    def is_live(self, number: int) -> bool:
        """Whether a content has a name."""
        return self._links[number] > 0

    def layer(self, number: int) -> int:
        """Index of the layer that holds a content."""
        return self._layers[number]

    def size(self, number: int) -> int:
        """Bytes of a content."""
        return self._sizes[number]

    def digest(self, number: int) -> int:
        """Of a content: see `Entry`."""
        return self._digests[number]

    def find(self, path: str) -> "Folder | int | None":
        """What lies at a path; None where nothing does."""
        node: Folder | int = self.root
        for name in path.split("/") if path else ():
            if not isinstance(node, dict) or name not in node:
                return None
            node = node[name]
        return node

    def names_below(self, folder: str) -> Iterator[tuple[str, int]]:
        """All names of regular files below a folder: path and number of the content, sorted within each folder."""
        start = self.find(folder)
        if isinstance(start, dict):
            yield from _walk(start, f"{folder}/" if folder else "")

    def files(self) -> Iterator[tuple[str, int]]:
        """All regular files: path and number of the content, each content once, at its first name."""
        seen: set[int] = set()
        for path, number in self.names_below(""):
            if self._links[number] > 1:
                if number in seen:
                    continue
                seen.add(number)
            yield path, number

    def folders(self) -> Iterator[tuple[str, int, int]]:
        """All folders: path ("" is the whole), bytes and number of the regular files below, deepest first."""
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
        """Bound the work: a name, and deep ones more than one."""
        self._made += 1 + path.count("/") // 8
        if self._made > MOST_NAMES:
            raise UnreadableImage(f"its layers name more than {MOST_NAMES:,} files and folders")

    def _remove(self, whiteout: Entry, by: int) -> None:
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

    def _add(self, entry: Entry, by: int) -> None:
        path = entry.path
        if not path:
            return
        parent, _, name = path.rpartition("/")
        if parent != self._last_parent:  # archives list a folder's files one after another
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
            self._last_parent = None  # it may have been in what goes now
            self._drop(before, path, by, number)

    def _folder_at(self, path: str, by: int) -> Folder:
        """The folder at a path, which is made where there is none."""
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

    def _number_of(self, entry: Entry, by: int) -> int:
        if entry.kind is EntryKind.HARD_LINK:
            node = self.find(entry.target)
            if not isinstance(node, int) or node == NO_FILE:
                return NO_FILE  # leads nowhere: an engine would not unpack it
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
        """Take away what lay at a path; `successor` is the content that took its place."""
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
    """All names of regular files below a folder. Without recursion: paths may have thousands of parts."""
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
