"""Finds the files that differ between two merged file systems: by path and content, or moved, by content alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from heapq import nlargest

from membudget.contents.image import shown
from membudget.contents.layer_stack import NO_FILE, LayerStack
from membudget.core.files import Stored

MOST_FILES = 100


class ChangeKind(StrEnum):
    """How a file differs."""

    ADDED = "added"
    REMOVED = "removed"
    GROWN = "grown"
    SHRUNK = "shrunk"
    CHANGED = "changed"
    """Different content of the same size."""
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class FileChange(Stored):
    """A file that differs between both sides."""

    kind: ChangeKind
    path: str
    base_bytes: int
    head_bytes: int
    moved_from: str | None = None


@dataclass(frozen=True, slots=True)
class KindTotal(Stored):
    """The totals of all files that changed in the same way."""

    kind: ChangeKind
    files: int
    delta_bytes: int


def diff_files(base: LayerStack, head: LayerStack) -> tuple[tuple[FileChange, ...], tuple[KindTotal, ...]]:
    """Return the largest changes of live files, and the totals for each kind of change.

    A file has moved if the base's path is gone and the head has the same content at a new path. A file with several
    names counts once, under its first name.
    """
    changes: list[FileChange] = []
    gone: dict[tuple[int, int], list[str]] = {}
    for path, number in base.files():
        before = (base.size(number), base.digest(number))
        node = head.find(path)
        if not isinstance(node, int) or node == NO_FILE:
            gone.setdefault(before, []).append(path)
        elif (after := (head.size(node), head.digest(node))) != before:
            changes.append(FileChange(_kind_of_file(before[0], after[0]), path, before[0], after[0]))
    changes += _new_files(base, head, gone)
    for (size, _), paths in gone.items():
        changes += [FileChange(ChangeKind.REMOVED, path, size, 0) for path in paths]
    totals: dict[ChangeKind, tuple[int, int]] = {}
    for change in changes:
        files, delta = totals.get(change.kind, (0, 0))
        totals[change.kind] = (files + 1, delta + change.head_bytes - change.base_bytes)
    largest = nlargest(MOST_FILES, changes, key=lambda one: (abs(one.head_bytes - one.base_bytes), one.head_bytes))
    bounded = tuple(
        FileChange(
            one.kind,
            shown(one.path),
            one.base_bytes,
            one.head_bytes,
            shown(one.moved_from) if one.moved_from is not None else None,
        )
        for one in largest
    )
    return bounded, tuple(KindTotal(kind, *total) for kind, total in sorted(totals.items()))


def _kind_of_file(before: int, after: int) -> ChangeKind:
    if before == after:
        return ChangeKind.CHANGED
    return ChangeKind.GROWN if after > before else ChangeKind.SHRUNK


def _new_files(base: LayerStack, head: LayerStack, gone: dict[tuple[int, int], list[str]]) -> Iterator[FileChange]:
    for path, number in head.files():
        node = base.find(path)
        if isinstance(node, int) and node != NO_FILE:
            continue
        size = head.size(number)
        from_paths = gone.get((size, head.digest(number))) if size else None
        if from_paths:
            yield FileChange(ChangeKind.MOVED, path, size, size, from_paths.pop())
        else:
            yield FileChange(ChangeKind.ADDED, path, 0, size)
