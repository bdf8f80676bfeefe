"""On which line of `budgets.toml` a key is: for annotations.

`tomllib` tells no lines. But the end of a line at which it can read what came since the last such end is the end of a
statement: so it is asked, statement by statement, and no other grammar of TOML is needed here.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

_MOST_WORK_CHARACTERS = 2_000_000
"""A stranger's file may have values of many lines, and each line of such a value is a try at all of it."""

Keys = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeyLines:
    """The lines of one file's keys."""

    path: str
    """The file, from the top of the repository."""
    lines: Mapping[Keys, int]
    """From 1. Of keys inside of inline tables, the line on which the whole value begins."""

    def first_of(self, candidates: Iterable[Keys]) -> int | None:
        """The line of the first of several keys that the file has."""
        return next((self.lines[keys] for keys in candidates if keys in self.lines), None)


def key_lines(text: str, path: str) -> KeyLines:
    """The lines of the keys of `text`. Of text that is no TOML, and of values beyond all measure, none."""
    lines: dict[Keys, int] = {}
    table: Keys = ()
    for first_line, statement, is_header in _statements(text):
        parsed = tomllib.loads(statement)
        if is_header:
            table = _header(parsed)
            _note(lines, table, first_line)
        else:
            for keys in _paths(parsed):
                _note(lines, table + keys, first_line)
    return KeyLines(path, lines)


def _statements(text: str) -> Iterator[tuple[int, str, bool]]:
    """Each statement with its first line, and whether it is the header of a table."""
    work = 0
    begun, statement = 0, ""
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if not statement:
            begun = number
        statement += f"{line}\n"
        work += len(statement)
        if work > _MOST_WORK_CHARACTERS:
            return
        try:
            parsed = tomllib.loads(statement)
        except (ValueError, RecursionError):  # not at its end yet; or never to be read, see file.py
            continue
        if parsed:
            yield begun, statement, statement.lstrip().startswith("[")
        statement = ""


def _header(parsed: Mapping[str, object]) -> Keys:
    """The path in `[a.b]` or `[[a.b]]`: there is one key at each level."""
    keys: list[str] = []
    value: object = parsed
    while True:
        if isinstance(value, list):
            value = value[0]
        elif isinstance(value, dict) and value:
            ((key, value),) = value.items()
            keys.append(key)
        else:
            return tuple(keys)


def _paths(value: object, above: Keys = ()) -> Iterator[Keys]:
    """Every key in a statement, those of inline tables too."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield (*above, key)
            yield from _paths(below, (*above, key))


def _note(lines: dict[Keys, int], keys: Keys, line: int) -> None:
    """The first line that mentions a key, and every table around it that nothing mentioned before."""
    for length in range(1, len(keys) + 1):
        lines.setdefault(keys[:length], line)
