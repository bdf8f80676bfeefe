"""Which layer of head is which layer of base: by content, then by the instruction that made it.

So an inserted layer is an inserted layer, and not a change of all that lie above it.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

_MOST_COMPARISONS = 1_000_000
"""Between what two images have alike at their beginnings and ends: half a second. `difflib` has no such bound."""


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
    base_named = [text or f"base {index}" for index, text in enumerate(base_made_by)]
    head_named = [text or f"head {index}" for index, text in enumerate(head_made_by)]
    for before, after, same in _with_gaps(_common(base, head), len(base), len(head)):
        for one, other, alike in _with_gaps(
            _common(base_named[before.start : before.stop], head_named[after.start : after.stop]),
            len(before),
            len(after),
        ):
            pairs += [LayerPair(before[index], None, is_same=False) for index in one]
            pairs += [LayerPair(None, after[index], is_same=False) for index in other]
            if alike is not None:
                pairs.append(LayerPair(before[alike[0]], after[alike[1]], is_same=False))
        if same is not None:
            pairs.append(LayerPair(*same, is_same=True))
    return tuple(pairs)


def _with_gaps(
    common: Sequence[tuple[int, int]], base_count: int, head_count: int
) -> Iterator[tuple[range, range, tuple[int, int] | None]]:
    """What lies before each common element on both sides, and the element; last, what lies behind them all."""
    base_from = head_from = 0
    for one, other in common:
        yield range(base_from, one), range(head_from, other), (one, other)
        base_from, head_from = one + 1, other + 1
    yield range(base_from, base_count), range(head_from, head_count), None


def _common(base: Sequence[str], head: Sequence[str]) -> list[tuple[int, int]]:
    """A longest common subsequence, as pairs of indexes; of very long ones, what is alike at both ends."""
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
