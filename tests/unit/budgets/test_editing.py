"""Edits of a budgets file's text, and the same edits told line by line."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.budgets.editing import LineEdit, NewValues, NotEditableError, applied, edited, in_toml, line_edits

LINES = st.lists(st.sampled_from(["", "a = 1", "[b]", "c = 2 # why", "# end"]), max_size=12)


@given(LINES, LINES)
def test_line_edits_make_one_text_the_other(before: list[str], after: list[str]) -> None:
    old, new = ("".join(f"{line}\n" for line in lines) for lines in (before, after))
    assert applied(old, line_edits(old, new)) == new


def test_a_replaced_line_has_its_number_and_an_added_one_that_of_the_line_before() -> None:
    edits = line_edits("a\nb\nc\n", "a\nB\nc\nd\n")
    assert edits == (LineEdit(2, 1, ("B",)), LineEdit(3, 0, ("d",)))


def test_values_of_every_kind_are_set() -> None:
    values: NewValues = {"max": "1MiB", "warn": 3, "drop": {"percent": 2.5, "floor": 530}}
    after = edited("[images.api] # one\n", {("images", "api"): values})
    assert tomllib.loads(after) == {"images": {"api": values}}
    assert "# one" in after
    assert in_toml(values) == '{ max = "1MiB", warn = 3, drop = { percent = 2.5, floor = 530 } }'


@pytest.mark.parametrize("text", ["", "images = 1", "[images]\napi = 1\n", "[[images.api]]\n", "images.api = ["])
def test_a_table_that_is_not_there_cannot_be_edited(text: str) -> None:
    with pytest.raises(NotEditableError, match="the file cannot be edited"):
        edited(text, {("images", "api"): {"limit": "1MiB"}})
