"""The soak of an image: from the series of its trials to the verdict on growth without end."""

from collections.abc import Iterator
from dataclasses import dataclass

from membudget.core.quantities import format_duration, format_size, format_size_delta
from membudget.judge.leak import LeakVerdict, SoakSeries, Trend, judge_soak
from membudget.judge.measurement import ImageMeasurement, SideMeasurement
from membudget.judge.metric import Inconclusive, Verdict
from membudget.measure.trial import PhaseName, Trial


@dataclass(frozen=True, slots=True)
class SoakAnswer:
    """What a soak alone comes to."""

    trend: LeakVerdict | None = None
    """None: it was not soaked, or too little was seen."""
    verdict: Verdict = Verdict.PASS
    """Always pass where the soak is advice."""
    inconclusive: Inconclusive | None = None
    words: str = ""
    """Why it does not pass."""


def soak_answer(image: ImageMeasurement) -> SoakAnswer:
    """The verdict on the soak of an image; a pass where there was none."""
    found = soak_verdict(image)
    if not image.leak_fails:
        return SoakAnswer(found)
    if found is None:
        unseen = SoakAnswer(None, Verdict.INCONCLUSIVE, Inconclusive.NOT_MEASURED, "too little of its soak was sampled")
        return unseen if any(_soaks(image.by_itself)) else SoakAnswer()
    if found.trend not in _VERDICTS:
        return SoakAnswer(found)
    verdict = _VERDICTS[found.trend]
    why = Inconclusive.NOISE if verdict is Verdict.INCONCLUSIVE else None
    return SoakAnswer(found, verdict, why, soak_words(found, soak_requests(image)))


_VERDICTS = {Trend.GROWTH: Verdict.FAIL, Trend.UNDECIDED: Verdict.INCONCLUSIVE}


def soak_verdict(image: ImageMeasurement) -> LeakVerdict | None:
    """What the soak of the head showed, less what base does as well; None when there was none."""
    head = list(_soaks(image.by_itself))
    return judge_soak(head, list(_soaks(image.base))) if head else None


def soak_words(verdict: LeakVerdict, requests: int | None) -> str:
    """For people. `requests`: how many there were in a soak, where that is known."""
    over = f"over a soak of {format_duration(verdict.soak_ms)}{', less that of base' if verdict.is_paired else ''}"
    rate = (
        f"{format_size_delta(round(verdict.bytes_per_minute))} a minute"
        f" ({format_size_delta(round(verdict.low))} to {format_size_delta(round(verdict.high))})"
    )
    match verdict.trend:
        case Trend.GROWTH:
            each = round(1000 * verdict.growth_bytes / requests) if requests else None
            by_request = f", {format_size(each)} in 1,000 requests" if each is not None else ""
            return f"growth without end: {rate}{by_request}, {over}"
        case Trend.PLATEAU:
            return f"no growth without end: memory reached a plateau, {over}"
        case Trend.NOISE:
            return f"no growth without end: {rate} is noise, {over}"
        case Trend.UNDECIDED:
            return f"growth that noise or a slow plateau explain as well: {rate}, {over}; a longer soak would tell"


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
