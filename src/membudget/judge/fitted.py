"""What a fit found out about an image: the limits that were tried, and the limits that work."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field, PlainSerializer

from membudget.budgets.production import StoredScale
from membudget.core.files import Stored

MOST_CONFIRMATIONS = 1000
MOST_RUNGS = 200
"""A report of more limits was not written by membudget: a search tries ten, and a few above its answer."""
_MOST = 1 << 50
_Count = Annotated[int, Field(ge=0, le=_MOST)]
"""A figure in a report, which a stranger may have written."""
_Amount = Annotated[float, Field(ge=0, le=1e9)]


def _written(figure: float) -> float | int:
    """Return a figure as files have it. Large ones are bytes, and reports have no fractions of that size."""
    return round(figure) if figure >= 1_000_000 else figure


_Figure = Annotated[float, Field(ge=0, le=_MOST), PlainSerializer(_written, when_used="json")]
_Percent = Annotated[float, Field(ge=-1e9, le=1e9)]


class Stop(StrEnum):
    """Why there is no limit that is known to work."""

    NEVER_PASSES = "never passes"
    """The workload fails without a limit."""
    FAILS_OTHERWISE = "fails otherwise"
    """The workload fails without an OOM kill, and memory is not the reason: it also fails without a limit in some
    trials, or at a limit above one at which it passes, or at the largest limit.
    """
    NEVER_ENOUGH = "never enough"
    """The workload does not pass at the largest limit that may be tried."""
    UNSTABLE = "unstable"
    """No limit passed all of its trials, however often it was raised."""


class Discomfort(StrEnum):
    """What a limit costs."""

    CPU = "cpu"
    LATENCY = "latency"
    REFAULTS = "refaults"
    STALLED = "stalled"


@dataclass(frozen=True, slots=True)
class Cost(Stored):
    """How much of something a limit costs: the figures with the limit and without. Absolute ones have no other."""

    what: Discomfort
    at_limit: _Figure
    free: _Figure | None = None
    growth: tuple[_Percent, _Percent] | None = None
    """Between which bounds the growth lies with 99 % confidence, or as much as so few trials allow, in percent."""

    @property
    def percent(self) -> float | None:
        """The growth over the run without a limit, in percent. None if there is nothing to compare with."""
        return 100 * (self.at_limit / self.free - 1) if self.free else None


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedRung(Stored):
    """The trials at one limit. Figures are medians over the trials that passed."""

    limit_bytes: _Count | None
    """None for the trials without a limit."""
    trials: _Count
    passed: _Count
    killed: _Count
    """In how many trials the kernel killed a process."""
    reason: str | None
    """Why the first trial that did not pass failed."""
    peak_rss_bytes: _Count | None
    peak_memory_bytes: _Count | None
    cpu_ms: _Count | None
    requests_per_second: _Amount | None
    p50_us: _Count | None
    p95_us: _Count | None
    p99_us: _Count | None
    refaulted_bytes: _Count | None
    """Memory that was read again after the kernel reclaimed it. 0 if the limit was not reached. None if unknown."""
    stalled_ms: _Count | None
    """Time in which at least one process waited for memory. As above."""
    stalled_percent: _Amount | None = None
    """The same as a share of the trial."""

    @property
    def works(self) -> bool:
        """Whether every trial passed."""
        return self.passed == self.trials


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedImage(Stored):
    """What was found out about one image."""

    name: str
    today_bytes: _Count | None
    """The limit that it has today."""
    survives_bytes: _Count | None
    """The smallest limit at which the workload passed every trial, and nothing was killed."""
    confirmed: _Count
    """How many trials passed there, one after another."""
    ruled_out_rate: Annotated[float, Field(ge=0, le=1)] | None
    """The failure rate that they rule out with 95 % confidence, from 0 to 1."""
    fails_at_bytes: _Count | None
    """The largest limit below it that failed."""
    comfortable_bytes: _Count | None
    """The smallest limit at which the workload was also not slowed down."""
    costs_below: Annotated[tuple[Cost, ...], Field(max_length=len(Discomfort))]
    """What the next smaller limit that was compared costs."""
    costs_are_clear: bool = True
    """Whether these costs are certain. If not, noise explains them as well."""
    hidden: Annotated[tuple[Cost, ...], Field(max_length=len(Discomfort))] = ()
    """The figures in which noise may hide a slowdown at the comfortable limit."""
    is_smallest_possible: bool
    sizes_itself: bool
    """Whether its memory depends on the limit."""
    is_monotone: bool
    """Whether each limit above one that works worked as well."""
    limit_bytes: _Count | None
    """The limit that follows for production, with headroom. None if there is no answer."""
    keeps_headroom: bool = True
    """Whether the limit keeps the `headroom` of the image's budget for peak RSS."""
    peak_rss_max_bytes: _Count | None
    """The budget for peak RSS that follows."""
    peak_rss_bytes: _Count | None
    """The largest peak RSS up to the new limit. None if it depends on the limit."""
    stopped: Stop | None
    """Why there is no answer. None if there is one, or if the fit was interrupted."""
    stopped_by: str | None
    """What the trial that shows it said, or the fault of the environment."""
    stopped_at_bytes: _Count | None
    """The limit of that trial. None if it had no limit."""
    passes_at_bytes: _Count | None
    """A lower limit at which it passes, if that is why memory cannot be the reason."""
    is_unfinished: bool
    """Whether the fit was interrupted, or the environment failed."""
    reused: _Count
    """How many trials are those of earlier runs."""
    duration_ms: _Count
    headroom_percent: _Amount
    rungs: Annotated[tuple[FittedRung, ...], Field(max_length=MOST_RUNGS)]
    """From the smallest limit to the largest. Trials without a limit come last."""
    scale: StoredScale = 1.0
    """How many times as much memory the image needs in production. The limit that follows is multiplied by it."""

    @property
    def tells_no_need(self) -> bool:
        """Whether the only answer is the smallest limit of a container, so that the need may be less than that."""
        return self.is_smallest_possible and self.comfortable_bytes in (None, self.survives_bytes)
