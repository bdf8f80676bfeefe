"""One line of the history about a suspected step: what came of measuring it again.

Such lines lie beside the figures (`history/line`) and say which searches need not be repeated. Whoever can write to the
history can forge them, so `--tell` never tells them. Readers of version 1 skip them as lines of a newer version.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from membudget.core.metrics import Metric
from membudget.history.kind_line import KindLine
from membudget.history.steps import SuspectedStep
from membudget.judge.then import Sha

_TRIED_AGAIN = timedelta(days=7)
"""After this time, commits that could not be measured are tried again: the cause may have been elsewhere."""
_SEARCHED_AGAIN = 2
"""A search that found nothing is repeated once this many times as many commits after the place can be compared."""
MOST_SKIPPED = 100
"""The most commits that are remembered because they could not be measured. A search with more of them ends."""


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


class StepLine(KindLine):
    """A line about a search, which is kept for the later of its two commits. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["step"] = "step"
    metric: Metric
    since: Sha
    """The earlier of the two commits."""
    outcome: StepOutcome
    skipped: Annotated[tuple[Sha, ...], Field(max_length=MOST_SKIPPED)] = ()
    """The commits between the two that could not be measured, which the next run does not try again."""
    whole: tuple[Sha, Sha] | None = None
    """The commits with which the search began, the earlier one first, if it is not finished."""
    is_spread: bool = False
    """Whether no single commit did it, so that only the two of `whole` are left to compare."""

    @property
    def is_impossible(self) -> bool:
        """Whether both commits are the same."""
        return self.since == self.commit

    def text(self) -> bytes:
        """Return the line as the history stores it, without the newline and the empty keys of an unfinished search."""
        empty = {name for name in ("skipped", "whole", "is_spread") if not getattr(self, name)}
        return self.model_dump_json(exclude=empty).encode()


def earlier_search(
    step: SuspectedStep,
    lines: Iterable[StepLine],
    places: Mapping[str, int],
    now: datetime,
    suspected: Iterable[SuspectedStep] = (),
) -> StepLine | None:
    """Return the line that says what came of an earlier search for a step. None if it was not searched yet.

    `places` are those of the commits on the branch, oldest first, and `suspected` are all steps. A confirmed step
    counts if it lies where `step` is searched and no other suspected step is nearer, or if it is a range with the most
    likely place of `step` in it. If a search found nothing, it counts if it covered the most likely place of `step`,
    until there are twice as many commits after this place. Without any of these, the search that was not finished and
    came furthest goes on. Only confirmed steps count on all kinds of machines.
    """
    there = [line for line in lines if (line.image, line.metric) == (step.image, step.metric) and line.commit in places]
    known = [line for line in there if _is_confirmed(line) or step.machine in (None, line.machine)]
    others = [other for other in suspected if _series(other) == _series(step)]
    confirmed = [line for line in known if _is_confirmed(line) and _settles(line, step, places, others)]
    ended = [line for line in known if _found_nothing(line, now) and _covers(line, step, places)]
    newest = sorted([*confirmed, *ended], key=lambda line: (_is_confirmed(line), line.time))
    return newest[-1] if newest else _unfinished(step, known, places)


def _series(step: SuspectedStep) -> tuple[str, Metric, str | None]:
    return step.image, step.metric, step.machine


def _unfinished(step: SuspectedStep, known: Sequence[StepLine], places: Mapping[str, int]) -> StepLine | None:
    """Return the narrowest search that was not finished, and of these the one that tried most."""
    found = [
        line
        for line in known
        if line.outcome is StepOutcome.NARROWED and line.since in places and _is_within(line, step, places)
    ]
    best = {_range(line, places): line for line in sorted(found, key=_came_far)}
    ends = {
        (line.outcome, line.is_spread, _range(line, places)): line for line in sorted(known, key=lambda line: line.time)
    }
    for _, line in sorted(best.items(), key=lambda item: item[0][1] - item[0][0]):
        if not any(_ends(other, line, places) for other in ends.values()):
            return line
    return None


def _came_far(line: StepLine) -> tuple[bool, int, datetime]:
    return line.is_spread, len(line.skipped), line.time


def _ends(later: StepLine, line: StepLine, places: Mapping[str, int]) -> bool:
    """Return whether a later line says that an unfinished search need not go on."""
    (since, until), (first, last) = _range(line, places), _range(later, places)
    if later.time < line.time:
        return False
    if _is_confirmed(later):
        return since <= first and last <= until
    is_wider = first <= since and until <= last
    return is_wider and (later.outcome is not StepOutcome.NARROWED or (later.is_spread and not line.is_spread))


def _range(line: StepLine, places: Mapping[str, int]) -> tuple[int, int]:
    """Return the places of the commits of a line. A commit that is not read any more is older than all that are."""
    return places.get(line.since, -1), places[line.commit]


def _settles(line: StepLine, step: SuspectedStep, places: Mapping[str, int], others: Iterable[SuspectedStep]) -> bool:
    """Return whether a confirmed line is about a step, and not about one beside it."""
    if _is_at(line, step, places):
        return True
    distance = _distance(line, step, places)
    is_nearest = all(_distance(line, other, places) >= distance for other in others)
    return is_nearest and _is_within(line, step, places)


def _distance(line: StepLine, step: SuspectedStep, places: Mapping[str, int]) -> int:
    """Return how many commits lie between a line and the most likely place of a step."""
    since, until = _range(line, places)
    before, after = places.get(step.before.sha, -1), places.get(step.after.sha, -1)
    return max(0, since - after + 1, before - until + 1)


def search_range(step: SuspectedStep, lines: Iterable[StepLine], places: Mapping[str, int]) -> tuple[int, int]:
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


def _is_within(line: StepLine, step: SuspectedStep, places: Mapping[str, int]) -> bool:
    first, last = places.get(step.search_from.sha), places.get(step.search_to.sha)
    if first is None or last is None:
        return False
    since, until = _range(line, places)
    return first <= since < until <= last


def _is_at(line: StepLine, step: SuspectedStep, places: Mapping[str, int]) -> bool:
    """Return whether the most likely place of a step is in the range of a line. Unmeasured commits may lie there."""
    before, after = places.get(step.before.sha), places.get(step.after.sha)
    if before is None or after is None:
        return False
    since, until = _range(line, places)
    return since < until and before < until and since < after


def _covers(line: StepLine, step: SuspectedStep, places: Mapping[str, int]) -> bool:
    before, after = places.get(step.before.sha), places.get(step.after.sha)
    if before is None or after is None:
        return False
    since, searched = _range(line, places)
    newest = places.get(step.search_to.sha, searched)
    is_news = newest - before >= _SEARCHED_AGAIN * (searched - before)
    return since <= before < after <= searched and not is_news


def places_of(commits: Sequence[str]) -> dict[str, int]:
    """Return the place of each commit of a branch. `commits` are sorted from the oldest to the newest."""
    return {sha: number for number, sha in enumerate(commits)}
