"""Tells endless growth from a plateau and from noise, in memory under a constant load (a soak).

A single series proves little: garbage collectors cause sawtooth curves, caches fill, and runtimes warm up. Therefore:

1. A soak is divided into blocks of equal time. A block is represented by its floor, a low quantile, which is the memory
   that is kept. The floor of a sawtooth is flat even though its teeth are not.
2. The trials of one side become one curve: the median of each block. The curve of the base is subtracted if there is
   one.
3. Four shapes are fitted to the curve: level, step, levelling off, and straight growth. The Bayesian information
   criterion (Schwarz 1978) selects the shape that explains the curve best with the fewest parameters.
4. A leak is straight growth that no other shape explains nearly as well, that noise does not cause, and that is large
   enough to matter. If there is growth but its shape is unclear, the reader is asked to soak longer.

`benchmarks/leak_or_plateau.py` measures how often the answer is right.
"""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from membudget.core.intervals import student
from membudget.core.quantities import KIB
from membudget.judge.measurement import ImageMeasurement, SideMeasurement
from membudget.judge.metric import Inconclusive, Verdict
from membudget.measure.trial import PhaseName, Trial

BLOCKS = 10
_FLOOR_QUANTILE = 0.05
_FEWEST_SAMPLES = 3
"""The quantile that represents a block, and the fewest samples that a block must have."""
_SMALLEST_GROWTH = 0.02
_SMALLEST_GROWTH_BYTES = 256 * KIB
"""Growth over the soak below either of these is too small to matter."""
_SURE = 3.0
"""The number of standard errors that make growth certain."""
_CLEARLY_BETTER = 4.0
"""The difference of two criteria that counts as positive evidence (Kass and Raftery 1995: 2 to 6)."""
_RESOLUTION = 0.0005
"""A share of the level. Smaller residuals prove nothing."""
_TIME_CONSTANTS = (0.03, 0.05, 0.08, 0.12, 0.18, 0.25, 0.35, 0.5)
"""The time constants of levelling off, in lengths of the soak."""
_SLOW_TIME_CONSTANTS = (0.8, 1.3, 2.0)
"""Time constants of growth that slows down, but too slowly for this soak to show a plateau."""


class Trend(StrEnum):
    """The trend of memory under a constant load."""

    GROWTH = "growth without end"
    PLATEAU = "plateau"
    NOISE = "no trend"
    UNDECIDED = "undecided"
    """Memory grew, but noise or a slow plateau explains that as well. A longer soak would decide."""


@dataclass(frozen=True, slots=True)
class SoakSeries:
    """The RSS of one trial during its soak."""

    time_ms: Sequence[float]
    rss_bytes: Sequence[int]


@dataclass(frozen=True, slots=True)
class LeakVerdict:
    """The result of a soak."""

    trend: Trend
    bytes_per_minute: float
    """The slope of straight growth, for every trend."""
    low: float
    high: float
    """The upper end of the slope's 95 % confidence interval. `low` is the lower end."""
    soak_ms: int
    is_paired: bool
    """Whether the growth of the base was subtracted."""

    @property
    def growth_bytes(self) -> float:
        """The growth over the whole soak."""
        return self.bytes_per_minute * self.soak_ms / 60_000


def judge_soak(head: Sequence[SoakSeries], base: Sequence[SoakSeries] = ()) -> LeakVerdict | None:
    """Return the trend of `head`, less that of `base` if there is one. None if too little was sampled."""
    curve, soak_ms = _curve(head)
    if curve is None:
        return None
    level = statistics.fmean(curve)
    alone = _trend(curve, level)
    base_curve, _ = _curve(base)
    if base_curve is None:
        return _verdict(alone.trend, alone, soak_ms, is_paired=False)
    paired = _trend([mine - theirs for mine, theirs in zip(curve, base_curve, strict=True)], level)
    return _verdict(_with_base(alone, paired, _smallest(level)), paired, soak_ms, is_paired=True)


