"""The lines of keys: of any file, whatever way it is written."""

import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.budgets.lines import key_lines, positions

TOP = Path(__file__).parents[3]


def test_the_example_has_every_key_on_a_line_that_names_it() -> None:
    text = (TOP / "budgets.example.toml").read_text()
    written = text.split("\n")
    found = key_lines(text, "budgets.toml").lines
    assert set(found) >= set(_paths(tomllib.loads(text)))
    assert [keys for keys, line in found.items() if keys[-1] not in written[line - 1]] == []


@pytest.mark.parametrize(
    ("text", "keys", "line"),
    [
        ('[images.api]\n\n# why\nlimit = "1MiB"\n', ("images", "api", "limit"), 4),
        ('images.api.limit = "1MiB"', ("images", "api", "limit"), 1),
        ('[images]\napi = { limit = "1MiB", build = { context = "." } }', ("images", "api", "build", "context"), 2),
        ('[images."web"]\n"limit" = "1MiB"', ("images", "web", "limit"), 2),
        ('a = """\n[images.api]\nlimit = 1\n"""\n[images.api]\nlimit = 2\n', ("images", "api", "limit"), 6),
        ("a = '''\n]'''\nb = [\n 1, # ]\n 2,\n]\nc = 1", ("c",), 7),
        ("a = 1\r\n[b]\r\nc = 2\r\n", ("b", "c"), 3),
        ("[ images . api ] # [x]\n limit = 1", ("images", "api", "limit"), 2),
        ("[[exceptions]]\nimage = 'a'\n[[exceptions]]\nimage = 'b'", ("exceptions", "image"), 2),
    ],
)
def test_where_a_key_is(text: str, keys: tuple[str, ...], line: int) -> None:
    assert key_lines(text, "budgets.toml").first_of([("nowhere",), keys]) == line


def test_what_the_file_does_not_have_is_on_no_line() -> None:
    assert key_lines("a = 1", "budgets.toml").first_of([("b",), ("a", "c")]) is None


@pytest.mark.parametrize("text", ["", "= 1", "a = [", 'a = """', "[a\n\n]", "\x00"])
def test_what_is_no_toml_has_no_keys(text: str) -> None:
    assert key_lines(text, "budgets.toml").lines == {}


def test_a_key_that_is_there_twice_is_where_it_is_first() -> None:
    assert key_lines("a = 1\na = 2", "budgets.toml").lines == {("a",): 1}


