"""What the diff of one file says of the lines of its new version: which are new, and which lines the others were."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

_HUNK = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@", re.ASCII)
_ALIKE = 0.6
"""How much two lines have to be alike for one to replace the other. difflib's own measure of a close match."""
_MOST_PAIRS = 400
_MOST_PAIRS_OF_FILE = 4000
_LONGEST_LINE = 200
"""What is compared at most: SequenceMatcher takes time, and a line of generated code may be long."""


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines in a row that were removed, added, or replaced by others."""

    head_first: int
    removed: int
    was: tuple[int | None, ...]
    """Of each added line, which line of the base it replaces. None if it is new."""

    @property
    def head_lines(self) -> range:
        """The added lines."""
        return range(self.head_first, self.head_first + len(self.was))


@dataclass(frozen=True, slots=True)
class DiffLines:
    """The lines of a file that differs between base and head. Numbers count from 1."""

    _blocks: tuple[_Block, ...] = ()
    _shown: tuple[range, ...] = ()

    def is_shown(self, line: int) -> bool:
        """Whether the diff shows a line of head: one that changed, or one near it."""
        return any(line in lines for lines in self._shown)

    def is_changed(self, line: int) -> bool:
        """Whether the diff adds a line of head, or puts it in the place of another one."""
        return any(line in block.head_lines for block in self._blocks)

    def base_line(self, line: int) -> int | None:
        """Return which line of the base a line of head was. None if the diff adds it."""
        moved = 0
        for block in self._blocks:
            if line < block.head_first:
                break
            if line in block.head_lines:
                return block.was[line - block.head_first]
            moved += block.removed - len(block.was)
        return line + moved


def diff_lines(diff: str) -> DiffLines:
    """Return what a unified diff of one file says. Nothing has changed if it is empty."""
    hunks = (_first_lines(found) for found in map(_HUNK.match, diff.split("\n")) if found is not None)
    return DiffLines(tuple(_blocks(diff)), tuple(range(head, head + count) for _, head, count in hunks))


def _first_lines(hunk: re.Match[str]) -> tuple[int, int, int]:
    """Return the first lines of a hunk in base and in head, and how many it has in head.

    A hunk without lines names the line before it (POSIX, diff -u).
    """
    base_count, head_count = (int(hunk[group] or 1) for group in (2, 4))
    return int(hunk[1]) + (base_count == 0), int(hunk[3]) + (head_count == 0), head_count


def _blocks(diff: str) -> Iterator[_Block]:
    base = head = 0
    left = _MOST_PAIRS_OF_FILE
    removed: list[str] = []
    added: list[str] = []
    is_in_hunk = False
    for line in (*diff.split("\n"), ""):
        hunk = _HUNK.match(line)
        kind = line[:1] if is_in_hunk and hunk is None else ""
        if kind not in ("-", "+", "\\") and (removed or added):
            first = base - len(removed)
            pairs, most = len(removed) * len(added), min(left, _MOST_PAIRS)
            was = tuple(first + at if at is not None else None for at in _replaced(removed, added, most))
            left -= pairs if pairs <= most else 0
            yield _Block(head - len(added), len(removed), was)
            removed, added = [], []
        if hunk is not None:
            base, head, _ = _first_lines(hunk)
            is_in_hunk = True
        elif kind == "-":
            removed.append(line[1:])
        elif kind == "+":
            added.append(line[1:])
        base += kind in ("-", " ")
        head += kind in ("+", " ")


def _replaced(removed: Sequence[str], added: Sequence[str], most_pairs: int) -> list[int | None]:
    """Return which of the removed lines each added one replaces: as many in order, else those that are alike."""
    if len(removed) == len(added):
        return list(range(len(added)))
    found: list[int | None] = [None] * len(added)
    if len(removed) * len(added) <= most_pairs:
        for old, new in _alike([_code(line) for line in removed], [_code(line) for line in added]):
            found[new] = old
    return found


def _code(line: str) -> str:
    return line.strip()[:_LONGEST_LINE]


def _alike(removed: Sequence[str], added: Sequence[str], old_at: int = 0, new_at: int = 0) -> Iterator[tuple[int, int]]:
    """Yield the numbers of lines that are alike, in order: the most alike, and those around them."""
    ratio, old, new = max(
        ((_ratio(one, other), -old, -new) for old, one in enumerate(removed) for new, other in enumerate(added)),
        default=(0.0, 0, 0),
    )
    if ratio < _ALIKE:
        return
    old, new = -old, -new
    yield from _alike(removed[:old], added[:new], old_at, new_at)
    yield old_at + old, new_at + new
    yield from _alike(removed[old + 1 :], added[new + 1 :], old_at + old + 1, new_at + new + 1)


@lru_cache(maxsize=2 * _MOST_PAIRS)
def _ratio(one: str, other: str) -> float:
    """Return how much two lines are alike, from 0 to 1."""
    return SequenceMatcher(None, one, other, autojunk=False).ratio()
