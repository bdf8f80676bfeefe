"""Text and lists as the page's data has them.

A text is a list of parts: a string is ours, a list of one string quotes what a container, a build or a file said, and
is shown as such. All of it is made printable here, and the page writes it as text, never as HTML.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from membudget.core.untrusted_text import Quoted, printable
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
    return [quoted(part.text) if isinstance(part, Quoted) else part for part in finding.parts]


@dataclass(frozen=True, slots=True)
class DetailLevel:
    """One amount of detail."""

    points: int
    """Samples of a trial that is shown first, at the most."""
    other_points: int
    """Samples of every other trial."""
    listed: int
    """Folders, packages, layers and files, of each at the most."""
    images: int
    """Images with charts, those in trouble first."""
    rows: int
    """Rows of the table, those in trouble first."""


LEVELS = (
    DetailLevel(points=800, other_points=300, listed=300, images=40, rows=1500),
    DetailLevel(points=500, other_points=160, listed=200, images=40, rows=1500),
    DetailLevel(points=400, other_points=100, listed=120, images=40, rows=1000),
    DetailLevel(points=300, other_points=60, listed=80, images=40, rows=1000),
    DetailLevel(points=200, other_points=40, listed=50, images=40, rows=600),
    DetailLevel(points=160, other_points=24, listed=30, images=20, rows=600),
    DetailLevel(points=120, other_points=16, listed=20, images=10, rows=400),
    DetailLevel(points=80, other_points=0, listed=10, images=4, rows=200),
    DetailLevel(points=40, other_points=0, listed=5, images=1, rows=100),
    DetailLevel(points=0, other_points=0, listed=0, images=0, rows=40),
)
"""From the most to the least."""