@pytest.mark.thorough
@pytest.mark.parametrize(
    "text",
    [
        "a = [\n" + "1,\n" * 200_000 + "]\nb = 1",
        "a = [" + "{x=1}," * 100_000 + "]",
        "[" + "a." * 200_000 + "a]\nb = 1",
        "a = " + "[" * 100_000,
        "a = " + '"\\u0041' * 80_000,
        'a = """' + '\\"' * 200_000 + '"""\nb = 1',
        "a" * 500_000,
        "[[a]]\n" * 80_000,
        "[[a.b]]\n" * 80_000,
        "x = 1979-05-27 07:32:00 # when\n" * 20_000,
        "# " + "c" * 600_000 + "\n" * 600_000,
    ],
    ids=range(11),
)
def test_a_file_made_to_take_long_takes_seconds_and_little_memory(text: str) -> None:
    began = time.process_time()
    assert len(positions(text)) <= 100_000
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    ("text", "keys", "key", "value"),
    [
        ('[images.api]\nlimit  =  "1MiB"', ("images", "api", "limit"), (2, 1), (2, 11)),
        ("[images.api]\n", ("images", "api"), (1, 9), (1, 9)),
        ("  [ images . 'api' ]\n", ("images", "api"), (1, 14), (1, 14)),
        ("a.b = { c = [1, [2, 3]] }", ("a", "b", "c", 1, 0), (1, 18), (1, 18)),
        ("a.b = { c = [1, [2, 3]] }", ("a", "b", "c"), (1, 9), (1, 13)),
        ("a.b = 1", ("a",), (1, 1), (1, 1)),
        ("[[e]]\nx = 1\n[[e]]\nx = 2\n[e.t]\ny = 3", ("e", 1, "x"), (4, 1), (4, 5)),
        ("[[e]]\nx = 1\n[[e]]\nx = 2\n[e.t]\ny = 3", ("e", 1, "t", "y"), (6, 1), (6, 5)),
        ("[[e]]\n[[e.f]]\n[[e.f]]\nz = 1", ("e", 0, "f", 1, "z"), (4, 1), (4, 5)),
        ("a = [ # one ]\n  1,\n\n  2 ]", ("a", 1), (4, 3), (4, 3)),
        ("ü = 1", ("ü",), None, None),
        ('"ü\\t" = "ü" # ü\n', ("ü\t",), (1, 1), (1, 9)),
        ('a = """x""""\nb = 1', ("b",), (2, 1), (2, 5)),
        ("a = '''x''''\nb = 1", ("b",), (2, 1), (2, 5)),
        ("a = ''\nb = \"\"", ("b",), (2, 1), (2, 5)),
        ('w = { kind = "x", r = [{ p = "/" }, { p = "}" }] }', ("w", "r", 1, "p"), (1, 39), (1, 43)),
        ("d = 1979-05-27 07:32:00 # when\nf = 1", ("f",), (2, 1), (2, 5)),
    ],
)
def test_a_key_and_its_value_have_a_line_and_a_column(
    text: str, keys: tuple[str | int, ...], key: tuple[int, int] | None, value: tuple[int, int] | None
) -> None:
    spot = positions(text).get(keys)
    assert (spot and (spot.key.line, spot.key.column)) == key
    assert (spot and (spot.value.line, spot.value.column)) == value


NAMES = st.text("abcdefgh-_0", min_size=1, max_size=4)
VALUES: st.SearchStrategy[Any] = st.integers(-9, 9) | st.text("ab#[]='\"\n\\ {", max_size=8) | st.booleans()
TABLES: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.dictionaries(NAMES, VALUES, max_size=4),
    lambda below: st.dictionaries(NAMES, VALUES | below, max_size=4),
    max_leaves=12,
)


@pytest.mark.thorough
@given(TABLES, st.randoms(use_true_random=False))
def test_every_key_is_found_on_the_line_where_it_was_written(table: dict[str, Any], random: Random) -> None:
    lines: list[str] = []
    expected: dict[tuple[str, ...], int] = {}
    _write(table, (), lines, expected, random)
    text = "\n".join(lines)
    assert set(_paths(tomllib.loads(text))) >= set(expected)
    found = key_lines(text, "budgets.toml").lines
    assert {keys: found.get(keys) for keys in expected} == expected


def _write(table: dict[str, Any], above: tuple[str, ...], lines: list[str], expected: Any, random: Random) -> None:
    """Write a table, each value in one of the ways that there are, and remember where."""
    below = {}
    for key, value in table.items():
        if isinstance(value, dict):
            below[key] = value
            continue
        lines.extend(random.choice(([], [""], ["# a = 1", "  "])))
        expected[*above, key] = len(lines) + 1
        lines.extend(f"{_key(key, random)} = {_value(value, random)}".split("\n"))
    for key, value in below.items():
        lines.extend(random.choice(([], ["", "# [x]"])))
        expected[*above, key] = len(lines) + 1
        lines.append(f"[{'.'.join(_key(name, random) for name in (*above, key))}]")
        _write(value, (*above, key), lines, expected, random)


def _key(name: str, random: Random) -> str:
    return random.choice((name, f'"{name}"', f"'{name}'"))


def _value(value: Any, random: Random) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return random.choice((str(value), f"[\n  {value}, # ]\n]", f"{{ a = {value} }}"))
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return random.choice((f'"""{escaped}"""', '"' + escaped.replace("\n", "\\n") + '"'))


def _paths(value: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The keys of tables, not those of tables in lists."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield (*above, key)
            yield from _paths(below, (*above, key))
