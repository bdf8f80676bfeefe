import time

import pytest

from membudget.manifests.yaml_text import InvalidYaml, documents, entries, get, items, scalar


def test_a_scalar_has_the_place_where_it_was_written() -> None:
    (root,) = documents("name: x\non:\n  push:\n    branches: [main, '*']\n")
    branches = [scalar(item) for item in items(get(root, "on", "push", "branches"))]
    assert [(text.text, text.line, text.column) for text in branches if text] == [("main", 4, 16), ("*", 4, 22)]


def test_keys_that_yaml_1_1_takes_for_booleans_stay_text() -> None:
    (root,) = documents("on: push\nyes: no\n")
    assert [(key.text, text.text) for key, node in entries(root) if (text := scalar(node))] == [
        ("on", "push"),
        ("yes", "no"),
    ]


def test_a_key_without_a_value_is_null() -> None:
    (root,) = documents("push:\n")
    text = scalar(get(root, "push"))
    assert text is not None
    assert text.is_null


def test_what_is_no_mapping_or_sequence_has_no_entries_and_no_items() -> None:
    (root,) = documents("[a, b]")
    assert list(entries(root)) == []
    assert get(root, "a", "b") is None
    assert items(None) == []
    assert scalar(root) is None


def test_every_document_is_returned_and_empty_ones_are_left_out() -> None:
    assert len(documents("a: 1\n---\n---\nb: 2\n")) == 2
    assert documents("") == []


@pytest.mark.parametrize(
    ("text", "reason", "place"),
    [
        ("a:\n  - b\n c: d\n", "expected <block end>", (3, 2)),
        ("a: [1, 2\n", "expected ',' or ']'", (2, 1)),
        ("a: *nobody\n", "undefined alias", (1, 4)),
        ("a: b\nc: \x01\n", "special characters are not allowed", (2, 4)),
        pytest.param("[" * 100_000, "nested too deeply", (1, 1), marks=pytest.mark.thorough),
    ],
)
def test_invalid_yaml_is_refused_with_its_place(text: str, reason: str, place: tuple[int, int]) -> None:
    with pytest.raises(InvalidYaml) as caught:
        documents(text)
    assert reason in caught.value.reason
    assert (caught.value.line, caught.value.column) == place


def test_aliases_that_multiply_cost_nothing() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30))
    before = time.process_time()
    (root,) = documents(bomb + "name: last\n")
    name = scalar(get(root, "name"))
    assert name is not None
    assert name.text == "last"
    assert time.process_time() - before < 2
