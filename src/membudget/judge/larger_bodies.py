"""What came of trials with larger bodies, and how many bodies the service held at once."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from membudget.budgets.larger_bodies import MOST_LARGER
from membudget.core.files import Stored

LONGEST_TEXT = 300
MOST_LARGER_TRIALS = 2
HELD_SHARE = 0.5
"""With less than that part of a body more in memory, no whole body is held."""

_Bytes = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, slots=True)
class BodySize(Stored):
    """The sizes of a request's body, or of its response's, whichever grew more."""

    what: Annotated[str, Field(max_length=LONGEST_TEXT)]
    """The method and the path."""
    is_response: bool
    before_bytes: _Bytes
    """In the trials that are judged. Of responses: on average."""
    after_bytes: _Bytes
    """In the trials with larger bodies."""

    @property
    def more_bytes(self) -> int:
        """How much larger it was."""
        return self.after_bytes - self.before_bytes


@dataclass(frozen=True, slots=True)
class LargerBodies(Stored):
    """The trials of the head with larger bodies. They are never judged."""

    sizes: Annotated[tuple[BodySize, ...], Field(max_length=MOST_LARGER)] = ()
    peaks: Annotated[tuple[_Bytes, ...], Field(max_length=MOST_LARGER_TRIALS)] = ()
    """The peak RSS of each trial."""
    reason: Annotated[str, Field(max_length=LONGEST_TEXT)] | None = None
    """Why there is no answer. None if there is one."""

    @property
    def largest(self) -> BodySize | None:
        """The body that grew most. None if none grew."""
        grown = [size for size in self.sizes if size.more_bytes > 0]
        return max(grown, key=lambda size: size.more_bytes, default=None)
