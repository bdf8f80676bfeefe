"""Does CI's figure hold in production? What was seen there, and how CI's memory compares with it."""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from membudget.budgets.production import LARGEST_SCALE
from membudget.core.intervals import median_interval
from membudget.core.metrics import Metric
from membudget.judge.measurement import ImageMeasurement, SideMeasurement
from membudget.judge.values import largest_samples, trial_samples

COMPARED = (Metric.PEAK_RSS, Metric.PEAK_WORKING_SET, Metric.PEAK_MEMORY)
"""The metrics that production has as well. The first one that both sides know decides."""
HOLDS_PERCENT = (90, 110)
"""A peak in CI between these shares of production's peak holds."""
_CONFIDENCE = 0.95
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class ProductionUse:
    """How much of one kind of memory the containers of an image used in production."""

    max_bytes: int
    """The largest sample of all pods."""
    p99_bytes: int | None = None
    """The 99th percentile of a container's samples, of the container where it is largest."""
    p99_of_pods_bytes: int | None = None
    """The 99th percentile of the pods' largest samples."""


@dataclass(frozen=True, slots=True)
class Scrapes:
    """How often memory was sampled."""

    interval_s: float
    """The usual time between two samples of a container."""
    span_s: int
    """The time from the first sample to the last."""
    missing_s: int
    """How much of it has no samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Production:
    """What was seen of an image in production."""

    selector: str
    """Which containers were asked for."""
    days: int | None
    """How many days were asked for. None for a file, all of whose samples count."""
    used: Mapping[Metric, ProductionUse]
    pods: int
    containers: int
    """How many containers ran in the pods, one after another or side by side."""
    namespaces: int = 1
    """How many namespaces of Kubernetes the pods are in."""
    samples: int
    scrapes: Scrapes | None
    """None if there are too few samples to tell."""
    oom_kills: int | None
    """How many processes the kernel killed, at least. None if nothing tells."""
    oom_killed: int | None
    """How many containers ended by an OOM kill, at least. None if nothing tells."""
    restarts: int | None
    limit_bytes: int | None = None
    """The largest limit of a container. None if there is none, or if nothing tells."""
    is_partial: bool = False
    """Whether the server warned that something may be missing."""
    unusable: tuple[str, ...] = ()
    """The figures that were no number from 0, such as NaN."""

    @property
    def is_cut_off(self) -> bool:
        """Whether a limit cut off the peak, so that it is a lower bound."""
        return bool(self.oom_kills or self.oom_killed)


class NotSeen(StrEnum):
    """Why nothing is known of an image in production."""

    NO_SERIES = "no series"
    """No container matched the selector."""
    NO_SAMPLES = "no samples"
    """No row of the file matched the selector."""
    NOT_USABLE = "not usable"
    """What the server answered were no numbers from 0."""


class CiNotMeasured(StrEnum):
    """Why there is no figure of CI."""

    NOT_IN_REPORT = "not in report"
    UNCHANGED = "unchanged"
    """The report is about a commit that did not change the image, so it did not run."""
    FAILED = "failed"
    NOT_IN_HISTORY = "not in history"


@dataclass(frozen=True, slots=True)
class OfCi:
    """A figure of CI."""

    bytes: int
    samples: tuple[int, ...] = ()
    """The value of each trial."""
    is_lower_bound: bool = False
    at_most_bytes: int | None = None
    """An upper bound, if a spike was missed."""
    shared_bytes: int = 0
    """How much shared memory was left out, because production's figure has none."""
    includes_shared: bool = False
    """Whether shared memory counts all the same, because nobody knows how much there was."""


class Reach(StrEnum):
    """How CI's peak compares with production's."""

    BELOW = "below"
    HOLDS = "holds"
    ABOVE = "above"
    UNCLEAR = "unclear"
    """The trials differ too much, or one of both figures is a lower bound."""


