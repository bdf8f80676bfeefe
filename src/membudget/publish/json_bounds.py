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
_PIECE = re.compile(rb'(?:"[^"]*+"?|[^"]++){1,2000}+')
"""A part of a text that begins and ends outside strings, unless it is the last."""
_STRING = re.compile(rb'"[^"]*+"?')
"""A string without an end extends to the end of the text, so that no part is searched twice."""
_NO_SIGNS = bytes(set(range(256)) - set(b'"[]{},'))
_STEP = re.compile(rb",+|[\[\]{}]")
_UNUSUAL_NUMBER = re.compile(rb"\d++(?:[.eE+-][\d.eE+-]*+|(?<=\d{%d}))|Infinity|NaN" % (_MOST_DIGITS + 1))
"""A number, without its sign, that is no whole number of few digits. Nearly all of a report are."""


def oversized(text: bytes, most_tables: int = _MOST_TABLES, parts: int = 1) -> str | None:
    """Return how `text` exceeds the limits of any report, or None. `text` need not be JSON.

    `most_tables` is the limit for objects and arrays. `parts`: how many such texts one file has to hold.
    """
    most_values, most_texts, most_tables = _MOST_VALUES // parts, _MOST_TEXTS // parts, most_tables // parts
    values = texts = tables = 0
    members: list[int] = []
    """The number of keys so far, for each enclosing object. For an array, a number too low to reach the limit."""
    for found in signs(text):
        values += found.count(b",")
        texts += found.count(b'"')
        tables += found.count(b"{") + found.count(b"[")
        if values > most_values or texts > most_texts or tables > most_tables:
            return "has too many values"
        for match in _STEP.finditer(found.replace(b'"', b"")):
            step = match[0]
            if step in (b"{", b"["):
                members.append(0 if step == b"{" else -_MOST_VALUES)
            elif not members:
                if step[:1] != b",":
                    return None  # closes something that was never opened: no parser continues after this
            elif step in (b"}", b"]"):
                members.pop()
            else:
                members[-1] += len(step)
            if len(members) > _DEEPEST or (members and members[-1] >= _MOST_MEMBERS):
                return "nests too deeply, or has an object of too many keys"
    return None


def impossible_numbers(text: bytes) -> Iterator[str]:
    """Yield problems with the numbers of a JSON text that are never measured and could break arithmetic."""
    for piece in _without_strings(text):
        for number in _UNUSUAL_NUMBER.findall(piece):
            if number.isdigit():
                yield "a whole number is out of range"
            elif len(number) > _LONGEST_FRACTION or not _float(number) <= _LARGEST_FRACTION:
                yield "a fraction is out of range"


def _float(number: bytes) -> float:
    try:
        return float(number)
    except ValueError:
        return 0.0  # such as 1-2: the parser will report it


def signs(text: bytes) -> Iterator[bytes]:
    """Yield, in parts, the first byte of each string, and each bracket, brace and comma outside strings."""
    return (piece.translate(None, _NO_SIGNS) for piece in _without_strings(text))


def _without_strings(text: bytes) -> Iterator[bytes]:
    """Yield the text in parts, with a single quote for each string. Numbers stay whole."""
    return (_STRING.sub(b'"', piece[0]) for piece in _PIECE.finditer(_unescaped(text)))


def _unescaped(text: bytes) -> bytes:
    """Return the text without escaped backslashes and quotes, so that each remaining quote begins or ends a string.

    A backslash outside a string is invalid JSON, and no parser continues after it.
    """
    return text.replace(rb"\\", b"").replace(rb"\"", b"")
