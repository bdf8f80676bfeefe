"""A suspected step as it is searched: between which commits, and what earlier runs of the search have found."""

from collections.abc import Sequence
from dataclasses import dataclass

from membudget.build.revision import MainCommit
from membudget.core.metrics import Metric
from membudget.history.step_line import StepLine, places_of, search_range
from membudget.history.steps import SuspectedStep


@dataclass(frozen=True, slots=True)
class SearchBegun:
    """Where an earlier run of a search stopped. It had compared the first commit with the last one."""

    since: int
    """The place of the last commit that is known to lie before the step."""
    until: int
    """The place of the first commit that is known to have it."""
    skipped: Sequence[int] = ()
    """The places of the commits that could not be measured."""
    is_spread: bool = False
    """Whether no single commit did it, so that only the first and the last commit are left to compare."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A suspected step, and the commits that may have done it."""

    image: str
    metric: Metric
    growth: int
    """The suspected growth, or the drop if more is better, in the metric's unit."""
    commits: Sequence[MainCommit]
    """The first one lies before the step, and the last one has it. Oldest first."""
    likely: Sequence[str] = ()
    """The commits that are most likely next to the step, which are tried first."""
    begun: SearchBegun | None = None
    """None if no earlier run has begun the search."""


def suspect_of(
    step: SuspectedStep,
    earlier: StepLine | None,
    searches: Sequence[StepLine],
    commits: Sequence[MainCommit],
    found_here: Sequence[str] = (),
) -> Suspect:
    """Return what to search for a step.

    `earlier` is the search that goes on. Without it, the search stays outside what `searches` have confirmed.
    `commits` are those of the branch, oldest first. `found_here` are commits that are likely as well.
    """
    places = places_of([commit.sha for commit in commits])
    likely = (step.before.sha, step.after.sha, *found_here)
    if earlier is None:
        first, last = search_range(step, searches, places)
        return Suspect(step.image, step.metric, abs(step.growth), commits[first : last + 1], likely)
    since, until = places[earlier.since], places[earlier.commit]
    first, last = (places.get(sha, -1) for sha in earlier.whole or (earlier.since, earlier.commit))
    if not 0 <= first <= since < until <= last:  # a forged line, or one whose commits are older than all that is read
        first, last = since, until
    known = [places[sha] for sha in earlier.skipped if sha in places]
    skipped = [place - first for place in known if since < place < until]
    begun = SearchBegun(since - first, until - first, skipped, earlier.is_spread)
    return Suspect(step.image, step.metric, abs(step.growth), commits[first : last + 1], likely, begun)
