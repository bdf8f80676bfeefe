"""The definition of a metric: its unit, its source, and how it is aggregated, budgeted and documented."""

from dataclasses import dataclass
from enum import StrEnum

from membudget.core.production import InProduction


class Unit(StrEnum):
    """The unit of a metric's integer."""

    BYTES = "bytes"
    COUNT = "count"
    MILLISECONDS = "milliseconds"
    MICROSECONDS = "microseconds"
    PER_1000_SECONDS = "requests per 1000 s"
    """A rate. The integer counts thousandths: 1,500 a second is 1,500,000."""
    PER_1000_SECONDS_AND_GIB = "requests per 1000 s and GiB"
    """A rate that each GiB of memory serves."""

    @property
    def is_rate(self) -> bool:
        """Whether the metric is a number of requests for each unit of time."""
        return self in (Unit.PER_1000_SECONDS, Unit.PER_1000_SECONDS_AND_GIB)

    @property
    def is_time(self) -> bool:
        """Whether the metric is a length of time."""
        return self in (Unit.MILLISECONDS, Unit.MICROSECONDS)


class Better(StrEnum):
    """Which of two values of a metric is the better one."""

    LESS = "less"
    MORE = "more"

    @property
    def sign(self) -> int:
        """The factor that makes the larger of two values the worse one: 1 if less is better, and -1 if more is."""
        return 1 if self is Better.LESS else -1


class Aggregation(StrEnum):
    """How the values of one side's trials are combined into one value."""

    CONSTANT = "constant"
    """A property of the image, equal in every trial."""
    MEDIAN = "median"
    MAXIMUM = "maximum"
    """The largest value of all trials: one OOM kill in three trials is an OOM kill."""
    ESTIMATE = "estimate"
    """The mean of the values that were fitted in each trial, with a confidence interval."""


class BudgetKind(StrEnum):
    """The keys that a metric's table in `budgets.toml` has."""

    SIZE = "size"
    COUNT = "count"
    LAYERS = "layers"
    """A count whose growth can be limited too."""
    DURATION = "duration"
    LATENCY = "latency"
    RATE = "rate"
    """A rate, where more is better: it has a minimum, and a drop that is tolerated."""
    UNIT_COST = "unit cost"
    """A size. A string instead of a table is its maximum."""


_USUAL_BUDGETS = {
    Unit.BYTES: BudgetKind.SIZE,
    Unit.COUNT: BudgetKind.COUNT,
    Unit.MILLISECONDS: BudgetKind.DURATION,
    Unit.MICROSECONDS: BudgetKind.LATENCY,
    Unit.PER_1000_SECONDS: BudgetKind.RATE,
    Unit.PER_1000_SECONDS_AND_GIB: BudgetKind.RATE,
}


@dataclass(frozen=True, slots=True)
class LargestSample:
    """The largest sample in a column of the probe's `Series`, over the judged phases."""

    column: str


@dataclass(frozen=True, slots=True)
class LastSamples:
    """The median of the last samples of the settle phase, from a column of the probe's `Series`."""

    column: str


@dataclass(frozen=True, slots=True)
class KernelMark:
    """The kernel's own high-water mark over the judged phases."""


@dataclass(frozen=True, slots=True)
class Counter:
    """A `Reading` of the `ProbeReport`, read once after the container is gone."""

    reading: str
    divisor: int = 1
    """Divides the reading to give the metric's unit."""


@dataclass(frozen=True, slots=True)
class OwnRule:
    """A function of `measure` or `contents` computes the value."""


Found = LargestSample | LastSamples | KernelMark | Counter | OwnRule


@dataclass(frozen=True, slots=True)
class KernelSource:
    """The kernel files that a metric is read from."""

    place: str
    """The cgroup that is read, and when."""
    v1: str
    """The files on cgroup v1, in Markdown."""
    v2: str
    """The files on cgroup v2, in Markdown."""


@dataclass(frozen=True, slots=True)
class Definition:
    """The complete definition of a metric.

    The schema, the figures, the budgets and the tables in the documentation are generated from it.
    """

    label: str
    unit: Unit
    precision: str
    """The precision of a value that was read as planned. A single reading may state a lower one."""
    aggregation: Aggregation
    summary: str
    found: Found = OwnRule()
    """How a trial obtains the value."""
    key: str = ""
    """The description of the metric's key in the schema of `budgets.toml`. If empty, the summary is used."""
    budget: BudgetKind | None = None
    """The kind of budget. None means the usual one for the unit."""
    source: KernelSource | None = None
    """The kernel files. None if the value does not come from the kernel, or is derived from another metric."""
    better: Better = Better.LESS
    """Which values are better. Budgets, deltas, evidence and words follow."""
    precision_notes: str = ""
    """The lower precisions that can occur, for the documentation."""
    may_be_negative: bool = False
    """Whether values below zero are possible. Fitted growth is negative if memory shrinks."""
    is_bounded_by_limit: bool = False
    """Whether the value cannot exceed the memory limit."""
    is_silent_when_absent: bool = False
    """Whether a missing value is reported only if it has a budget. Some metrics exist only for certain workloads or
    stores.
    """
    is_headline: bool = False
    """Whether the headline reports a change of this metric even without a budget."""
    in_production: InProduction | None = None
    """What cAdvisor calls the same figure. None if it has no such figure."""

    @property
    def budget_kind(self) -> BudgetKind:
        """Return the kind of budget, which decides the keys in `budgets.toml`."""
        return self.budget or _USUAL_BUDGETS[self.unit]

    @property
    def sign(self) -> int:
        """The factor that makes the larger of two values the worse one: 1, or -1 if more is better."""
        return self.better.sign

    @property
    def key_words(self) -> str:
        """Return the description of the metric's key in the schema of `budgets.toml`."""
        return self.key or f"{self.summary[0].upper()}{self.summary[1:]}."

    @property
    def depends_on_pace(self) -> bool:
        """Return whether the value depends on how fast the machine is, so that work beside a trial changes it."""
        return self.unit not in (Unit.BYTES, Unit.COUNT)

    @property
    def is_peak(self) -> bool:
        """Return whether the value is a peak of charged memory, which the memory limit cuts off."""
        return self.is_bounded_by_limit and isinstance(self.found, LargestSample | KernelMark)
