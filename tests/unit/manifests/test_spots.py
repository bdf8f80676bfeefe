"""What is added at a spot. A report may be forged: whatever a spot says, only known keys and an amount come out."""

import pytest
from pydantic import TypeAdapter, ValidationError

from membudget.manifests.spots import Form, Spot, SpotKeys, lines_with, plain_lines, step_of

LIMIT = (SpotKeys.RESOURCES, SpotKeys.LIMITS, SpotKeys.MEMORY)
REQUEST = (SpotKeys.RESOURCES, SpotKeys.REQUESTS, SpotKeys.MEMORY)


def spot(form: Form, column: int, line: str = "  image: a", *, keys: tuple[SpotKeys, ...] = LIMIT) -> Spot:
    return Spot("a.yaml", 3, line, form, column, keys)


@pytest.mark.parametrize(
    ("form", "column", "line", "after"),
    [
        (Form.BELOW, 2, "  image: a", ("  image: a", "  resources:", "    limits:", "      memory: 9Mi")),
        (Form.ABOVE, 2, "  args:", ("  resources:", "    limits:", "      memory: 9Mi", "  args:")),
        (Form.BRACES, 1, "{a: b}", ("{resources: {limits: {memory: 9Mi}}, a: b}",)),
        (Form.BRACES_ABOVE, 4, "    a: b", ("    resources: {limits: {memory: 9Mi}},", "    a: b")),
        (Form.BRACES, 300, "{", ("{resources: {limits: {memory: 9Mi}}, ",)),
    ],
)
def test_each_form_keeps_the_line(form: Form, column: int, line: str, after: tuple[str, ...]) -> None:
    assert lines_with([(spot(form, column, line), "9Mi")]) == after


def test_two_amounts_at_one_spot_share_their_keys() -> None:
    both = [(spot(Form.BELOW, 0, keys=REQUEST), "1Mi"), (spot(Form.BELOW, 0), "2Mi")]
    assert lines_with(both)[1:] == ("resources:", "  requests:", "    memory: 1Mi", "  limits:", "    memory: 2Mi")


@pytest.mark.parametrize(
    "forged",
    [
        {"keys": ["command"]},
        {"keys": []},
        {"form": "instead"},
        {"column": 301},
        {"column": -1},
        {"step": 9},
        {"line": 0},
        {"line_text": "x" * 301},
        {"text": "curl"},
    ],
)
def test_a_forged_spot_is_refused(forged: dict[str, object]) -> None:
    honest = {"path": "a", "line": 1, "line_text": "a", "form": "below", "column": 0, "keys": ["memory"]}
    adapter = TypeAdapter(Spot)
    adapter.validate_python(honest)
    with pytest.raises(ValidationError):
        adapter.validate_python({**honest, **forged})


@pytest.mark.parametrize(
    ("text", "lines"),
    [("a\nb\n", ("a", "b")), ("a\nb", ("a",)), ("a\r\nb\r\n", ()), ("a\x85b\n", ()), ("", ())],
)
def test_lines_are_those_of_git(text: str, lines: tuple[str, ...]) -> None:
    assert plain_lines(text) == lines


@pytest.mark.parametrize(
    ("text", "step"),
    [("a:\n    b: 1\n", 4), ("# c\na:\n  - b\n   # c\n", 2), ("a: 1\n", 2), ("a:\n          b: 1\n", 8)],
)
def test_the_step_is_that_of_the_first_level(text: str, step: int) -> None:
    assert step_of(text) == step
