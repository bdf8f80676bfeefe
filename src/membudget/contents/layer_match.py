"""Which layer of head is which layer of base: by content, then by the instruction that made it.

So an inserted layer is an inserted layer, and not a change of all that lie above it.
"""

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import NamedTuple


class LayerPair(NamedTuple):
    """Indexes of one layer in base and head; None where it is only in the other."""

    base: int | None
    head: int | None
    is_same: bool
    """Whether its content is the same."""


def match_layers(
    base: Sequence[str], head: Sequence[str], base_made_by: Sequence[str], head_made_by: Sequence[str]
) -> tuple[LayerPair, ...]:
    """Pair layers, lowest first, by DiffIDs and the texts of their instructions ("" matches nothing)."""
    pairs: list[LayerPair] = []
    matcher = SequenceMatcher(None, base, head, autojunk=False)
    for tag, base_from, base_to, head_from, head_to in matcher.get_opcodes():
        if tag == "equal":
            pairs += [
                LayerPair(one, other, is_same=True)
                for one, other in zip(range(base_from, base_to), range(head_from, head_to), strict=True)
            ]
        else:
            pairs += _by_instruction((base_from, base_to), (head_from, head_to), base_made_by, head_made_by)
    return tuple(pairs)


def _by_instruction(
    base_range: tuple[int, int], head_range: tuple[int, int], base_made_by: Sequence[str], head_made_by: Sequence[str]
) -> list[LayerPair]:
    base, head = range(*base_range), range(*head_range)
    matcher = SequenceMatcher(
        None,
        [base_made_by[index] or f"base {index}" for index in base],
        [head_made_by[index] or f"head {index}" for index in head],
        autojunk=False,
    )
    pairs: list[LayerPair] = []
    for tag, base_from, base_to, head_from, head_to in matcher.get_opcodes():
        if tag == "equal":
            pairs += [
                LayerPair(one, other, is_same=False)
                for one, other in zip(base[base_from:base_to], head[head_from:head_to], strict=True)
            ]
        else:
            pairs += [LayerPair(index, None, is_same=False) for index in base[base_from:base_to]]
            pairs += [LayerPair(None, index, is_same=False) for index in head[head_from:head_to]]
    return pairs
