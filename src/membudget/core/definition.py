"""What can be said of a metric: its unit, how trials find it, how it is aggregated, budgeted and documented."""

from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """What a metric's integer counts."""

    BYTES = "bytes"
    COUNT = "count"
    MILLISECONDS = "milliseconds"


class Aggregation(StrEnum):
    """How the trials of one side become one value."""

    CONSTANT = "constant"
    """A property of the image: the same in every trial."""
    MEDIAN = "median"
    MAXIMUM = "maximum"
    """The worst trial counts: one OOM kill in three trials is an OOM kill."""
    ESTIMATE = "estimate"
    """Fitted in each trial: the mean, with its interval over the trials."""


class BudgetKind(StrEnum):
    """Which keys a metric's table in `budgets.toml` has."""

    SIZE = "size"
    COUNT = "count"
    LAYERS = "layers"
    """A count that may also be limited by its growth."""
    DURATION = "duration"
    UNIT_COST = "unit cost"
    """A size. A text alone is its maximum."""


_USUAL_BUDGETS = {
    Unit.BYTES: BudgetKind.SIZE,
    Unit.COUNT: BudgetKind.COUNT,
    Unit.MILLISECONDS: BudgetKind.DURATION,
}


@dataclass(frozen=True, slots=True)
class LargestSample:
    """The largest sample of a column of the probe's `Series`, over the judged phases."""

    column: str


@dataclass(frozen=True, slots=True)
class LastSamples:
    """The median of the last samples of the settle phase, of a column of the probe's `Series`."""

    column: str


@dataclass(frozen=True, slots=True)
class KernelMark:
    """The kernel's own high-water mark of the judged phases."""


@dataclass(frozen=True, slots=True)
class Counter:
    """A `Reading` of the `ProbeReport`, read once after the container is gone."""

    reading: str
    divisor: int = 1
    """What turns the reading into the metric's unit."""


@dataclass(frozen=True, slots=True)
class OwnRule:
    """A function of its own finds it, in `measure` or in `contents`."""


Found = LargestSample | LastSamples | KernelMark | Counter | OwnRule


@dataclass(frozen=True, slots=True)
class KernelSource:
    """Which files of the kernel a metric is read from."""

    place: str
    """Of which cgroup, and when."""
    v1: str
    """On cgroup v1, in Markdown."""
    v2: str
    """On cgroup v2, in Markdown."""


@dataclass(frozen=True, slots=True)
class Definition:
    """All that is said of a metric. Schema, figures, budgets and the documentation's tables are made from it."""

    label: str
    unit: Unit
    precision: str
    """How near the truth a value is when it could be had as planned; a reading may state a lesser one."""
    aggregation: Aggregation
    summary: str
    found: Found = OwnRule()
    """How a trial finds it."""
    key: str = ""
    """What the schema of `budgets.toml` says of its key. Empty: the summary."""
    budget: BudgetKind | None = None
    """None: what its unit usually has."""
    source: KernelSource | None = None
    """None: it is not read from the kernel, or by way of another metric."""
    precision_notes: str = ""
    """Which lesser precisions there are, for the documentation."""
    may_be_negative: bool = False
    """Whether values below zero are possible: of growth that is fitted, which may be a fall."""
    is_bounded_by_limit: bool = False
    """Whether the memory limit is the most it can be."""
    is_silent_when_absent: bool = False
    """Only some workloads or image stores have it: where nobody set a budget, its absence is no news."""
    is_headline: bool = False
    """Whether the headline tells its change, even where the metric has no budget."""

    @property
    def budget_kind(self) -> BudgetKind:
        """Which keys its budget has."""
        return self.budget or _USUAL_BUDGETS[self.unit]

    @property
    def key_words(self) -> str:
        """What the schema of `budgets.toml` says of its key."""
        return self.key or f"{self.summary[0].upper()}{self.summary[1:]}."

    @property
    def is_peak(self) -> bool:
        """Whether the memory limit cuts it off: a peak of memory that is charged."""
        return self.is_bounded_by_limit and isinstance(self.found, LargestSample | KernelMark)
