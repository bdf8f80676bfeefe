"""Edits the text of a budgets file. Comments, order and layout stay as they are.

The text is edited with tomlkit and then read again: it must differ in the intended keys and in nothing else.
"""

import copy
import difflib
import tomllib
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from membudget.budgets.lines import KeyNames
from membudget.core.files import Stored

NewValue: TypeAlias = "str | int | float | Mapping[str, NewValue]"
NewValues: TypeAlias = Mapping[str, NewValue]
"""What to set in a table: plain values, and what to set in the tables below it."""


class NotEditableError(ValueError):
    """A text that cannot be edited without changing other keys as well. The message says why."""


def edited(text: str, wanted: Mapping[KeyNames, NewValues]) -> str:
    """Return the text with the values of `wanted` set in its tables, which must exist. Raises NotEditableError."""
    import tomlkit  # here, because reports import this module, and most of them edit nothing
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text)
        expected = copy.deepcopy(tomllib.loads(text))
        for table, values in wanted.items():
            _set(_table(document, table), values, is_plain=False)
            _set(_table(expected, table), values, is_plain=True)
        after = _spaced(text, tomlkit.dumps(document))
        is_as_expected = tomllib.loads(after) == expected
    except (TOMLKitError, KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise NotEditableError(f"the file cannot be edited ({type(error).__name__})") from None
    if not is_as_expected:
        raise NotEditableError("an edit would have changed other keys as well")
    return after


def _spaced(before: str, after: str) -> str:
    """Return the text with spaces between braces, which tomlkit leaves out where it adds to an inline table."""
    return after if "}}" in before else after.replace("}}", "} }").replace("}}", "} }")


def _table(document: Mapping[str, object], keys: KeyNames) -> MutableMapping[str, Any]:
    """Return a table of a parsed document. Raises KeyError."""
    table: object = document
    for key in keys:
        table = cast("Mapping[str, object]", table)[key]
    return cast("MutableMapping[str, Any]", table)


def _set(table: MutableMapping[str, Any], values: NewValues, *, is_plain: bool) -> None:
    """Set values in a table. Tables that are missing are written inline: `fit = { survives = "40MiB" }`."""
    import tomlkit

    for key, value in values.items():
        if not isinstance(value, Mapping):
            table[key] = value
        elif isinstance(table.get(key), MutableMapping):
            _set(table[key], value, is_plain=is_plain)
        else:  # as text, because a table that tomlkit makes has no spaces inside of its braces
            text = f"inline = {in_toml(value)}\n"
            table[key] = tomllib.loads(text)["inline"] if is_plain else tomlkit.parse(text)["inline"]


def in_toml(value: NewValue) -> str:
    """Return a value as TOML. Tables are written inline. Their keys need no quotes, and texts no escapes."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {in_toml(one)}' for key, one in value.items())} }}"
    return f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True)
class LineEdit(Stored):
    """A change of some lines that follow each other."""

    line: int
    """The number of the first line that is replaced, from 1. Of added lines, that of the line before them."""
    replaced: int
    """How many lines are replaced. 0 if lines are added."""
    lines: tuple[str, ...]
    """The new lines, without their ends."""


def line_edits(before: str, after: str) -> tuple[LineEdit, ...]:
    """Return the changes that make the text `before` the text `after`, from top to bottom."""
    return tuple(_line_edits(before.splitlines(), after.splitlines()))


def _line_edits(before: Sequence[str], after: Sequence[str]) -> Iterator[LineEdit]:
    for tag, begin, end, new_begin, new_end in difflib.SequenceMatcher(None, before, after, False).get_opcodes():
        if tag != "equal":
            yield LineEdit(begin if begin == end else begin + 1, end - begin, tuple(after[new_begin:new_end]))


def applied(text: str, edits: Sequence[LineEdit]) -> str:
    """Return the text with the edits applied."""
    lines = text.splitlines()
    for edit in reversed(edits):
        begin = edit.line - 1 if edit.replaced else edit.line
        lines[begin : begin + edit.replaced] = edit.lines
    return "".join(f"{line}\n" for line in lines)
