"""Which layers of two images belong together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.contents.layer_pairs import LayerPair, join_moved, match_by_parts, match_layers


def test_an_inserted_layer_is_an_inserted_layer() -> None:
    pairs = match_layers("ABC", "AXBC", ["a", "b", "c"], ["a", "x", "b", "c"])
    assert [(pair.base, pair.head) for pair in pairs if not pair.is_same] == [(None, 1)]
    changed = match_layers("ABC", "AYZ", ["a", "RUN 1", "RUN 2"], ["a", "RUN 1", "RUN 2"])
    assert [(pair.base, pair.head) for pair in changed] == [(0, 0), (1, 1), (2, 2)]
    unknown = match_layers("A", "B", [""], [""])
    assert [(pair.base, pair.head) for pair in unknown] == [(0, None), (None, 0)]


LAYERS = st.lists(st.sampled_from("ABC"), max_size=6)


@given(base=LAYERS, head=LAYERS, texts=st.lists(st.sampled_from(["", "RUN a", "RUN b"]), min_size=12, max_size=12))
def test_each_layer_is_in_one_pair_in_its_order(base: list[str], head: list[str], texts: list[str]) -> None:
    pairs = match_layers(base, head, texts[: len(base)], texts[6 : 6 + len(head)])
    assert [pair.base for pair in pairs if pair.base is not None] == list(range(len(base)))
    assert [pair.head for pair in pairs if pair.head is not None] == list(range(len(head)))
    for one, other, is_same in pairs:
        if one is not None and other is not None:
            assert (base[one] == head[other]) if is_same else (texts[one] == texts[6 + other] != "")


@pytest.mark.thorough
def test_thousands_of_layers_that_are_much_alike_take_no_minutes() -> None:
    base, head = ["A", *"AX" * 5000, "B"], ["A", *"AY" * 5000, "B"]
    pairs = match_layers(base, head, [""] * len(base), [""] * len(head))
    assert sum(pair.is_same for pair in pairs) == 3, "what is alike at both ends"


def test_an_edited_instruction_is_paired_with_its_earlier_version() -> None:
    before, after = "RUN apt-get install -y php-cli", "RUN apt-get install -y php-cli php-intl"
    pairs = match_layers("ABC", "AXYC", ["a", before, "c"], ["a", "COPY x /x", after, "c"])
    assert [tuple(pair) for pair in pairs if not pair.is_same] == [(None, 1, False), (1, 2, False)]


def test_an_instruction_of_the_base_image_is_no_earlier_version() -> None:
    inherited = (frozenset({0, 1}), frozenset({0}))
    pairs = match_layers("AB", "AC", ["a", "RUN make all"], ["a", "RUN make all fast"], inherited)
    assert [tuple(pair) for pair in pairs if not pair.is_same] == [(1, None, False), (None, 1, False)]


@given(base=LAYERS, head=LAYERS)
def test_edited_layers_stay_in_their_order(base: list[str], head: list[str]) -> None:
    texts = {"A": "RUN x y z", "B": "RUN x y w", "C": "COPY a /b"}
    ones, others = [f"b{number}" for number in range(len(base))], [f"h{number}" for number in range(len(head))]
    pairs = match_layers(ones, others, [texts[one] for one in base], [texts[one] for one in head])
    assert [pair.base for pair in pairs if pair.base is not None] == list(range(len(base)))
    assert [pair.head for pair in pairs if pair.head is not None] == list(range(len(head)))


def test_a_rewritten_or_moved_layer_is_paired_by_what_it_holds() -> None:
    pairs = [LayerPair(1, None, is_same=False), LayerPair(None, 1, is_same=False), LayerPair(None, 2, is_same=False)]
    flask, other = {(True, "flask"): 900, (False, "/etc"): 50}, {(False, "/srv"): 5000}
    found = match_by_parts(pairs, {1: flask}, {1: other, 2: {(True, "flask"): 950}})
    assert [tuple(pair) for pair in found] == [(None, 1, False), (1, 2, False)]
    assert match_by_parts(pairs, {}, {1: other, 2: flask}) == tuple(pairs), "a layer of the base image"
    assert match_by_parts(pairs, {1: {}}, {1: {}, 2: {}}) == tuple(pairs), "without bytes, nothing is shared"


def test_layers_that_share_nothing_stay_apart_and_each_is_in_one_group() -> None:
    pairs = [LayerPair(1, 1, is_same=False), LayerPair(None, 2, is_same=False), LayerPair(2, 3, is_same=False)]
    ours, other = (True, "ours"), (False, "/other")
    before, after = {1: {ours: 900}, 2: {other: 5}}, {1: {}, 2: {ours: 900}, 3: {other: 9}}
    groups = join_moved(pairs, before, after)
    assert [[tuple(pair) for pair in group] for group in groups] == [
        [(1, 1, False), (None, 2, False)],
        [(2, 3, False)],
    ]
    assert join_moved([], {}, {}) == ()
