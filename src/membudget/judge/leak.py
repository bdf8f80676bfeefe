"""Growth without end, a plateau, or noise: what memory does while the same load goes on and on.

One series tells little: garbage collectors make saws, caches fill, runtimes warm up. So:

1. A soak is cut into blocks of equal time, and a block stands for what was kept in it: its floor, a low quantile.
   A saw's floor is flat while its teeth are not.
2. Repeats of one side become one curve: the median, block by block. Where there is a base, it is taken off.
3. Four shapes are fitted to the curve: level, step, levelling off, straight growth. The Bayesian information
   criterion (Schwarz 1978) says which explains it best for the fewest numbers.
4. A leak is straight growth that no other shape explains nearly as well, that noise does not make, and that is worth
   talking about. Where growth is there and its shape is not clear, the answer is: soak longer.

`benchmarks/leak_or_plateau.py` says how often that is right.
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
"""Of a block."""
_SMALLEST_GROWTH = 0.02
_SMALLEST_GROWTH_BYTES = 256 * KIB
"""Growth over the soak below either is no leak that anybody would look for."""
_SURE = 3.0
"""Standard errors."""
_CLEARLY_BETTER = 4.0
"""Difference of two information criteria that counts as positive evidence (Kass and Raftery 1995: 2 to 6)."""
_RESOLUTION = 0.0005
"""Of the level: residuals below it are no evidence of anything."""
_TIME_CONSTANTS = (0.03, 0.05, 0.08, 0.12, 0.18, 0.25, 0.35, 0.5)
"""Of levelling off, in soaks."""
_SLOW_TIME_CONSTANTS = (0.8, 1.3, 2.0)
"""Growth that slows down like that is no straight growth, and no plateau that this soak has seen."""


class Trend(StrEnum):
    """What memory does under a load that does not change."""

    GROWTH = "growth without end"
    PLATEAU = "plateau"
    NOISE = "no trend"
    UNDECIDED = "undecided"
    """It grew, but noise or a slow plateau explain it as well: a longer soak would tell."""


@dataclass(frozen=True, slots=True)
class SoakSeries:
    """RSS of one trial while it was soaked."""

    time_ms: Sequence[float]
    rss_bytes: Sequence[int]


@dataclass(frozen=True, slots=True)
class LeakVerdict:
    """What became of a soak."""

    trend: Trend
    bytes_per_minute: float
    """Slope of straight growth, whatever the trend."""
    low: float
    high: float
    """Its 95 % confidence interval."""
    soak_ms: int
    is_paired: bool
    """Base's own growth was taken off."""

    @property
    def growth_bytes(self) -> float:
        """Over the soak."""
        return self.bytes_per_minute * self.soak_ms / 60_000


def judge_soak(head: Sequence[SoakSeries], base: Sequence[SoakSeries] = ()) -> LeakVerdict | None:
    """The trend of `head`'s repeats, less that of `base`'s where there is one. None: too little was sampled."""
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
    """The trend of head, whose own curve is `alone`, and `paired` less that of base.

    The pair says whether there is growth that base has not. Its shape may show in either: the pair has the noise
    of both, and the lone curve has the warm-up in it.
    """
    grows_more = paired.is_sure and paired.slope >= smallest and alone.slope >= smallest
    if grows_more and Trend.GROWTH in (alone.trend, paired.trend):
        return Trend.GROWTH
    if paired.trend in (Trend.GROWTH, Trend.UNDECIDED):
        return Trend.UNDECIDED if alone.slope >= smallest else Trend.NOISE  # base sank: head does not grow
    if paired.trend is Trend.NOISE and alone.trend is Trend.PLATEAU:
        return Trend.PLATEAU  # the same as base's
    return paired.trend


@dataclass(frozen=True, slots=True)
class _Fit:
    """Straight growth fitted to a curve over a soak of length 1."""

    trend: Trend
    slope: float
    error: float
    """Its standard error."""

    @property
    def is_sure(self) -> bool:
        """Noise alone does not grow like that."""
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
    """What was kept, block by block, the median of the repeats; and how long the soaks were."""
    cut = [(floors, series) for series in repeats if (floors := _floors(series)) is not None]
    if not cut:
        return None, 0.0
    soak_ms = statistics.median(max(series.time_ms) - min(series.time_ms) for _, series in cut)
    return [statistics.median(block) for block in zip(*(floors for floors, _ in cut), strict=True)], soak_ms