def _with_base(alone: "_Fit", paired: "_Fit", smallest: float) -> Trend:
    """Return the trend of the head. `alone` is fitted to its own curve, `paired` to its curve less that of the base.

    `paired` shows whether the head grows more than the base. The shape may be clear in only one of them: `paired` has
    the noise of both sides, and `alone` includes the warm-up.
    """
    grows_more = paired.is_sure and paired.slope >= smallest and alone.slope >= smallest
    if grows_more and Trend.GROWTH in (alone.trend, paired.trend):
        return Trend.GROWTH
    if paired.trend in (Trend.GROWTH, Trend.UNDECIDED):
        return Trend.UNDECIDED if alone.slope >= smallest else Trend.NOISE  # the base shrank, the head does not grow
    if paired.trend is Trend.NOISE and alone.trend is Trend.PLATEAU:
        return Trend.PLATEAU  # the base has the same one
    return paired.trend


@dataclass(frozen=True, slots=True)
class _Fit:
    """Straight growth fitted to a curve over a soak of length 1."""

    trend: Trend
    slope: float
    error: float
    """The standard error of the slope."""

    @property
    def is_sure(self) -> bool:
        """Whether noise alone cannot explain the growth."""
        return self.slope > _SURE * self.error


def _verdict(trend: Trend, fit: _Fit, soak_ms: float, *, is_paired: bool) -> LeakVerdict:
    a_minute = 60_000 / soak_ms
    margin = student(BLOCKS - 2) * fit.error
    return LeakVerdict(
        trend=trend,
        bytes_per_minute=fit.slope * a_minute,
        low=(fit.slope - margin) * a_minute,
        high=(fit.slope + margin) * a_minute,
        soak_ms=round(soak_ms),
        is_paired=is_paired,
    )


def _curve(repeats: Sequence[SoakSeries]) -> tuple[list[float] | None, float]:
    """Return the median of the trials' floors for each block, and the length of the soaks in milliseconds."""
    cut = [(floors, series) for series in repeats if (floors := _floors(series)) is not None]
    if not cut:
        return None, 0.0
    soak_ms = statistics.median(max(series.time_ms) - min(series.time_ms) for _, series in cut)
    return [statistics.median(block) for block in zip(*(floors for floors, _ in cut), strict=True)], soak_ms


def _floors(series: SoakSeries) -> list[float] | None:
    """Return the floor of each block. None if a block has too few samples."""
    if len(series.time_ms) < BLOCKS * _FEWEST_SAMPLES:
        return None
    begin, end = min(series.time_ms), max(series.time_ms)
    if begin == end:
        return None
    blocks: list[list[int]] = [[] for _ in range(BLOCKS)]
    for time_ms, rss in zip(series.time_ms, series.rss_bytes, strict=True):
        blocks[min(BLOCKS - 1, int(BLOCKS * (time_ms - begin) / (end - begin)))].append(rss)
    if min(map(len, blocks)) < _FEWEST_SAMPLES:
        return None
    return [sorted(block)[int(_FLOOR_QUANTILE * len(block))] for block in blocks]


def _trend(curve: Sequence[float], level: float) -> _Fit:
    """Return the shape that explains a curve best."""
    times = [(number + 0.5) / len(curve) for number in range(len(curve))]
    slope, error = _line(times, curve, _RESOLUTION * level)
    smallest = _smallest(level)
    flat = _score(curve, [statistics.fmean(curve)] * len(curve), 1, level)
    straight = _score(curve, _fitted(times, curve), 2, level)
    step = min(_shape_score(curve, _step(times, at), level) for at in times[1:])
    levelling = min(_shape_score(curve, _saturation(times, tau), level) for tau in _TIME_CONSTANTS)
    slowing = min(_shape_score(curve, _saturation(times, tau), level) for tau in _SLOW_TIME_CONSTANTS)
    flatter = min(step, levelling)
    fit = _Fit(Trend.UNDECIDED, slope, error)
    is_straight = straight < flat and straight <= flatter
    if is_straight and straight - slowing < _CLEARLY_BETTER and fit.is_sure and slope >= smallest:
        return replace(fit, trend=Trend.GROWTH)
    if flat <= min(straight, flatter) or slope < smallest:
        return replace(fit, trend=Trend.NOISE)
    has_ended = straight - flatter >= _CLEARLY_BETTER and slowing >= flatter
    return replace(fit, trend=Trend.PLATEAU) if has_ended else fit


def _smallest(level: float) -> float:
    """Return the smallest growth over a soak that matters."""
    return max(_SMALLEST_GROWTH * level, _SMALLEST_GROWTH_BYTES)


