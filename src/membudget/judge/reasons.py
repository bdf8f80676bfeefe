"""The reasons for the verdict on a metric, as figures. `report/verdicts` puts them into words."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from membudget.core.metrics import MetricValue
from membudget.judge.bounds import Bound
from membudget.judge.evidence import Evidence, Proof, TrialsAtLimit, TrialsOver


class Excuse(StrEnum):
    """Why growth need not be judged if the base has no figure."""

    NO_BASE_VALUE = "no base value"
    NEW = "new"
    NO_BASE_REVISION = "no base revision"
    BASE_WAIVED = "base waived"
    """The base could not be measured, and someone with the right to do so approved that."""
    SETTINGS_CHANGED = "settings changed"
    """The head does not run with the base's settings, and that change was approved or merged."""
    NO_HISTORY = "no history"
    """The history has no figure of the image yet."""
    HISTORY_NOT_USABLE = "history not usable"
    """The history has figures that cannot be compared here."""


@dataclass(frozen=True, slots=True)
class OverMaximum:
    """The median is certainly above a maximum, or below a minimum."""

    bound: Bound
    excess: int


@dataclass(frozen=True, slots=True)
class MaybeOverMaximum:
    """The median breaks a maximum or a minimum, but its bounds lie on both sides of it."""

    bound: Bound
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class AroundMaximum:
    """The median keeps a maximum or a minimum, but its bounds lie on both sides of it."""

    bound: Bound
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class TrialsWereOver:
    """Single trials broke a maximum or a minimum."""

    bound: Bound
    trials: TrialsOver


@dataclass(frozen=True, slots=True)
class TrialsMayBeOver:
    """Single trials missed a spike and may have broken a bound that every trial must keep."""

    count: int
    of: int
    worst: int


@dataclass(frozen=True, slots=True)
class TrialsReachedLimit:
    """Trials reached the limit: a process was killed, or memory was reclaimed."""

    trials: TrialsAtLimit


@dataclass(frozen=True, slots=True)
class Worsened:
    """The metric certainly grew by more than is tolerated, or fell if more is better."""

    before: int
    after: int
    bound: Bound
    tolerated: int


@dataclass(frozen=True, slots=True)
class MaybeWorsened:
    """The metric grew, perhaps by more than is tolerated, or fell if more is better. The interval has no sign."""

    low: int
    high: int
    tolerated: int


@dataclass(frozen=True, slots=True)
class NotWorsened:
    """Noise can explain the difference. The interval is that of the growth, or of the drop if more is better."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class GrowthCutOff:
    """The limit cut off the peak in some trials, which hides how much it grew."""

    count: int
    of: int


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """A side has no value."""

    reason: str | None
    """Text that may come from outside."""
    is_base: bool = False


@dataclass(frozen=True, slots=True)
class LowerBound:
    """The head's value is a lower bound, which cannot prove that a maximum is kept."""

    value: MetricValue


@dataclass(frozen=True, slots=True)
class TrialsUnread:
    """Some trials have no value although every trial must keep the maximum."""

    count: int
    of: int


@dataclass(frozen=True, slots=True)
class WideEstimate:
    """The bounds of an estimate lie on both sides of the maximum."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class SpikeMissed:
    """A spike was missed, so that values may be worse than measured, and the answer depends on that."""

    head_worst: int | None
    """The worst that the head's value may be. None if it is exact."""
    base_worst: int | None
    precision: str
    """The precision of the value in doubt, which may be text from outside."""


@dataclass(frozen=True, slots=True)
class GrowthNotJudged:
    """The base has no value, and none is needed."""

    excuse: Excuse
    images: int | None = None
    """For a sum: the number of images without a value. `excuse` is that of the first."""


@dataclass(frozen=True, slots=True)
class Excepted:
    """The budget is broken, but an exception allows that for a limited time."""

    until: date
    beyond: TrialsWereOver | None
    """The trials that break a bound, if some are worse than what the exception allows as well."""


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
GrowthReason = Worsened | MaybeWorsened | NotWorsened | GrowthCutOff | GrowthNotJudged
MissingReason = NotMeasured | LowerBound | TrialsUnread | SpikeMissed
RowReason = MaximumReason | GrowthReason | MissingReason


def of_fixed(bound: Bound, value: int, evidence: Evidence) -> MaximumReason:
    """Return the reason about a median of `value` that is compared with a maximum or a minimum."""
    match evidence.proof:
        case Proof.BROKEN:
            return OverMaximum(bound, bound.worse_by(value))
        case Proof.OPEN:
            return MaybeOverMaximum(bound, evidence.low, evidence.high)
        case _:
            return AroundMaximum(bound, evidence.low, evidence.high)


def of_change(grown: Worsened, evidence: Evidence) -> GrowthReason:
    """Return the reason about a growth, or about a drop if more is better."""
    match evidence.proof:
        case Proof.BROKEN:
            return grown
        case Proof.OPEN:
            return MaybeWorsened(evidence.low, evidence.high, grown.tolerated)
        case _:
            return NotWorsened(evidence.low, evidence.high)
