"""Why the verdict on a metric is what it is, as figures. report/verdicts puts them into words."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from membudget.core.metrics import MetricValue
from membudget.judge.evidence import Evidence, Proof, TrialsAtLimit, TrialsOver


class Level(StrEnum):
    """Which of a budget's maximums is meant."""

    MAXIMUM = "maximum"
    HEADROOM = "headroom"
    """What leaves the wanted headroom below the limit."""
    WARNING = "warning"
    LOWEST = "lowest"
    """The lowest that is set, which is told with its figure."""


class Excuse(StrEnum):
    """Why growth need not be judged where the base has no figure."""

    NO_BASE_VALUE = "no base value"
    NEW = "new"
    NO_BASE_REVISION = "no base revision"
    BASE_WAIVED = "base waived"
    """The base could not be measured, and somebody who may approved that."""
    SETTINGS_CHANGED = "settings changed"
    """The head does not run with the base's settings, and the change was approved or merged."""


@dataclass(frozen=True, slots=True)
class OverMaximum:
    """The median is above a maximum, for certain."""

    level: Level
    excess: int


@dataclass(frozen=True, slots=True)
class MaybeOverMaximum:
    """The median looks to be above a maximum, and its bounds lie on both sides."""

    level: Level
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class AroundMaximum:
    """The median looks to be below a maximum, and its bounds lie on both sides."""

    level: Level
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class TrialsWereOver:
    """Single trials were above a maximum."""

    level: Level
    trials: TrialsOver


@dataclass(frozen=True, slots=True)
class TrialsMayBeOver:
    """A spike was missed in single trials, which may have been above a maximum that each has to keep."""

    count: int
    of: int
    at_most: int


@dataclass(frozen=True, slots=True)
class TrialsReachedLimit:
    """Something was killed at the limit, or memory was taken back there."""

    trials: TrialsAtLimit


@dataclass(frozen=True, slots=True)
class Grew:
    """It grew by more than is tolerated, for certain."""

    before: int
    after: int
    tolerated: int
    is_warning: bool
    """Whether the tolerance only warns."""


@dataclass(frozen=True, slots=True)
class MaybeGrew:
    """It grew, perhaps by more than is tolerated."""

    low: int
    high: int
    tolerated: int


@dataclass(frozen=True, slots=True)
class NoGrowthSeen:
    """Noise explains the difference."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class GrowthCutOff:
    """The limit cut the peak off in some trials and hides how much it grew."""

    count: int
    of: int


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """A side has no figure."""

    reason: str | None
    """Text from outside."""
    is_base: bool = False


@dataclass(frozen=True, slots=True)
class LowerBound:
    """The head's figure is a lower bound, which keeps no maximum."""

    value: MetricValue


@dataclass(frozen=True, slots=True)
class TrialsUnread:
    """Some trials have no figure, where each has to keep the maximum."""

    count: int
    of: int


@dataclass(frozen=True, slots=True)
class WideEstimate:
    """The bounds of an estimate lie on both sides of the maximum."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class SpikeMissed:
    """The figures may be higher than they were seen, and the answer depends on it."""

    head_at_most: int | None
    """None: the head's is what was seen."""
    base_at_most: int | None
    precision: str
    """Of the figure in doubt: text from outside."""


@dataclass(frozen=True, slots=True)
class GrowthNotJudged:
    """The base has no figure, and none is needed."""

    excuse: Excuse
    images: int | None = None
    """Of a sum: how many of its images lack one, the first for `excuse`."""


@dataclass(frozen=True, slots=True)
class Excepted:
    """A broken budget that an exception allows for a while."""

    until: date
    beyond: TrialsOver | None
    """Trials that were above even what the exception allows."""


MaximumReason = (
    OverMaximum
    | MaybeOverMaximum
    | AroundMaximum
    | TrialsWereOver
    | TrialsMayBeOver
    | TrialsReachedLimit
    | WideEstimate
    | Excepted
)
GrowthReason = Grew | MaybeGrew | NoGrowthSeen | GrowthCutOff | GrowthNotJudged
MissingReason = NotMeasured | LowerBound | TrialsUnread | SpikeMissed
RowReason = MaximumReason | GrowthReason | MissingReason


def of_maximum(level: Level, excess: int, evidence: Evidence) -> MaximumReason:
    """What evidence says of a median that lies `excess` above a maximum."""
    match evidence.proof:
        case Proof.BROKEN:
            return OverMaximum(level, excess)
        case Proof.OPEN:
            return MaybeOverMaximum(level, evidence.low, evidence.high)
        case _:
            return AroundMaximum(level, evidence.low, evidence.high)


def of_growth(grown: Grew, evidence: Evidence) -> GrowthReason:
    """What evidence says of a growth."""
    match evidence.proof:
        case Proof.BROKEN:
            return grown
        case Proof.OPEN:
            return MaybeGrew(evidence.low, evidence.high, grown.tolerated)
        case _:
            return NoGrowthSeen(evidence.low, evidence.high)
