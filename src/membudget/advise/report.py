"""What a fit found, as the figures of its report, and the limit that follows."""

import math
from collections.abc import Callable, Sequence

from pydantic import TypeAdapter, ValidationError

from membudget.advise.answer import SmallestLimit, Stopped, ruled_out_rate
from membudget.advise.fit import FitSubject, ImageFit, replayed
from membudget.advise.rung import Ended, Rung, Tried, rungs
from membudget.budgets.budget_tables import Headroom
from membudget.budgets.fit import FitSettings
from membudget.budgets.suggested import accepted_size, maximum_for, rounded_down, rounded_up
from membudget.judge.fitted import FittedImage, FittedRung

_FITTED = TypeAdapter(FittedImage)
_MOST_RAISES = 8
"""How often a limit is raised for a budget's headroom. More are needed only where memory grows with the limit."""
_ANY_BYTES = 1 << 50
"""More than any machine has: the largest limit that an earlier fit could try is not known."""


def image_report(
    found: ImageFit, settings: FitSettings, headroom: Headroom | None = None, scale: float = 1.0
) -> FittedImage:
    """Return the figures of one image, and the limit that follows from them.

    `headroom` is the distance that the image's budget keeps between peak RSS and limit. `scale` is how many times as
    much memory it needs in production.
    """
    answer, result = found.answer, found.result
    stopped = result if isinstance(result, Stopped) else None
    comfort = answer.comfortable if answer is not None else None
    limit = _limit(found, answer, scale * (1 + settings.headroom / 100), headroom) if answer is not None else None
    return FittedImage(
        name=found.name,
        today_bytes=found.today_bytes,
        survives_bytes=answer.survives_bytes if answer is not None else None,
        confirmed=answer.confirmed if answer is not None else 0,
        ruled_out_rate=ruled_out_rate(answer.confirmed) if answer is not None else None,
        fails_at_bytes=answer.fails_at_bytes if answer is not None else None,
        comfortable_bytes=comfort.limit_bytes if comfort is not None else None,
        costs_below=comfort.costs_below if comfort is not None else (),
        costs_are_clear=comfort is None or comfort.is_clear,
        hidden=comfort.hidden if comfort is not None else (),
        is_smallest_possible=answer is not None and answer.is_smallest_possible,
        sizes_itself=answer is not None and answer.sizes_itself,
        is_monotone=answer is None or answer.is_monotone,
        limit_bytes=limit,
        keeps_headroom=answer is None or limit is None or _keeps(headroom, found, answer, limit),
        peak_rss_max_bytes=_maximum(found, answer, limit, headroom) if answer and limit is not None else None,
        peak_rss_bytes=_steady_peak(found, answer, limit) if answer is not None and limit is not None else None,
        stopped=stopped.why if stopped is not None else None,
        stopped_by=stopped.trial.reason if stopped is not None else found.fault,
        stopped_at_bytes=stopped.trial.limit_bytes if stopped is not None else None,
        passes_at_bytes=stopped.passes_at_bytes if stopped is not None else None,
        is_unfinished=result is None,
        reused=found.reused,
        duration_ms=found.duration_ms,
        headroom_percent=settings.headroom,
        rungs=_rungs(found.trials),
        scale=scale,
    )


def kept_report(subject: FitSubject, trials: Sequence[Tried]) -> FittedImage | None:
    """Return what trials of earlier fits found out about an image. None if they do not lead to an answer.

    A stranger may have written the trials. What no fit finds is not believed.
    """
    found = replayed(subject, trials, _ANY_BYTES)
    if found is None:
        return None
    try:
        return _FITTED.validate_json(_FITTED.dump_json(_of_subject(found, subject)), strict=True)
    except ValidationError:
        return None


def image_reports(found: Sequence[ImageFit], subjects: Sequence[FitSubject]) -> tuple[FittedImage, ...]:
    """Return the figures of all images."""
    named = {subject.spec.name: subject for subject in subjects}
    return tuple(_of_subject(one, named[one.name]) for one in found)


def _of_subject(found: ImageFit, subject: FitSubject) -> FittedImage:
    return image_report(found, subject.settings, subject.headroom, subject.scale)


def _limit(found: ImageFit, answer: SmallestLimit, times: float, headroom: Headroom | None) -> int:
    """Return the limit that is so many times the fit, and as much above peak RSS as the budget asks for."""
    comfort = answer.comfortable.limit_bytes if answer.comfortable is not None else None
    needed = comfort if comfort is not None else answer.survives_bytes
    limit = wanted = rounded_up(round(needed * times))
    for _ in range(_MOST_RAISES):
        if _keeps(headroom, found, answer, wanted):
            return wanted
        wanted = rounded_up(_with_headroom(headroom, accepted_size(_peak_at(found, answer, wanted) or 0)))
    return limit  # its memory grows with the limit


