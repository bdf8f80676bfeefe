"""Lines of the history that are no figures: each has a kind, and lies beside the figures (`history/line`).

Readers of figures pass over them. Whoever can write to the history can forge them.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from membudget.build.history_place import Note
from membudget.history.line import LARGEST_NOTE_BYTES, LineFault, SkippedLines
from membudget.judge.then import Sha

_SKEW = timedelta(days=1)
_LONGEST_LINE = 9_000
"""A line about a step has the IDs of up to 100 commits, which are 6,700 bytes."""
_MOST_OF_A_COMMIT = 10_000
"""500 images have six metrics each, and are rarely searched twice. 20 broken images fill a year of nights."""
_NO_FIGURE = ("", "")
"""What a damaged line is about: no image's figure can have been lost with it."""


class KindLine(BaseModel):
    """What lines of all kinds have. Unknown keys are ignored: a later membudget may have written them."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    v: Literal[2] = 2
    """The version of the format: the first one that has kinds of lines."""
    kind: str
    image: Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9]+([_.-][a-z0-9]+)*$")]
    commit: Sha
    """The commit for which the line is kept."""
    time: AwareDatetime
    """When it began."""
    machine: Annotated[str, Field(max_length=100, pattern=r"^[\w ./-]+$")]
    """The class of the machine."""
    membudget: Annotated[str, Field(max_length=100)]
    """The version of membudget that wrote the line."""

    @property
    def is_impossible(self) -> bool:
        """Whether the line contradicts itself."""
        return False

    def text(self) -> bytes:
        """Return the line as it is kept, without its end."""
        return self.model_dump_json().encode()


L = TypeVar("L", bound=KindLine)


@dataclass(slots=True)
class KindLines(Generic[L]):
    """Collects the usable lines of one kind from notes as they pass by to another reader."""

    model: type[L]
    now: datetime
    skipped: SkippedLines
    """Counts the other lines of this kind."""
    found: list[L] = field(default_factory=list)

    def passing(self, notes: Iterable[Note]) -> Iterator[Note]:
        """Yield the same notes."""
        name = f'"kind":"{_kind_of(self.model)}"'.encode()
        for note in notes:
            if note.data is not None and name in note.data:
                self.found += self.read(note.commit, note.data)
            yield note

    def read(self, commit: str, data: bytes) -> list[L]:
        """Return the usable lines that are kept for a commit. `data` may come from anybody who can write to it."""
        if len(data) > LARGEST_NOTE_BYTES:
            return []  # counted when its figures are read
        begin = re.compile(rb'\{"v":\d{1,9},"kind":"%s",' % _kind_of(self.model).encode())
        texts = [text for text in data.split(b"\n") if begin.match(text)]
        if len(texts) > _MOST_OF_A_COMMIT:
            self.skipped.add(LineFault.TOO_LARGE, commit, _NO_FIGURE)
            return []
        return list(self._usable(commit, texts))

    def _usable(self, commit: str, texts: Iterable[bytes]) -> Iterator[L]:
        for text in texts:
            line = self._parsed(text)
            if line is None:
                is_newer = not text.startswith(b'{"v":2,')
                self.skipped.add(LineFault.NEWER_VERSION if is_newer else LineFault.NO_LINE, commit, _NO_FIGURE)
            elif line.commit != commit:
                self.skipped.add(LineFault.OTHER_COMMIT, commit, _NO_FIGURE)
            elif line.is_impossible:
                self.skipped.add(LineFault.IMPOSSIBLE, commit, _NO_FIGURE)
            elif line.time > self.now + _SKEW:
                self.skipped.add(LineFault.FUTURE, commit, _NO_FIGURE)
            else:
                yield line

    def _parsed(self, text: bytes) -> L | None:
        try:
            return self.model.model_validate_json(text, strict=True) if len(text) <= _LONGEST_LINE else None
        except ValidationError:
            return None


def _kind_of(model: type[KindLine]) -> str:
    return str(model.model_fields["kind"].default)
