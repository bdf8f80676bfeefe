"""One line of the history about a suspected step: what came of measuring it again.

Such lines lie beside the figures (`history/line`) and say which searches need not be repeated. They are never told as
facts: whoever can write to the history can forge them. Readers of version 1 skip them as lines of a newer version.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from membudget.build.history_place import Note
from membudget.core.metrics import Metric
from membudget.history.line import LARGEST_NOTE_BYTES, LineFault, SkippedLines
from membudget.history.steps import Step

_SKEW = timedelta(days=1)
_TRIED_AGAIN = timedelta(days=7)
"""After this time, commits that could not be measured are tried again: the cause may have been elsewhere."""
_SEARCHED_AGAIN = 2
"""A search that found nothing is repeated once this many times as many commits after the place can be compared."""
_LONGEST_LINE = 1_000
_MOST_OF_A_COMMIT = 10_000
"""500 images have six metrics each, and a step is rarely searched twice."""
_BEGIN = re.compile(rb'\{"v":\d{1,9},"kind":"step",')

_Sha = Annotated[str, Field(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]


class StepOutcome(StrEnum):
    """What came of measuring a suspected step again."""

    CONFIRMED = "confirmed"
    """The metric grew between two commits. Usually the first is the parent of the second."""
    NOT_CONFIRMED = "not-confirmed"
    """The metric did not grow by much between the commits of the search: noise was suspected."""
    NOT_MEASURED = "not-measured"
    """One of the two commits does not build or does not run, so that nothing can be compared."""
    NARROWED = "narrowed"
    """The time was up before the search ended, or the step was not told yet. The metric seems to have grown between
    two commits."""


class StepLine(BaseModel):
    """A line about a search. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    v: Literal[2] = 2
    """The version of the format: the first one that has kinds of lines."""
    kind: Literal["step"] = "step"
    image: Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9]+([_.-][a-z0-9]+)*$")]
    metric: Metric
    commit: _Sha
    """The later of the two commits, for which the line is kept."""
    since: _Sha
    """The earlier of the two commits."""
    outcome: StepOutcome
    time: AwareDatetime
    machine: Annotated[str, Field(max_length=100, pattern=r"^[\w ./-]+$")]
    """The class of the machine that measured."""
    membudget: Annotated[str, Field(max_length=100)]
    """The version of membudget that measured."""

    def text(self) -> bytes:
        """Return the line as it is kept, without its end."""
        return self.model_dump_json().encode()


def is_step_line(text: bytes) -> bool:
    """Return whether a line is about a search and no figure, in any version."""
    return _BEGIN.match(text) is not None


def read_step_lines(commit: str, data: bytes, now: datetime, skipped: SkippedLines) -> list[StepLine]:
    """Return the usable lines about searches that are kept for a commit. Count the others in `skipped`.

    `data` may come from anybody who can write to the history. Lines with figures are left to `read_lines`.
    """
    if len(data) > LARGEST_NOTE_BYTES:
        return []  # counted when its figures are read
    texts = [text for text in data.split(b"\n") if is_step_line(text)]
    if len(texts) > _MOST_OF_A_COMMIT:
        skipped.add(LineFault.TOO_LARGE, commit)
        return []
    return list(_usable(commit, texts, now, skipped))


def _usable(commit: str, texts: Iterable[bytes], now: datetime, skipped: SkippedLines) -> Iterator[StepLine]:
    for text in texts:
        try:
            line = StepLine.model_validate_json(text, strict=True) if len(text) <= _LONGEST_LINE else None
        except ValidationError:
            line = None
        if line is None:
            is_newer = not text.startswith(b'{"v":2,')
            skipped.add(LineFault.NEWER_VERSION if is_newer else LineFault.NO_LINE, commit, _NO_FIGURE)
        elif line.commit != commit:
            skipped.add(LineFault.OTHER_COMMIT, commit, _NO_FIGURE)
        elif line.since == line.commit:
            skipped.add(LineFault.IMPOSSIBLE, commit, _NO_FIGURE)
        elif line.time > now + _SKEW:
            skipped.add(LineFault.FUTURE, commit, _NO_FIGURE)
        else:
            yield line


_NO_FIGURE = ("", "")
"""What a damaged line about a search is about: no image's figure can have been lost with it."""


