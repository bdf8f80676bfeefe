"""Finds the line and the column of each key and value of `budgets.toml`.

`tomllib` reports neither. This scanner follows valid TOML (https://toml.io/en/v1.0.0) and skips what values mean: it
relies on `tomllib` to refuse invalid files. Of an invalid file, it returns what comes before the first error.
"""

import contextlib
import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Keys = tuple[str | int, ...]
"""Keys from the top of the file, one for each level. The items of arrays are numbered from 0."""
KeyNames = tuple[str, ...]
"""Keys without the numbers of items."""

_MOST_KEYS = 100_000
_MOST_ITEMS = 20_000
_DEEPEST = 32
"""Limits on memory for a stranger's file. A valid budgets file has fewer keys and fewer levels."""

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_ONE_LINE_STRING = r'(?!""")"(?:[^"\\\n]|\\.)*"|' r"(?!''')'[^'\n]*'"
_QUOTED_KEY = re.compile(_ONE_LINE_STRING)
_STRING = re.compile(r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})|' r"'''.*?'''(?:'{0,2})|" + _ONE_LINE_STRING, re.DOTALL)
_PLAIN_VALUE = re.compile(r"[^,\]}#\s][^,\]}#\n]*")


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a text. Lines and columns count characters from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class KeySpot:
    """Where a key and its value begin. A table's value begins at its key."""

    key: Position
    value: Position


@dataclass(frozen=True, slots=True)
class KeyLines:
    """The lines of one file's keys."""

    path: str
    """Path of the file, from the top of the repository."""
    lines: Mapping[KeyNames, int]
    """Line numbers from 1, by key."""

    def first_of(self, candidates: Iterable[KeyNames]) -> int | None:
        """Return the line of the first of `candidates` that the file has."""
        return next((self.lines[keys] for keys in candidates if keys in self.lines), None)


def key_lines(text: str, path: str) -> KeyLines:
    """Return the lines of the keys of `text`. Of invalid TOML, those before the first error."""
    lines: dict[KeyNames, int] = {}
    for keys, spot in positions(text).items():
        names = tuple(key for key in keys if isinstance(key, str))
        lines[names] = min(lines.get(names, spot.key.line), spot.key.line)
    return KeyLines(path, lines)


def positions(text: str) -> Mapping[Keys, KeySpot]:
    """Return where each key of a TOML document is first mentioned. The time is linear in the length of `text`."""
    scanner = _Scanner(text)
    with contextlib.suppress(_InvalidToml, RecursionError):
        scanner.document()
    return scanner.found


class _InvalidToml(Exception):
    """The text is not TOML from here on."""


class _Scanner:
    def __init__(self, text: str) -> None:
        self.found: dict[Keys, KeySpot] = {}
        self._text = text
        self._at = 0
        self._line_starts = [0, *(matched.end() for matched in re.finditer("\n", text))]
        self._counts: dict[Keys, int] = {}
        """How many items each array of tables has so far."""

    def document(self) -> None:
        """Scan the whole text."""
        table: Keys = ()
        while True:
            self._skip(_BLANK)
            if self._at >= len(self._text):
                return
            if self._text.startswith("[", self._at):
                table = self._header()
            else:
                self._pair(table)
                self._skip(_SPACE)
                if not self._text.startswith(("\n", "\r", "#"), self._at) and self._at < len(self._text):
                    raise _InvalidToml

    def _header(self) -> Keys:
        is_array = self._text.startswith("[[", self._at)
        self._at += 2 if is_array else 1
        parts = self._key()
        self._expect("]]" if is_array else "]")
        table: Keys = ()
        for number, (name, position) in enumerate(parts, start=1):
            table += (name,)
            self._note(table, KeySpot(position, position))
            if is_array and number == len(parts):
                self._counts[table] = self._counts.get(table, 0) + 1
            if table in self._counts:
                table += (self._counts[table] - 1,)
                self._note(table, KeySpot(position, position))
        return table

    def _pair(self, table: Keys) -> None:
        """Scan `key = value`."""
        parts = self._key()
        self._expect("=")
        self._skip(_SPACE)
        value = self._position()
        keys = table
        inner: list[tuple[Keys, KeySpot]] = []
        for name, position in parts:
            keys += (name,)
            inner.append((keys, KeySpot(position, value if len(inner) == len(parts) - 1 else position)))
        self._value(keys)
        for above, spot in inner:  # noted after the value, so that a key with an invalid value has no place
            self._note(above, spot)

    def _value(self, keys: Keys) -> None:
        if self._text.startswith(("'", '"'), self._at):
            self._match(_STRING)
        elif self._text.startswith("[", self._at):
            self._items(keys)
        elif self._text.startswith("{", self._at):
            self._at += 1
            while not self._ends("}"):
                self._pair(keys)
                self._separator("}")
        else:
            self._match(_PLAIN_VALUE)

    def _items(self, keys: Keys) -> None:
        self._at += 1
        number = 0
        while not self._ends("]"):
            position = self._position()
            item = (*keys, number)
            self._value(item)
            if number < _MOST_ITEMS:
                self._note(item, KeySpot(position, position))
            self._separator("]")
            number += 1

    def _separator(self, end: str) -> None:
        """Go past the comma behind an item. Without a comma, the end has to follow."""
        self._skip(_BLANK)
        if self._text.startswith(",", self._at):
            self._at += 1
        elif not self._text.startswith(end, self._at):
            raise _InvalidToml

    def _ends(self, end: str) -> bool:
        self._skip(_BLANK)
        if self._text.startswith(end, self._at):
            self._at += 1
            return True
        return False

    def _key(self) -> list[tuple[str, Position]]:
        """Scan a dotted key. Levels beyond the deepest are left out."""
        parts: list[tuple[str, Position]] = []
        while True:
            self._skip(_SPACE)
            position = self._position()
            if self._text.startswith(("'", '"'), self._at):
                name = _unquoted(self._match(_QUOTED_KEY))
            else:
                name = self._match(_BARE_KEY)
            if len(parts) < _DEEPEST:
                parts.append((name, position))
            self._skip(_SPACE)
            if not self._text.startswith(".", self._at):
                return parts
            self._at += 1

    def _note(self, keys: Keys, spot: KeySpot) -> None:
        if len(self.found) < _MOST_KEYS and len(keys) <= 2 * _DEEPEST:
            self.found.setdefault(keys, spot)

    def _position(self) -> Position:
        line = bisect_right(self._line_starts, self._at)
        return Position(line, self._at - self._line_starts[line - 1] + 1)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        matched = pattern.match(self._text, self._at)
        self._at = matched.end() if matched is not None else self._at

    def _match(self, pattern: re.Pattern[str]) -> str:
        matched = pattern.match(self._text, self._at)
        if matched is None:
            raise _InvalidToml
        self._at = matched.end()
        return matched[0]

    def _expect(self, sign: str) -> None:
        self._skip(_SPACE)
        if not self._text.startswith(sign, self._at):
            raise _InvalidToml
        self._at += len(sign)


def _unquoted(key: str) -> str:
    try:
        (name,) = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        raise _InvalidToml from None
    return name
