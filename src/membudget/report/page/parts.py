"""Text and lists as the page's data has them.

A text is a list of parts: a string is ours, a list of one string quotes what a container, a build or a file said, and
is shown as such. All of it is made printable here, and the page writes it as text, never as HTML.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from membudget.core.untrusted_text import printable
from membudget.report.findings import Finding

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"
Parts: TypeAlias = list[str | list[str]]

_LONGEST_QUOTE = 300


def ours(text: str) -> Parts:
    """Words of our own, with figures at the most."""
    return [text]


def quoted(text: str, longest: int = _LONGEST_QUOTE) -> list[str]:
    """What somebody else said, as a part."""
    return [printable(text, longest) or "(empty)"]


def parts_of(finding: Finding) -> Parts:
    """A sentence with what it quotes."""
    return [quoted(text) if is_quoted else text for text, is_quoted in finding.parts]
