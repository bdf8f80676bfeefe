"""The memory request and limit that follow from the figures of an image, and whether memory can scale it."""

import math
import statistics
from dataclasses import dataclass
from enum import StrEnum

from membudget.budgets.fit import DEFAULT_HEADROOM
from membudget.budgets.suggested import rounded_up
from membudget.core.intervals import student
from membudget.core.metrics import Metric, MetricValue
from membudget.judge.fit import peak_moved
from membudget.judge.measurement import ImageMeasurement, SideMeasurement


class Need(StrEnum):
    """What a limit is made from."""

    FIT = "fit"
    """The comfortable limit that `membudget fit` found, or the one that survives."""
    PEAK = "peak"
    """The largest peak RSS of the trials, because there is no fit that is still true."""


@dataclass(frozen=True, slots=True)
class Margin:
    """What a limit has above the need."""

    headroom_bytes: int
    headroom_percent: float
    spread_bytes: int | None
    """How far above the mean the peak of a next trial may be, with 97.5 % certainty. None for a single trial."""

    @property
    def bytes(self) -> int:
        """The larger of the two."""
        return max(self.headroom_bytes, self.spread_bytes or 0)


@dataclass(frozen=True, slots=True)
class Sizing:
    """The memory request and limit that follow, and what they are made of."""

    request_bytes: int
    settled_bytes: int | None
    """The settled working set in CI. None if the container ends with its work: then the request is the limit."""
    limit_bytes: int
    """The need in production and the margin, rounded up."""
    need: Need
    need_bytes: int
    """The need in CI."""
    margin: Margin
    """Above the need in production."""
    scale: float = 1.0
    """How many times as much memory production needs."""

    @property
    def at_rest_bytes(self) -> int | None:
        """The settled working set in production."""
        return math.ceil(self.settled_bytes * self.scale) if self.settled_bytes is not None else None

    @property
    def is_request_the_limit(self) -> bool:
        """Whether both are the same, which the quality of service "Guaranteed" asks for, of memory and of CPU."""
        return self.request_bytes == self.limit_bytes


@dataclass(frozen=True, slots=True)
class LoadGrowth:
    """How memory grows with one kind of load."""

    metric: Metric
    value: MetricValue

    @property
    def grows(self) -> bool:
        """Whether the growth is certain."""
        return self.value.interval is not None and self.value.interval[0] > 0


@dataclass(frozen=True, slots=True)
class Scaling:
    """Whether a horizontal pod autoscaler can go by the memory of an image."""

    target_percent: int
    settled_bytes: int
    """In production."""
    request_bytes: int
    """The request that the target is a share of."""

    @property
    def at_rest(self) -> float:
        """The settled working set as a share of target × request. The autoscaler wants it to be 1."""
        return self.settled_bytes / (self.request_bytes * self.target_percent / 100)

    @property
    def can_scale_down(self) -> bool:
        """Whether pods at rest are ever removed."""
        return self.at_rest < 1 - TOLERANCE

    @property
    def rests_at(self) -> int | None:
        """The largest number of pods that stays when all are at rest. None if none is ever removed.

        The autoscaler goes from n to ⌈n × at rest⌉ pods, unless that is within its tolerance.
        """
        if not self.can_scale_down:
            return None
        pods = 1
        while pods < _MOST_PODS and math.ceil((pods + 1) * self.at_rest - _ROUNDING) == pods + 1:
            pods += 1
        return pods

    @property
    def least_request_bytes(self) -> int:
        """The smallest request with which pods at rest are removed."""
        return rounded_up(math.ceil(self.settled_bytes / (self.target_percent / 100 * (1 - TOLERANCE))) + 1)


TOLERANCE = 0.1
"""An autoscaler does nothing while the ratio is this near to 1.

Source: `--horizontal-pod-autoscaler-tolerance` of the kube-controller-manager.
"""
_MOST_PODS = 1000
_ROUNDING = 1e-9
_LOADS = (Metric.RSS_PER_CONNECTION, Metric.RSS_PER_STREAM, Metric.RSS_PER_1000_REQUESTS)


def sizing(image: ImageMeasurement, side: SideMeasurement) -> Sizing | None:
    """Return the request and limit that follow from one side's figures. None if it has none that count.

    A side that failed, or in which the kernel killed a process, does not tell how much it needs.
    """
    readings = [trial.metrics[Metric.PEAK_RSS] for trial in side.trials]
    peaks = [reading.worst(Metric.PEAK_RSS) or 0 for reading in readings if not reading.is_lower_bound]
    is_killed = any(trial.metrics[Metric.OOM_KILLS].value for trial in side.trials)
    if side.failure is not None or is_killed or not peaks or len(peaks) < len(readings) or min(peaks) < 1:
        return None
    fit = image.fit if peak_moved(image, side) is None else None
    percent = fit.headroom_percent if fit is not None else DEFAULT_HEADROOM
    need = max(1, fit.needed_bytes) if fit is not None else max(peaks)
    in_production = math.ceil(need * image.scale)
    margin = Margin(round(in_production * percent / 100), percent, _spread(peaks, image.scale))
    limit = rounded_up(in_production + margin.bytes)
    settled = side.metrics.get(Metric.SETTLED_WORKING_SET)
    at_rest = settled.value if settled is not None and (settled.value or 0) > 0 else None
    request = limit if at_rest is None else min(limit, rounded_up(math.ceil(at_rest * image.scale)))
    return Sizing(request, at_rest, limit, Need.PEAK if fit is None else Need.FIT, need, margin, image.scale)


def _spread(peaks: list[int], scale: float) -> int | None:
    if len(peaks) < 2:
        return None
    # A prediction interval for one more value of a normal distribution.
    width = student(len(peaks) - 1) * statistics.stdev(peaks) * math.sqrt(1 + 1 / len(peaks))
    return math.ceil(width * scale)


def scaling(found: Sizing, target_percent: int) -> Scaling | None:
    """Return how an autoscaler with this target behaves at the advised request. None if the container ends."""
    at_rest = found.at_rest_bytes
    if at_rest is None or at_rest < 1:
        return None
    return Scaling(target_percent, at_rest, found.request_bytes)


def growth_with_load(side: SideMeasurement) -> tuple[LoadGrowth, ...]:
    """Return how memory grows with connections, streams and requests, as far as it was fitted."""
    values = ((metric, side.metrics.get(metric)) for metric in _LOADS)
    return tuple(LoadGrowth(metric, value) for metric, value in values if value is not None and value.interval)
