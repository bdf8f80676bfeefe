"""How much a JSON text would be, once it is read: looked at before anything is made of it.

A reader takes up to a hundred times the text's own bytes for the emptiest of values, and pydantic one remark for each
key that nobody knows. So a stranger's text of a few megabytes is first only walked through, once and in linear time.
"""

import re
from collections.abc import Iterator

_MOST_VALUES = 800_000
"""A report has one for each 18 bytes."""
_MOST_TEXTS = 2 * _MOST_VALUES
"""A key and a value each."""
_MOST_TABLES = 160_000
"""Objects and arrays; a report has one for each 100 bytes."""
_MOST_MEMBERS = 200
"""Of one object. A report's largest has twenty."""
_DEEPEST = 40
"""A report goes ten deep."""
_MOST_DIGITS = 19
"""As many as 64 bits hold, beside a sign."""
_LONGEST_FRACTION = 40
_LARGEST_FRACTION = 1e9
_TOKEN = re.compile(rb'"[^"]*+"?|[\[\]{},]')
"""A string that never ends goes to the end of the text: from no quote on is anything searched twice."""
_STRING_OR_NUMBER = re.compile(rb'"[^"]*+"?|(-?\d[\d.eE+-]*+|-?Infinity|NaN)')


def oversized(text: bytes, most_tables: int = _MOST_TABLES) -> str | None:
    """What of `text` is more than any report has; None where nothing is. It need not be JSON.

    `most_tables`: objects and arrays.
    """
    values = texts = tables = 0
    members: list[int] = []
    """Of each object around, how many so far; of an array, less than can be reached."""
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
            return None  # it closes what was never opened: no reader goes on behind this
        if values > _MOST_VALUES or texts > _MOST_TEXTS or tables > most_tables:
            return "has too many values"
        if len(members) > _DEEPEST or (members and members[-1] >= _MOST_MEMBERS):
            return "nests too deeply, or has an object of too many keys"
    return None


def impossible_numbers(text: bytes) -> Iterator[str]:
    """Numbers of a JSON text that nothing measured has, and that arithmetic would choke on."""
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
        return 0.0  # as in 1-2: no JSON, as its reader says


def tokens(text: bytes) -> Iterator[bytes]:
    """The first byte of each string, and each bracket, brace and comma outside of strings."""
    plain = _unescaped(text)
    for token in _TOKEN.finditer(plain):
        yield plain[token.start() : token.start() + 1]


def _unescaped(text: bytes) -> bytes:
    """Without escapes, the pairs of backslashes before the quotes: what is left of quotes begin and end strings.

    A backslash outside of a string is no JSON, and no reader goes on behind it.
    """
    return text.replace(rb"\\", b"").replace(rb"\"", b"")