def _line(times: Sequence[float], curve: Sequence[float], resolution: float) -> tuple[float, float]:
    """Return the slope of the least-squares line and its standard error."""
    middle = statistics.fmean(times)
    spread = sum((time - middle) ** 2 for time in times)
    fitted = _fitted(times, curve)
    residual = sum((value - line) ** 2 for value, line in zip(curve, fitted, strict=True))
    variance = max(residual / (len(curve) - 2), resolution**2)
    return statistics.linear_regression(times, curve).slope, math.sqrt(variance / spread)


def _fitted(shape: Sequence[float], curve: Sequence[float]) -> list[float]:
    """Return `curve` approximated as a level plus a multiple of `shape`, by least squares."""
    line = statistics.linear_regression(shape, curve)
    return [line.intercept + line.slope * value for value in shape]


def _shape_score(curve: Sequence[float], shape: Sequence[float], level: float) -> float:
    """Return the score of a level plus a multiple of `shape`, whose own parameter is the third."""
    return _score(curve, _fitted(shape, curve), 3, level)


def _score(curve: Sequence[float], fitted: Sequence[float], parameters: int, level: float) -> float:
    """Return the Bayesian information criterion. Less is better."""
    count = len(curve)
    residual = sum((value - model) ** 2 for value, model in zip(curve, fitted, strict=True)) / count
    return count * math.log(max(residual, (_RESOLUTION * level) ** 2, 1.0)) + parameters * math.log(count)


def _step(times: Sequence[float], at: float) -> list[float]:
    return [float(time >= at) for time in times]


def _saturation(times: Sequence[float], tau: float) -> list[float]:
    return [1 - math.exp(-time / tau) for time in times]


@dataclass(frozen=True, slots=True)
class SoakAnswer:
    """The verdict on a soak alone."""

    trend: LeakVerdict | None = None
    """None if the image was not soaked, or if too little was sampled."""
    verdict: Verdict = Verdict.PASS
    """Always a pass if the soak only advises."""
    inconclusive: Inconclusive | None = None


def soak_answer(image: ImageMeasurement) -> SoakAnswer:
    """Return the verdict on the soak of an image. It passes if there was none."""
    found = soak_verdict(image)
    if not image.leak_fails:
        return SoakAnswer(found)
    if found is None:
        unseen = SoakAnswer(None, Verdict.INCONCLUSIVE, Inconclusive.NOT_MEASURED)
        return unseen if any(_soaks(image.side_for_maximums)) else SoakAnswer()
    if found.trend not in _VERDICTS:
        return SoakAnswer(found)
    verdict = _VERDICTS[found.trend]
    why = Inconclusive.NOISE if verdict is Verdict.INCONCLUSIVE else None
    return SoakAnswer(found, verdict, why)


_VERDICTS = {Trend.GROWTH: Verdict.FAIL, Trend.UNDECIDED: Verdict.INCONCLUSIVE}


def soak_verdict(image: ImageMeasurement) -> LeakVerdict | None:
    """Return the trend of the head's soak, less that of the base. None if there was no soak."""
    head = list(_soaks(image.side_for_maximums))
    return judge_soak(head, list(_soaks(image.base))) if head else None


def soak_requests(image: ImageMeasurement) -> int | None:
    """Return the number of requests in a soak of the head. None if they were not counted."""
    counts = [sum(load.requests for load in trial.load if load.phase == PhaseName.SOAK) for trial in image.trials]
    return sorted(counts)[len(counts) // 2] or None if counts else None


def _soaks(side: SideMeasurement | None) -> Iterator[SoakSeries]:
    for trial in side.trials if side is not None else ():
        soak = _soak(trial)
        if soak is not None:
            yield soak


def _soak(trial: Trial) -> SoakSeries | None:
    """Return the trial's series during its soak. None if it was not soaked."""
    phases = [phase for phase in trial.phases if phase.name == PhaseName.SOAK]
    if not phases:
        return None
    begin_us = phases[0].begin_us
    end_us = phases[-1].begin_us + 1000 * phases[-1].duration_ms
    series = trial.series
    within = [index for index, time_us in enumerate(series.time_us) if begin_us <= time_us <= end_us]
    return SoakSeries([series.time_us[index] / 1000 for index in within], [series.rss_bytes[index] for index in within])
