"""Bounds that the text of a report keeps, checked before it is parsed.

Parsing can take up to a hundred times the bytes of the text for the emptiest values, and pydantic creates one error for
each unknown key. So the text is first scanned, once and in linear time. Answers of servers are scanned in the same way.
"""

import re
from collections.abc import Iterator

_MOST_VALUES = 800_000
"""A report has one value per 18 bytes."""
_MOST_TEXTS = 2 * _MOST_VALUES
"""A key and a value each."""
_MOST_TABLES = 160_000
"""The most objects and arrays. A report has one per 100 bytes."""
_MOST_MEMBERS = 200
"""The most keys of one object. A report's largest object has twenty."""
_DEEPEST = 40
"""The deepest nesting. A report's is ten."""
_MOST_DIGITS = 19
"""The digits of a 64-bit number, without the sign."""
_LONGEST_FRACTION = 40
_LARGEST_FRACTION = 1e13
"""Medians of sizes in bytes are fractions, too."""
_TOKEN = re.compile(rb'"[^"]*+"?|[\[\]{},]')
"""A string without an end extends to the end of the text, so that no part is searched twice."""
_STRING_OR_NUMBER = re.compile(rb'"[^"]*+"?|(-?\d[\d.eE+-]*+|-?Infinity|NaN)')


def oversized(text: bytes, most_tables: int = _MOST_TABLES) -> str | None:
    """Return how `text` exceeds the limits of any report, or None. `text` need not be JSON.

    `most_tables` is the limit for objects and arrays.
    """
    values = texts = tables = 0
    members: list[int] = []
    """The number of keys so far, for each enclosing object. For an array, a number too low to reach the limit."""
    for sign in tokens(text):
        if sign == b'"':
            texts += 1
        elif sign == b",":
            values += 1
            if members:
                members[-1] += 1
        elif sign in (b"{", b"["):
            tables += 1
            members.append(0 if sign == b"{" else -_MOST_VALUES)
        elif members:
            members.pop()
        else:
            return None  # closes something that was never opened: no parser continues after this
        if values > _MOST_VALUES or texts > _MOST_TEXTS or tables > most_tables:
            return "has too many values"
        if len(members) > _DEEPEST or (members and members[-1] >= _MOST_MEMBERS):
            return "nests too deeply, or has an object of too many keys"
    return None


def impossible_numbers(text: bytes) -> Iterator[str]:
    """Yield problems with the numbers of a JSON text that are never measured and could break arithmetic."""
    for token in _STRING_OR_NUMBER.finditer(_unescaped(text)):
        number = token[1]
        if number is None:
            continue
        if number.lstrip(b"-").isdigit():
            if len(number.lstrip(b"-")) > _MOST_DIGITS:
                yield "a whole number is out of range"
        elif len(number) > _LONGEST_FRACTION or not abs(_float(number)) <= _LARGEST_FRACTION:
            yield "a fraction is out of range"


def _float(number: bytes) -> float:
    try:
        return float(number)
    except ValueError:
        return 0.0  # such as 1-2: the parser will report it


def tokens(text: bytes) -> Iterator[bytes]:
    """Yield the first byte of each string, and each bracket, brace and comma outside strings."""
    plain = _unescaped(text)
    for token in _TOKEN.finditer(plain):
        yield plain[token.start() : token.start() + 1]


def _unescaped(text: bytes) -> bytes:
    """Return the text without escaped backslashes and quotes, so that each remaining quote begins or ends a string.

    A backslash outside a string is invalid JSON, and no parser continues after it.
    """
    return text.replace(rb"\\", b"").replace(rb"\"", b"")