@dataclass(slots=True)
class StepLines:
    """Collects the lines about searches from notes as they pass by to another reader."""

    now: datetime
    skipped: SkippedLines
    found: list[StepLine] = field(default_factory=list)

    def passing(self, notes: Iterable[Note]) -> Iterator[Note]:
        """Yield the same notes."""
        for note in notes:
            if note.data is not None and b'"kind":"step"' in note.data:
                self.found += read_step_lines(note.commit, note.data, self.now, self.skipped)
            yield note


def earlier_search(step: Step, lines: Iterable[StepLine], places: Mapping[str, int], now: datetime) -> StepLine | None:
    """Return the line that says what came of an earlier search for a step. None if it was not searched yet.

    `places` are those of the commits on the branch, oldest first. A confirmed step counts if it lies where `step` is
    searched, or if it is a range with the most likely place of `step` in it. If a search found nothing, it counts if it
    covered the most likely place of `step`, until there are twice as many commits after this place. Without any of
    these, the narrowest search that was not finished counts.
    """
    there = [line for line in lines if (line.image, line.metric) == (step.image, step.metric)]
    known = [line for line in there if line.commit in places and line.since in places]
    inside = [line for line in known if _is_within(line, step, places)]
    confirmed = [line for line in known if _is_confirmed(line) and (line in inside or _is_at(line, step, places))]
    nothing = [line for line in known if _found_nothing(line, now)]
    ended = [line for line in nothing if _covers(line, step, places)]
    refuted = {(line.since, line.commit) for line in nothing}
    unfinished = [
        line for line in inside if line.outcome is StepOutcome.NARROWED and (line.since, line.commit) not in refuted
    ]
    newest = sorted([*confirmed, *ended], key=lambda line: (line.outcome is StepOutcome.CONFIRMED, line.time))
    narrowest = sorted(unfinished, key=lambda line: places[line.commit] - places[line.since])
    return newest[-1] if newest else narrowest[0] if narrowest else None


def search_range(step: Step, lines: Iterable[StepLine], places: Mapping[str, int]) -> tuple[int, int]:
    """Return the places of the two commits between which a step is searched.

    The growth between two commits of a confirmed step was told already. The search begins after it, or ends before it.
    All of the commits of `step` are in `places`.
    """
    first, last = places[step.search_from.sha], places[step.search_to.sha]
    before, after = places[step.before.sha], places[step.after.sha]
    for line in lines:
        is_same = (line.image, line.metric) == (step.image, step.metric) and _is_confirmed(line)
        if is_same and line.commit in places and line.since in places:
            since, until = places[line.since], places[line.commit]
            first = max(first, until) if since < until <= before else first
            last = min(last, since) if after <= since < until else last
    return first, last


def _is_confirmed(line: StepLine) -> bool:
    return line.outcome is StepOutcome.CONFIRMED


def _found_nothing(line: StepLine, now: datetime) -> bool:
    if line.outcome is StepOutcome.NOT_MEASURED:
        return line.time + _TRIED_AGAIN > now
    return line.outcome is StepOutcome.NOT_CONFIRMED


def _is_within(line: StepLine, step: Step, places: Mapping[str, int]) -> bool:
    first, last = places.get(step.search_from.sha), places.get(step.search_to.sha)
    if first is None or last is None:
        return False
    return first <= places[line.since] < places[line.commit] <= last


def _is_at(line: StepLine, step: Step, places: Mapping[str, int]) -> bool:
    """Return whether the most likely place of a step is in the range of a line. Unmeasured commits may lie there."""
    before, after = places.get(step.before.sha), places.get(step.after.sha)
    if before is None or after is None:
        return False
    since, until = places[line.since], places[line.commit]
    return since < until and before < until and since < after


def _covers(line: StepLine, step: Step, places: Mapping[str, int]) -> bool:
    before, after = places.get(step.before.sha), places.get(step.after.sha)
    if before is None or after is None:
        return False
    searched, newest = places[line.commit], places.get(step.search_to.sha, places[line.commit])
    is_news = newest - before >= _SEARCHED_AGAIN * (searched - before)
    return places[line.since] <= before < after <= searched and not is_news


def places_of(commits: Sequence[str]) -> dict[str, int]:
    """Return the place of each commit of a branch. `commits` are sorted from the oldest to the newest."""
    return {sha: number for number, sha in enumerate(commits)}
