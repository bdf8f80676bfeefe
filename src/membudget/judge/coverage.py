"""Which images a report is about, which there are, and what lies between: gaps, by name."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from membudget.budgets.entries import MOST_IMAGES
from membudget.budgets.fields import ImageName
from membudget.core.stored import Stored

LONGEST_FILE_NAME = 1000
MOST_LEFT_OUT = 1000
"""Parts that are named: more are not merged either."""
_MOST_SHARDS = 256
_Names = Annotated[tuple[ImageName, ...], Field(max_length=MOST_IMAGES)]


class Difference(StrEnum):
    """In what a part differs from the others, so that it is none of this check."""

    WHOLE = "it is no shard"
    HEAD = "head commit"
    BASE = "base commit"
    VERSION = "version of membudget"
    BUDGETS = "budgets"
    APPROVAL = "approval of looser budgets"
    SHARDS = "number of shards"


@dataclass(frozen=True, slots=True)
class LeftOut(Stored):
    """A part that was not merged."""

    file: Annotated[str, Field(max_length=LONGEST_FILE_NAME)]
    """Its file, which is text from outside."""
    differs_in: Difference


@dataclass(frozen=True, slots=True)
class Coverage(Stored):
    """What a report has to cover."""

    planned: _Names
    """The images that it was to check: of a shard, those that `plan` gave it."""
    known: _Names
    """All images of the head's budgets file, then those that only the base's has."""
    missing_shards: Annotated[tuple[int, ...], Field(max_length=_MOST_SHARDS)] = ()
    """Parts of which no report was there when they were merged."""
    checked_twice: _Names = ()
    """Images that more than one part checked."""
    left_out: Annotated[tuple[LeftOut, ...], Field(max_length=MOST_LEFT_OUT)] = ()

    @classmethod
    def of_all(cls, names: Collection[str]) -> "Coverage":
        """Of a check of everything there is."""
        return cls(tuple(names), tuple(names))


class GapKind(StrEnum):
    """What is missing, or there once too often."""

    IMAGE = "not-checked"
    TWICE = "checked-twice"
    SHARD = "shard-missing"
    PART = "left-out"


@dataclass(frozen=True, slots=True)
class Gap:
    """One reason why a report does not cover what it has to."""

    kind: GapKind
    subject: str
    """The image, the number of the shard, or the file of the part: text from outside."""
    differs_in: Difference | None = None
    """Of a part that was left out."""

    @property
    def image(self) -> str | None:
        """The image that it is about; None where it is about a part."""
        return self.subject if self.kind in (GapKind.IMAGE, GapKind.TWICE) else None


def gaps(coverage: Coverage, measured: Collection[str]) -> Iterator[Gap]:
    """What of `coverage` the images `measured` leave open, parts first."""
    found = set(measured)
    yield from (Gap(GapKind.SHARD, str(number)) for number in coverage.missing_shards)
    yield from (Gap(GapKind.PART, part.file, part.differs_in) for part in coverage.left_out)
    yield from (Gap(GapKind.IMAGE, name) for name in coverage.planned if name not in found)
    yield from (Gap(GapKind.TWICE, name) for name in coverage.checked_twice)
