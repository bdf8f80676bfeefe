"""What the history has about a metric at the time that a creep budget names. Checks look it up and store it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from membudget.budgets.trial_count import MOST_TRIALS
from membudget.core.files import Stored
from membudget.core.metrics import MetricValue

Sha = Annotated[str, Field(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]
"""The ID of a commit."""
MOST_NAMED = 3
"""The most commits that are named because they added most."""


class ThenState(StrEnum):
    """Whether there are figures of then."""

    FOUND = "found"
    NO_HISTORY = "no-history"
    """The history has nothing about this metric of the image yet. There is nothing to judge by, and no fault."""
    EXCUSED = "excused"
    """There are figures that cannot be used here, and the check is only for its user's eyes."""
    UNKNOWN = "unknown"
    """There may be figures, but they cannot be used. That never passes."""


@dataclass(frozen=True, slots=True)
class Added(Stored):
    """A commit of the main branch that added to a metric."""

    commit: Sha
    subject: Annotated[str, Field(max_length=300)]
    growth: int
    """Compared with the figure before, in the metric's unit."""


@dataclass(frozen=True, slots=True)
class Then(Stored):
    """What the history has about a metric at the time that a creep budget names."""

    state: ThenState
    value: MetricValue
    """The value of then, or why there is none."""
    samples: Annotated[tuple[int, ...], Field(max_length=MOST_TRIALS)] = ()
    """The value of each trial."""
    commit: Sha | None = None
    """The commit that was measured. None if there is none."""
    is_later: bool = False
    """Whether the history begins only after the time that the budget names."""
    added: Annotated[tuple[Added, ...], Field(max_length=MOST_NAMED)] = ()
    """The commits that added most since then."""
