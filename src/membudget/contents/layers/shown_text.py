"""Paths and names of an image as they are written down: whatever bytes they are made of, and however long."""

import re

LONGEST = 512
_NO_CHARACTERS = re.compile("[\ud800-\udfff]")
"""Surrogates: bytes of a path that are no UTF-8, and what JSON may have escaped."""


def shown(text: str, longest: int = LONGEST) -> str:
    """A path or a name as text, cut in its middle where it is too long."""
    clean = _NO_CHARACTERS.sub("\ufffd", text)
    if len(clean) <= longest:
        return clean
    half = longest // 2 - 1
    return f"{clean[:half]}…{clean[-half:]}"
