"""One line of the history about an image that was measured again and got no figure: it does not build or does not run.

Such lines lie beside the figures (`history/line`). They give every image its turn: without them, an image that never
gets a figure would be the first of every night (docs/adr/0043-nightly.md). Readers of figures pass over them.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from membudget.build.history_place import Note
from membudget.history.line import LARGEST_NOTE_BYTES, LONGEST_MS, LineFault, SkippedLines

_SKEW = timedelta(days=1)
_LONGEST_LINE = 1_000
_MOST_OF_A_COMMIT = 10_000
"""20 broken images each night, for more than a year without a commit."""
_BEGIN = re.compile(rb'\{"v":\d{1,9},"kind":"attempt",')
_NO_FIGURE = ("", "")
"""What a damaged line is about: no image's figure can have been lost with it."""


class AttemptLine(BaseModel):
    """A line about an attempt without figures. Unknown keys are ignored: a later membudget may have written them."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    v: Literal[2] = 2
    """The version of the format: the first one that has kinds of lines."""
    kind: Literal["attempt"] = "attempt"
    image: Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9]+([_.-][a-z0-9]+)*$")]
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]
    time: AwareDatetime
    """When the attempt began."""
    machine: Annotated[str, Field(max_length=100, pattern=r"^[\w ./-]+$")]
    """The class of the machine."""
    took_ms: Annotated[int, Field(ge=0, le=LONGEST_MS)]
    """How long the attempt took, with those that ran side by side."""
    membudget: Annotated[str, Field(max_length=100)]
    """The version of membudget that tried."""

    def text(self) -> bytes:
        """Return the line as it is kept, without its end."""
        return self.model_dump_json().encode()


@dataclass(slots=True)
class AttemptLines:
    """Collects the usable lines about attempts from notes as they pass by to another reader."""

    now: datetime
    skipped: SkippedLines
    found: list[AttemptLine] = field(default_factory=list)

    def passing(self, notes: Iterable[Note]) -> Iterator[Note]:
        """Yield the same notes."""
        for note in notes:
            if note.data is not None and b'"kind":"attempt"' in note.data:
                self.found += read_attempt_lines(note.commit, note.data, self.now, self.skipped)
            yield note


def read_attempt_lines(commit: str, data: bytes, now: datetime, skipped: SkippedLines) -> list[AttemptLine]:
    """Return the usable lines about attempts that are kept for a commit. Count the others in `skipped`.

    `data` may come from anybody who can write to the history.
    """
    if len(data) > LARGEST_NOTE_BYTES:
        return []  # counted when its figures are read
    texts = [text for text in data.split(b"\n") if _BEGIN.match(text)]
    if len(texts) > _MOST_OF_A_COMMIT:
        skipped.add(LineFault.TOO_LARGE, commit, _NO_FIGURE)
        return []
    return list(_usable(commit, texts, now, skipped))


def _usable(commit: str, texts: Iterable[bytes], now: datetime, skipped: SkippedLines) -> Iterator[AttemptLine]:
    for text in texts:
        try:
            line = AttemptLine.model_validate_json(text, strict=True) if len(text) <= _LONGEST_LINE else None
        except ValidationError:
            line = None
        if line is None:
            is_newer = not text.startswith(b'{"v":2,')
            skipped.add(LineFault.NEWER_VERSION if is_newer else LineFault.NO_LINE, commit, _NO_FIGURE)
        elif line.commit != commit:
            skipped.add(LineFault.OTHER_COMMIT, commit, _NO_FIGURE)
        elif line.time > now + _SKEW:
            skipped.add(LineFault.FUTURE, commit, _NO_FIGURE)
        else:
            yield line