def _with_headroom(headroom: Headroom | None, peak: int) -> int:
    """Return the smallest limit that keeps the headroom above a peak."""
    if headroom is None or headroom.size is not None:
        return peak + (headroom.of(0) if headroom is not None else 0)
    return math.ceil(peak / (1 - (headroom.percent or 0) / 100))


def _keeps(headroom: Headroom | None, found: ImageFit, answer: SmallestLimit, limit_bytes: int) -> bool:
    """Return whether the budget's headroom is kept at a limit, with some room for the next check."""
    peak = _peak_at(found, answer, limit_bytes)
    return headroom is None or peak is None or accepted_size(peak) + headroom.of(limit_bytes) <= limit_bytes


def _peak_at(found: ImageFit, answer: SmallestLimit, limit_bytes: int) -> int | None:
    """Return the peak RSS to expect at a limit. Memory that depends on the limit grows with it."""
    peak = _peak(found.trials, answer.survives_bytes, limit_bytes)
    return peak * limit_bytes // answer.survives_bytes if peak is not None and answer.sizes_itself else peak


def _maximum(found: ImageFit, answer: SmallestLimit, limit_bytes: int, headroom: Headroom | None) -> int | None:
    """Return a budget for peak RSS at the new limit, no larger than its headroom allows."""
    peak = _peak_at(found, answer, limit_bytes)
    if peak is None:
        return None
    free = headroom.of(limit_bytes) if headroom is not None and _keeps(headroom, found, answer, limit_bytes) else 0
    return min(maximum_for(peak), rounded_down(limit_bytes - free))


def _steady_peak(found: ImageFit, answer: SmallestLimit, limit_bytes: int) -> int | None:
    """Return the largest peak RSS, unless it depends on the limit: then a check under another one cannot compare it."""
    return None if answer.sizes_itself else _peak(found.trials, answer.survives_bytes, limit_bytes)


def _peak(trials: Sequence[Tried], least: int, most: int) -> int | None:
    """Return the largest peak RSS of the trials that passed at limits from `least` to `most`."""
    passed = [trial for trial in trials if trial.passed and trial.limit_bytes is not None]
    peaks = [trial.peak_rss_bytes for trial in passed if least <= (trial.limit_bytes or 0) <= most]
    return max((peak for peak in peaks if peak is not None), default=None)


_Figure = Callable[[Tried], float | None]


def _rungs(trials: Sequence[Tried]) -> tuple[FittedRung, ...]:
    return tuple(_rung(rung, trials) for rung in rungs(trials))


def _rung(rung: Rung, trials: Sequence[Tried]) -> FittedRung:
    def reclaim(of: _Figure) -> float | None:
        """Return the median of a figure that only trials have that reached their limit. Of the others, it is 0."""
        if rung.limit_bytes is None or all(of(trial) is None for trial in trials):
            return None  # the kernel does not say, or nothing reached its limit
        return rung.median(lambda trial: of(trial) or 0)

    return FittedRung(
        limit_bytes=rung.limit_bytes,
        trials=len(rung.trials),
        passed=rung.passes,
        killed=sum(trial.ended is Ended.KILLED for trial in rung.trials),
        reason=next((trial.reason for trial in rung.failures), None),
        peak_rss_bytes=_whole(rung.median(lambda trial: trial.peak_rss_bytes)),
        peak_memory_bytes=_whole(rung.median(lambda trial: trial.peak_memory_bytes)),
        cpu_ms=_whole(rung.median(lambda trial: trial.cpu_ms)),
        requests_per_second=rung.median(lambda trial: trial.answers.per_second if trial.answers is not None else None),
        p50_us=_whole(rung.median(lambda trial: trial.answers.p50_us if trial.answers is not None else None)),
        p95_us=_whole(rung.median(lambda trial: trial.answers.p95_us if trial.answers is not None else None)),
        p99_us=_whole(rung.median(lambda trial: trial.answers.p99_us if trial.answers is not None else None)),
        refaulted_bytes=_whole(reclaim(lambda trial: trial.refaulted_bytes)),
        stalled_ms=_whole(reclaim(lambda trial: trial.stalled_ms)),
        stalled_percent=reclaim(lambda trial: trial.stalled_percent),
    )


def _whole(value: float | None) -> int | None:
    return round(value) if value is not None else None
