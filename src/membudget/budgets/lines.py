"""Finds the line of each key of `budgets.toml`, for annotations.

`tomllib` reports no line numbers. So each statement is found by calling it: lines are added until `tomllib` can read
them, which is the end of the statement. No other TOML parser is needed.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

_MOST_WORK_CHARACTERS = 2_000_000
"""A limit on the work. A stranger's file may have values of many lines, and each such line parses the whole value
again.
"""

Keys = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeyLines:
    """The lines of one file's keys."""

    path: str
    """Path of the file, from the top of the repository."""
    lines: Mapping[Keys, int]
    """Line numbers from 1. For a key inside an inline table, the line on which the whole value begins."""

    def first_of(self, candidates: Iterable[Keys]) -> int | None:
        """Return the line of the first of `candidates` that the file has."""
        return next((self.lines[keys] for keys in candidates if keys in self.lines), None)


def key_lines(text: str, path: str) -> KeyLines:
    """Return the lines of the keys of `text`. Invalid TOML and extremely long values yield none."""
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
    """Yield each statement with its first line and whether it is a table header."""
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
        except (ValueError, RecursionError):  # the statement is incomplete, or can never be read (see file.py)
            continue
        if parsed:
            yield begun, statement, statement.lstrip().startswith("[")
        statement = ""


def _header(parsed: Mapping[str, object]) -> Keys:
    """Return the path in `[a.b]` or `[[a.b]]`, which has one key per level."""
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
    """Yield every key in a statement, including those of inline tables."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield (*above, key)
            yield from _paths(below, (*above, key))


def _note(lines: dict[Keys, int], keys: Keys, line: int) -> None:
    """Note the first line that mentions a key, and the same line for surrounding tables not mentioned before."""
    for length in range(1, len(keys) + 1):
        lines.setdefault(keys[:length], line)
