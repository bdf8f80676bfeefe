"""How much memory images need in relation to each other: the ratios of their peaks, with what is certain about them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from membudget.core.files import Stored
from membudget.core.intervals import Interval, ratio_interval
from membudget.core.metrics import Metric
from membudget.measure.trial import Outcome, Trial

_CONFIDENCE = 0.95
"""Four trials of each image are the fewest that can reach it."""
_ROUNDING = 1e-9


class PeakDifference(StrEnum):
    """What the trials tell about two images."""

    MORE = "more"
    """The image needs more memory than the smallest."""
    NOT_FOUND = "not_found"
    """The interval of the ratio contains 1."""
    UNCERTAIN = "uncertain"
    """There are too few trials for an interval of 95 %."""
    CUT_OFF = "cut_off"
    """The limit cut off the peak of one of the images, so that it needs an unknown amount of memory."""
    NOT_MEASURED = "not_measured"


@dataclass(frozen=True, slots=True)
class PeakComparison(Stored):
    """The peak RSS of one image, compared with the smallest image's."""

    image: str
    difference: PeakDifference
    ratio: float | None = None
    """How many times as much memory the image needs: the median of all pairs of trials. None if unknown."""
    low: float | None = None
    """The interval of the ratio. It allows for peaks that were missed, and for the resolution of the kernel's mark."""
    high: float | None = None
    confidence: float | None = None
    """The confidence of the interval: 0.95 or more, or what so few trials allow."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Images in the order of their peak RSS."""

    order: tuple[str, ...]
    """All images: those with a peak first, smallest first. Then those whose limit cut off the peak, then the others."""
    smallest: str | None
    """The image that all others are compared with. None if no image has a whole peak."""
    others: tuple[PeakComparison, ...]
    """The other images, in this order."""


@dataclass(frozen=True, slots=True)
class _Peak:
    """The peak RSS of one trial, in bytes."""

    least: int
    """The sampled peak."""
    most: int
    """The largest true peak that the samples and the kernel's mark allow."""


Peaks = Mapping[str, Sequence[_Peak]]


def ranked(trials: Mapping[str, Sequence[Trial]]) -> Ranking:
    """Return the images by their peak RSS. `trials` has those of each image whose workload did not fail."""
    peaks = {name: list(_peaks(of_image)) for name, of_image in trials.items()}
    cut_off = {name for name, of_image in trials.items() if any(_is_cut_off(trial) for trial in of_image)}

    def place(name: str) -> tuple[bool, bool, float]:
        return not peaks[name], name in cut_off, median(peak.least for peak in peaks[name]) if peaks[name] else 0

    order = tuple(sorted(trials, key=place))
    smallest = next((name for name in order if peaks[name] and name not in cut_off), None)
    if smallest is None:
        return Ranking(order, None, ())
    others = (name for name in order if name != smallest)
    return Ranking(order, smallest, tuple(_compared(name, peaks, cut_off, smallest) for name in others))


def _compared(name: str, peaks: Peaks, cut_off: set[str], smallest: str) -> PeakComparison:
    if not peaks[name]:
        return PeakComparison(name, PeakDifference.NOT_MEASURED)
    if name in cut_off:
        return PeakComparison(name, PeakDifference.CUT_OFF)
    found = _ratio(peaks[smallest], peaks[name])
    if found.confidence < _CONFIDENCE - _ROUNDING:
        difference = PeakDifference.UNCERTAIN
    else:
        difference = PeakDifference.MORE if found.low > 1 else PeakDifference.NOT_FOUND
    return PeakComparison(name, difference, found.estimate, found.low, found.high, found.confidence)


def _ratio(before: Sequence[_Peak], after: Sequence[_Peak]) -> Interval:
    """Return the ratio of the sampled peaks. Its bounds allow for what was not sampled in either image."""
    least_before, least_after = ([peak.least for peak in peaks] for peaks in (before, after))
    most_before, most_after = ([peak.most for peak in peaks] for peaks in (before, after))
    found = ratio_interval(least_before, least_after, _CONFIDENCE)
    low = ratio_interval(most_before, least_after, _CONFIDENCE).low
    high = ratio_interval(least_before, most_after, _CONFIDENCE).high
    return Interval(found.estimate, low, high, found.confidence)


def _peaks(trials: Sequence[Trial]) -> Iterator[_Peak]:
    for trial in trials:
        peak = trial.metrics[Metric.PEAK_RSS]
        if peak.value:
            resolution_bytes = trial.certificate.resolution_bytes if trial.certificate is not None else 0
            yield _Peak(peak.value, max(peak.value + resolution_bytes, peak.at_most or 0))


def _is_cut_off(trial: Trial) -> bool:
    """Return whether the true peak has no upper bound, for example because a process was killed at the limit."""
    return trial.outcome is Outcome.OOM_KILLED or trial.metrics[Metric.PEAK_RSS].is_lower_bound
