"""Pairs the layers of two images: by content, then by the instruction that made them, equal or edited.

An inserted layer therefore counts as one inserted layer, and an edited instruction as one change.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import product
from typing import NamedTuple

from membudget.contents.likeness import LEAST_LIKENESS, InstructionWords

_MOST_COMPARISONS = 1_000_000
"""The most comparisons between the parts in which two images differ. They take half a second. `difflib` has no limit.
"""
_MOST_LIKENESSES = 20_000
"""The most comparisons of words, which are slower."""
_LEAST_SHARED = 0.5
"""The share of two layers' bytes that has to be in the same packages and folders for them to be the same layer."""


class LayerPair(NamedTuple):
    """The indexes of one layer in base and head. None on the side that does not have it."""

    base: int | None
    head: int | None
    is_same: bool
    """Whether both layers have the same content."""


def match_layers(
    base: Sequence[str],
    head: Sequence[str],
    base_made_by: Sequence[str],
    head_made_by: Sequence[str],
    inherited: tuple[AbstractSet[int], AbstractSet[int]] = (frozenset(), frozenset()),
) -> tuple[LayerPair, ...]:
    """Pair layers, lowest first, by their DiffIDs, the texts of their instructions, and the likeness of these texts.

    A text of "" matches nothing. `inherited` are the layers of both base images: nobody edited their instructions.
    """
    pairs: list[LayerPair] = []
    base_named = [text or f"base {index}" for index, text in enumerate(base_made_by)]
    head_named = [text or f"head {index}" for index, text in enumerate(head_made_by)]
    for before, after, same in _with_gaps(_common(base, head), len(base), len(head)):
        for one, other, alike in _with_gaps(
            _common(base_named[before.start : before.stop], head_named[after.start : after.stop]),
            len(before),
            len(after),
        ):
            pairs += _edited(
                {before[index]: "" if before[index] in inherited[0] else base_made_by[before[index]] for index in one},
                {after[index]: "" if after[index] in inherited[1] else head_made_by[after[index]] for index in other},
            )
            if alike is not None:
                pairs.append(LayerPair(before[alike[0]], after[alike[1]], is_same=False))
        if same is not None:
            pairs.append(LayerPair(*same, is_same=True))
    return tuple(pairs)


def _edited(base: Mapping[int, str], head: Mapping[int, str]) -> Iterator[LayerPair]:
    """Yield the layers between two pairs, in their order. Those of instructions that are much alike are one pair.

    The arguments are texts by the number of the layer.
    """
    ones, others = list(base), list(head)
    for before, after, pair in _with_gaps(_alike(base.values(), head.values()), len(ones), len(others)):
        yield from (LayerPair(ones[index], None, is_same=False) for index in before)
        yield from (LayerPair(None, others[index], is_same=False) for index in after)
        if pair is not None:
            yield LayerPair(ones[pair[0]], others[pair[1]], is_same=False)


def _alike(base: Collection[str], head: Collection[str]) -> list[tuple[int, int]]:
    """Return the pairs of texts, in their order, whose likeness adds up to the most."""
    if len(base) * len(head) > _MOST_LIKENESSES:
        return []
    ones, others = [InstructionWords.of(text) for text in base], [InstructionWords.of(text) for text in head]
    alike = [[one.likeness(other) for other in others] for one in ones]
    best = [[0.0] * (len(head) + 1) for _ in range(len(base) + 1)]
    for one in range(len(base) - 1, -1, -1):
        for other in range(len(head) - 1, -1, -1):
            paired = best[one + 1][other + 1] + alike[one][other] if alike[one][other] >= LEAST_LIKENESS else 0.0
            best[one][other] = max(paired, best[one + 1][other], best[one][other + 1])
    found = []
    one = other = 0
    while one < len(base) and other < len(head):
        if best[one][other] == best[one + 1][other]:
            one += 1
        elif best[one][other] == best[one][other + 1]:
            other += 1
        else:
            found.append((one, other))
            one, other = one + 1, other + 1
    return found


PairParts = Mapping[tuple[bool, str], int]
"""The bytes of a layer, by (whether it is a package, name of the package or folder)."""


def match_by_parts(
    pairs: Sequence[LayerPair], base: Mapping[int, PairParts], head: Mapping[int, PairParts]
) -> tuple[LayerPair, ...]:
    """Pair layers that only one side has if most of their bytes are in the same packages and folders.

    Their instructions were rewritten or moved. `base` and `head` have the parts of the layers that may be paired.
    """
    gone = [pair.base for pair in pairs if pair.base in base and pair.head is None and pair.base is not None]
    come = [pair.head for pair in pairs if pair.head in head and pair.base is None and pair.head is not None]
    if len(gone) * len(come) > _MOST_LIKENESSES:
        return tuple(pairs)
    shares = sorted(((_shared(base[one], head[other]), one, other) for one in gone for other in come), reverse=True)
    partners: dict[int, int] = {}
    for share, one, other in shares:
        if share >= _LEAST_SHARED and one not in partners and other not in partners.values():
            partners[one] = other
    kept = (
        pair
        for pair in pairs
        if not (pair.head is None and pair.base in partners)
        and not (pair.base is None and pair.head in partners.values())
    )
    return (*kept, *(LayerPair(one, other, is_same=False) for one, other in partners.items()))


