import weakref

import pytest
from yaml import MappingNode

from membudget.manifests.yaml_text import InvalidYaml, YamlValue, read_values


def of(text: str) -> YamlValue:
    (document,) = read_values(text)
    return document


def test_values_have_their_lines() -> None:
    value = of("a:\n  b: 512m\n").get("a", "b")
    assert (value.text, value.line) == ("512m", 2)


@pytest.mark.parametrize("written", ["", "~", "null"])
def test_null_is_no_text(written: str) -> None:
    assert of(f"a: {written}\n").get("a").text is None


def test_what_is_absent_has_nothing_below() -> None:
    absent = of("a: 1\n").get("b", "c")
    assert not absent
    assert (absent.text, absent.number, absent.texts(), list(absent.items())) == (None, None, [], [])


@pytest.mark.parametrize(("written", "number"), [("8080", 8080), ('"8080"', 8080), ("http", None), ("9" * 10, None)])
def test_numbers_are_short_and_whole(written: str, number: int | None) -> None:
    assert of(f"a: {written}\n").get("a").number == number


def test_merged_keys_count_where_a_mapping_has_none_of_its_own() -> None:
    document = of("x: &x {a: 1, b: 2}\ny: &y {c: 3}\nz:\n  <<: [*x, *y]\n  a: 0\n")
    merged = document.get("z")
    assert {key: value.text for key, value in merged.items()} == {"a": "0", "b": "2", "c": "3"}
    assert merged.get("c").line == 2


def test_pairs_are_read_in_both_forms() -> None:
    assert of("a: {X: 1, Y: two}\n").get("a").pairs() == {"X": "1", "Y": "two"}
    assert of("a: [X=1, 'Y=a=b', Z]\n").get("a").pairs() == {"X": "1", "Y": "a=b"}


def test_texts_are_read_in_both_forms() -> None:
    assert of("a: [x, {b: 1}, y]\n").get("a").texts() == ["x", "y"]
    assert of("a: x y\n").get("a").texts() == ["x y"]


def test_a_bomb_of_merges_costs_nothing() -> None:
    levels = [f"l{n}: &l{n}\n  <<: [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 30)]
    document = of("l0: &l0 {a: 1}\n" + "".join(levels))
    assert document.get("l29", "a").text == "1"
    assert document.get("l29", "b").text is None


def test_a_mapping_that_merges_itself_has_an_end() -> None:
    assert of("a: &a\n  <<: *a\n  b: 1\n").get("a", "c").text is None


def test_a_document_that_was_read_is_freed() -> None:
    document = of("a: {b: 1}\n")
    assert document.get("a", "b").text == "1"
    assert document.node is not None
    root = weakref.ref(document.node)
    del document
    assert root() is None


def test_a_large_mapping_is_searched_once() -> None:
    """Many services may share one."""
    document = of("x: &x\n" + "".join(f"  k{n}: {n}\n" for n in range(500)) + "y: {<<: *x}\n")
    node = document.get("x").node
    assert isinstance(node, MappingNode)
    assert document.get("x", "k499").text == "499"
    node.value = []
    assert document.get("x", "k7").text == document.get("y", "k7").text == "7"


@pytest.mark.thorough
def test_nesting_without_end_is_an_error() -> None:
    with pytest.raises(InvalidYaml):
        read_values("[" * 5000)