@dataclass(frozen=True, slots=True)
class ComparedUse:
    """One metric in CI and in production. Shares are in percent of production's largest sample."""

    metric: Metric
    of_ci: OfCi
    used: ProductionUse
    percent: float
    low: float
    high: float
    """The interval of the share, by the spread of the trials."""
    reach: Reach

    @property
    def wanted_scale(self) -> float | None:
        """The factor from CI's peak to production's, rounded up to a tenth. None if it is no scale."""
        if self.of_ci.bytes < 1:
            return None
        scale = math.ceil(10 * self.used.max_bytes / self.of_ci.bytes - _ROUNDING) / 10
        return scale if 1 <= scale <= LARGEST_SCALE else None


@dataclass(frozen=True, slots=True)
class ImageFidelity:
    """How the figures of an image relate to production's."""

    name: str
    scale: float
    """The scale of the budgets file. CI's figures are multiplied by it before they are compared."""
    production: Production | NotSeen
    of_ci: Mapping[Metric, OfCi] | CiNotMeasured

    @property
    def compared(self) -> tuple[ComparedUse, ...]:
        """The metrics that both sides know, the one that decides first."""
        if isinstance(self.production, NotSeen) or isinstance(self.of_ci, CiNotMeasured):
            return ()
        seen, known = self.production, self.of_ci
        return tuple(
            compare(metric, known[metric], seen.used[metric], self.scale, is_cut_off=seen.is_cut_off)
            for metric in COMPARED
            if metric in known and metric in seen.used and seen.used[metric].max_bytes > 0
        )


def compare(metric: Metric, of_ci: OfCi, used: ProductionUse, scale: float, *, is_cut_off: bool) -> ComparedUse:
    """Return how CI's figure × `scale` compares with production's. `is_cut_off`: production's is a lower bound."""
    interval = median_interval(of_ci.samples or (of_ci.bytes,), _CONFIDENCE)
    low, high = min(interval.low, of_ci.bytes), max(interval.high, of_ci.at_most_bytes or of_ci.bytes)
    percent, least, most = (100 * scale * size / used.max_bytes for size in (of_ci.bytes, low, high))
    reach = _reach(least, most)
    if (is_cut_off and reach is not Reach.BELOW) or (of_ci.is_lower_bound and reach is not Reach.ABOVE):
        reach = Reach.UNCLEAR
    return ComparedUse(metric, of_ci, used, percent, least, most, reach)


def _reach(low: float, high: float) -> Reach:
    least, most = HOLDS_PERCENT
    if high < least:
        return Reach.BELOW
    if low > most:
        return Reach.ABOVE
    return Reach.HOLDS if least <= low and high <= most else Reach.UNCLEAR


def of_report(image: ImageMeasurement) -> Mapping[Metric, OfCi] | CiNotMeasured:
    """Return the figures of an image that a check measured: those that maximums are judged by."""
    side = image.side_for_maximums
    if image.is_unchanged:
        return CiNotMeasured.UNCHANGED
    if side is None or side.failure is not None:
        return CiNotMeasured.FAILED
    figures = ((metric, _of_side(metric, side, image.unjudged_phases)) for metric in COMPARED)
    return {metric: figure for metric, figure in figures if figure is not None} or CiNotMeasured.FAILED


def _of_side(metric: Metric, side: SideMeasurement, unjudged: tuple[str, ...]) -> OfCi | None:
    known = side.metrics.get(metric)
    if known is None or known.value is None:
        return None
    figure = OfCi(known.value, trial_samples(metric, None, side).head, known.is_lower_bound, known.at_most)
    in_production = metric.definition.in_production
    if in_production is None or in_production.column is None:
        return figure
    samples = largest_samples(side, in_production.column, unjudged)
    if not samples:
        return figure
    left_out = max(0, known.value - round(statistics.median(samples)))
    at_most = known.at_most - left_out if known.at_most is not None else None
    return OfCi(known.value - left_out, samples, known.is_lower_bound, at_most, left_out)