def _shared(one: PairParts, other: PairParts) -> float:
    """Return the share of the larger layer's bytes that is in parts of the other, too. 0 if there are no bytes."""
    larger = max(sum(one.values()), sum(other.values()))
    return sum(min(size, other.get(name, 0)) for name, size in one.items()) / larger if larger else 0.0


def _with_gaps(
    common: Sequence[tuple[int, int]], base_count: int, head_count: int
) -> Iterator[tuple[range, range, tuple[int, int] | None]]:
    """Yield each common element with the ranges that precede it on both sides, and finally the ranges at the end."""
    base_from = head_from = 0
    for one, other in common:
        yield range(base_from, one), range(head_from, other), (one, other)
        base_from, head_from = one + 1, other + 1
    yield range(base_from, base_count), range(head_from, head_count), None


def _common(base: Sequence[str], head: Sequence[str]) -> list[tuple[int, int]]:
    """Return a longest common subsequence as pairs of indexes. For very long inputs, only compare both ends."""
    begin = 0
    while begin < min(len(base), len(head)) and base[begin] == head[begin]:
        begin += 1
    end = 0
    while end < min(len(base), len(head)) - begin and base[-1 - end] == head[-1 - end]:
        end += 1
    middle = _subsequence(base[begin : len(base) - end], head[begin : len(head) - end])
    return [
        *((index, index) for index in range(begin)),
        *((begin + one, begin + other) for one, other in middle),
        *((len(base) - index, len(head) - index) for index in range(end, 0, -1)),
    ]


def _subsequence(base: Sequence[str], head: Sequence[str]) -> Iterator[tuple[int, int]]:
    if len(base) * len(head) > _MOST_COMPARISONS:
        return
    lengths = [[0] * (len(head) + 1) for _ in range(len(base) + 1)]
    for one in range(len(base) - 1, -1, -1):
        row, below = lengths[one], lengths[one + 1]
        for other in range(len(head) - 1, -1, -1):
            row[other] = below[other + 1] + 1 if base[one] == head[other] else max(below[other], row[other + 1])
    one = other = 0
    while one < len(base) and other < len(head):
        if base[one] == head[other]:
            yield one, other
            one, other = one + 1, other + 1
        elif lengths[one + 1][other] >= lengths[one][other + 1]:
            one += 1
        else:
            other += 1


def join_moved(
    pairs: Sequence[LayerPair], base: Mapping[int, PairParts], head: Mapping[int, PairParts]
) -> tuple[tuple[LayerPair, ...], ...]:
    """Return groups of pairs: the layers of an instruction that was split, or of several that were joined.

    Most of what one layer of such a group lost has come to another one, so it is equal on both sides.
    """
    nothing: PairParts = {}
    changes = [
        _change(
            nothing if pair.base is None else base.get(pair.base, nothing),
            nothing if pair.head is None else head.get(pair.head, nothing),
        )
        for pair in pairs
    ]
    losing = [number for number, (lost, _) in enumerate(changes) if lost]
    gaining = [number for number, (_, gained) in enumerate(changes) if gained]
    groups = [[number] for number in range(len(pairs))]
    if len(losing) * len(gaining) <= _MOST_LIKENESSES:
        for one, other in product(losing, gaining):
            if groups[one] is not groups[other] and _has_moved(changes[one][0], changes[other][1]):
                groups[one] += groups[other]
                for number in groups[other]:
                    groups[number] = groups[one]
    return tuple(
        tuple(pairs[member] for member in sorted(group)) for number, group in enumerate(groups) if number == min(group)
    )


def _change(before: PairParts, after: PairParts) -> tuple[PairParts, PairParts]:
    """Return what a layer lost and what it gained."""
    deltas = {name: after.get(name, 0) - before.get(name, 0) for name in before.keys() | after.keys()}
    lost = {name: -delta for name, delta in deltas.items() if delta < 0}
    return lost, {name: delta for name, delta in deltas.items() if delta > 0}


def _has_moved(lost: PairParts, gained: PairParts) -> bool:
    """Return whether most of what one layer lost, or most of what another one gained, went from here to there."""
    moved = sum(min(size, gained.get(name, 0)) for name, size in lost.items())
    return moved > 0 and moved >= _LEAST_SHARED * min(sum(lost.values()), sum(gained.values()))