def _floors(series: SoakSeries) -> list[float] | None:
    """The low quantile of each block; None when a block has too few samples."""
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
    """Which shape a curve has."""
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
    """The least growth over a soak that is worth talking about."""
    return max(_SMALLEST_GROWTH * level, _SMALLEST_GROWTH_BYTES)


def _line(times: Sequence[float], curve: Sequence[float], resolution: float) -> tuple[float, float]:
    """Slope of the least-squares line and its standard error."""
    middle = statistics.fmean(times)
    spread = sum((time - middle) ** 2 for time in times)
    fitted = _fitted(times, curve)
    residual = sum((value - line) ** 2 for value, line in zip(curve, fitted, strict=True))
    variance = max(residual / (len(curve) - 2), resolution**2)
    return statistics.linear_regression(times, curve).slope, math.sqrt(variance / spread)


def _fitted(shape: Sequence[float], curve: Sequence[float]) -> list[float]:
    """`curve` as a level and a multiple of `shape`, by least squares."""
    line = statistics.linear_regression(shape, curve)
    return [line.intercept + line.slope * value for value in shape]


def _shape_score(curve: Sequence[float], shape: Sequence[float], level: float) -> float:
    """Of a level, a multiple of `shape`, and the one number that chose the shape."""
    return _score(curve, _fitted(shape, curve), 3, level)


def _score(curve: Sequence[float], fitted: Sequence[float], parameters: int, level: float) -> float:
    """The Bayesian information criterion: less is better."""
    count = len(curve)
    residual = sum((value - model) ** 2 for value, model in zip(curve, fitted, strict=True)) / count
    return count * math.log(max(residual, (_RESOLUTION * level) ** 2, 1.0)) + parameters * math.log(count)


def _step(times: Sequence[float], at: float) -> list[float]:
    return [float(time >= at) for time in times]


def _saturation(times: Sequence[float], tau: float) -> list[float]:
    return [1 - math.exp(-time / tau) for time in times]


@dataclass(frozen=True, slots=True)
class SoakAnswer:
    """What a soak alone comes to."""

    trend: LeakVerdict | None = None
    """None: it was not soaked, or too little was seen."""
    verdict: Verdict = Verdict.PASS
    """Always pass where the soak is advice."""
    inconclusive: Inconclusive | None = None


def soak_answer(image: ImageMeasurement) -> SoakAnswer:
    """The verdict on the soak of an image; a pass where there was none."""
    found = soak_verdict(image)
    if not image.leak_fails:
        return SoakAnswer(found)
    if found is None:
        unseen = SoakAnswer(None, Verdict.INCONCLUSIVE, Inconclusive.NOT_MEASURED)
        return unseen if any(_soaks(image.by_itself)) else SoakAnswer()
    if found.trend not in _VERDICTS:
        return SoakAnswer(found)
    verdict = _VERDICTS[found.trend]
    why = Inconclusive.NOISE if verdict is Verdict.INCONCLUSIVE else None
    return SoakAnswer(found, verdict, why)


_VERDICTS = {Trend.GROWTH: Verdict.FAIL, Trend.UNDECIDED: Verdict.INCONCLUSIVE}


def soak_verdict(image: ImageMeasurement) -> LeakVerdict | None:
    """What the soak of the head showed, less what base does as well; None when there was none."""
    head = list(_soaks(image.by_itself))
    return judge_soak(head, list(_soaks(image.base))) if head else None


def soak_requests(image: ImageMeasurement) -> int | None:
    """How many requests there were in a soak of the head; None where nobody counted."""
    counts = [sum(load.requests for load in trial.load if load.phase == PhaseName.SOAK) for trial in image.trials]
    return sorted(counts)[len(counts) // 2] or None if counts else None


def _soaks(side: SideMeasurement | None) -> Iterator[SoakSeries]:
    for trial in side.trials if side is not None else ():
        soak = _soak(trial)
        if soak is not None:
            yield soak


def _soak(trial: Trial) -> SoakSeries | None:
    """The trial's series while it was soaked. None: it was not."""
    phases = [phase for phase in trial.phases if phase.name == PhaseName.SOAK]
    if not phases:
        return None
    begin_us = phases[0].begin_us
    end_us = phases[-1].begin_us + 1000 * phases[-1].duration_ms
    series = trial.series
    within = [index for index, time_us in enumerate(series.time_us) if begin_us <= time_us <= end_us]
    return SoakSeries([series.time_us[index] / 1000 for index in within], [series.rss_bytes[index] for index in within])
