"""Does the limit still follow from the last fit? Compares it, and the peak, with what `membudget fit` wrote."""

from dataclasses import dataclass

from membudget.budgets.fit import MOST_TIMES
from membudget.budgets.rules import NO_BUDGET, Tolerance
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.judge.measurement import ImageMeasurement, SideMeasurement

_USUAL_TOLERANCE = Tolerance(10.0, 4 * MIB)
"""How far the peak may move if no budget says how much it may grow."""


@dataclass(frozen=True, slots=True)
class LimitTooLow:
    """The limit keeps less than the wanted distance above the last fit."""

    limit_bytes: int
    least_bytes: int
    survives_bytes: int
    """In CI."""
    scale: float = 1.0
    """How many times as much memory production needs."""


@dataclass(frozen=True, slots=True)
class LimitTooHigh:
    """The limit is more than twice what the last fit found to be comfortable."""

    limit_bytes: int
    most_bytes: int
    needed_bytes: int
    """In CI."""
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class PeakMoved:
    """The peak is further from that of the last fit than is tolerated, so that the fit says nothing any more."""

    peak_bytes: int
    fitted_bytes: int


FitFault = LimitTooLow | LimitTooHigh | PeakMoved
"""Why the limit does not follow from the last fit."""


def fit_faults(image: ImageMeasurement) -> tuple[FitFault, ...]:
    """Return why the limit of an image does not follow from its last fit. Empty if it does, or if there was none."""
    if image.fit is None:
        return ()
    moved = peak_moved(image, image.side_for_maximums)
    if moved is not None:
        return (moved,)  # then the fit has to be repeated, and its limits say nothing
    fit, limit = image.fit, image.limit_bytes
    least = round(fit.survives_bytes * image.scale * (1 + fit.headroom_percent / 100))
    if limit < least:
        return (LimitTooLow(limit, least, fit.survives_bytes, image.scale),)
    below = image.budgets.get(Metric.PEAK_RSS, NO_BUDGET).below_limit
    wanted = limit - below if below is not None else 0  # what the budget keeps free may be as large as it says
    most = max(round(MOST_TIMES * fit.needed_bytes * image.scale), least) + wanted
    return (LimitTooHigh(limit, most, fit.needed_bytes, image.scale),) if limit > most else ()


def peak_moved(image: ImageMeasurement, side: SideMeasurement | None) -> PeakMoved | None:
    """Return how the peak of a side has moved since the last fit. None if it has not, or if one is unknown."""
    fit = image.fit
    peak = side.metrics[Metric.PEAK_RSS].value if side is not None and Metric.PEAK_RSS in side.metrics else None
    if peak is None or fit is None or fit.peak_rss_bytes is None:
        return None
    tolerance = image.budgets.get(Metric.PEAK_RSS, NO_BUDGET).tolerance or _USUAL_TOLERANCE
    tolerated = max(tolerance.floor, fit.peak_rss_bytes * tolerance.percent / 100)
    return PeakMoved(peak, fit.peak_rss_bytes) if abs(peak - fit.peak_rss_bytes) > tolerated else None
