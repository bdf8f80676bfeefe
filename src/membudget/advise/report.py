"""What a fit found, as figures: the model of `membudget fit --format json`, which every other format shows."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from membudget.advise.answer import Answer, Cost, Stop, Stopped, ruled_out_rate
from membudget.advise.fit import ImageFit, Subject
from membudget.advise.rung import Ended, Rung, Tried, rungs
from membudget.budgets.fit import FitSettings
from membudget.budgets.suggested import maximum_for, rounded_up
from membudget.core.errors import ExitCode
from membudget.report.report import Environment


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class RungReport(_Model):
    """The trials at one limit. Figures are medians over the trials that passed."""

    limit_bytes: int | None
    """None for the trials without a limit."""
    trials: int
    passed: int
    killed: int
    """In how many trials the kernel killed a process."""
    reason: str | None
    """Why the first trial that did not pass failed."""
    peak_rss_bytes: int | None
    peak_memory_bytes: int | None
    cpu_ms: int | None
    requests_per_second: float | None
    p50_us: int | None
    p95_us: int | None
    p99_us: int | None
    refaulted_bytes: int | None
    stalled_ms: int | None


class ImageReport(_Model):
    """What was found out about one image."""

    name: str
    today_bytes: int | None
    """The limit that it has today."""
    survives_bytes: int | None
    """The smallest limit at which the workload passed every trial, and nothing was killed."""
    confirmed: int
    """How many trials passed there, one after another."""
    ruled_out_rate: float | None
    """The failure rate that they rule out with 95 % confidence, from 0 to 1."""
    fails_at_bytes: int | None
    """The largest limit below it that failed."""
    comfortable_bytes: int | None
    """The smallest limit at which the workload was also not slowed down."""
    costs_below: tuple[Cost, ...]
    """What the next smaller limit that was compared costs."""
    is_smallest_possible: bool
    sizes_itself: bool
    """Whether its memory depends on the limit."""
    is_monotone: bool
    """Whether each limit above one that works worked as well."""
    limit_bytes: int | None
    """The limit that follows, with headroom. None if there is no answer."""
    peak_rss_max_bytes: int | None
    """The budget for peak RSS that follows."""
    peak_rss_bytes: int | None
    """The largest peak RSS up to the new limit. None if it depends on the limit."""
    stopped: Stop | None
    """Why there is no answer. None if there is one, or if the fit was interrupted."""
    stopped_by: str | None
    """What the trial that shows it said, or the fault of the environment."""
    stopped_at_bytes: int | None
    """The limit of that trial. None if it had no limit."""
    passes_at_bytes: int | None
    """A lower limit at which it passes, if that is why memory cannot be the reason."""
    is_unfinished: bool
    """Whether the fit was interrupted, or the environment failed."""
    reused: int
    """How many trials are those of earlier runs."""
    duration_ms: int
    headroom_percent: float
    rungs: tuple[RungReport, ...]
    """From the smallest limit to the largest. Trials without a limit come last."""


class FitReport(_Model):
    """The model of what `membudget fit --format json` prints."""

    membudget_version: str
    environment: Environment
    confirmations: int
    """How many trials had to pass at the answer."""
    images: tuple[ImageReport, ...]

    @property
    def exit_code(self) -> ExitCode:
        """3 if an image has no answer."""
        has_all = all(image.survives_bytes is not None for image in self.images)
        return ExitCode.WITHIN_BUDGET if has_all else ExitCode.UNMEASURED

    def total(self, of: str) -> int | None:
        """Return the sum of a size over all images. None if one of them has none."""
        sizes: list[int | None] = [getattr(image, of) for image in self.images]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None


def image_report(found: ImageFit, settings: FitSettings) -> ImageReport:
    """Return the figures of one image, and the limit that follows from them."""
    answer, result = found.answer, found.result
    stopped = result if isinstance(result, Stopped) else None
    comfort = answer.comfortable if answer is not None else None
    limit = _limit(answer, settings) if answer is not None else None
    return ImageReport(
        name=found.name,
        today_bytes=found.today_bytes,
        survives_bytes=answer.survives_bytes if answer is not None else None,
        confirmed=answer.confirmed if answer is not None else 0,
        ruled_out_rate=ruled_out_rate(answer.confirmed) if answer is not None else None,
        fails_at_bytes=answer.fails_at_bytes if answer is not None else None,
        comfortable_bytes=comfort.limit_bytes if comfort is not None else None,
        costs_below=comfort.costs_below if comfort is not None else (),
        is_smallest_possible=answer is not None and answer.is_smallest_possible,
        sizes_itself=answer is not None and answer.sizes_itself,
        is_monotone=answer is None or answer.is_monotone,
        limit_bytes=limit,
        peak_rss_max_bytes=_maximum(found, answer, limit) if answer is not None and limit is not None else None,
        peak_rss_bytes=_steady_peak(found, answer, limit) if answer is not None and limit is not None else None,
        stopped=stopped.why if stopped is not None else None,
        stopped_by=stopped.trial.reason if stopped is not None else found.fault,
        stopped_at_bytes=stopped.trial.limit_bytes if stopped is not None else None,
        passes_at_bytes=stopped.passes_at_bytes if stopped is not None else None,
        is_unfinished=result is None,
        reused=found.reused,
        duration_ms=found.duration_ms,
        headroom_percent=settings.headroom,
        rungs=tuple(map(_rung, rungs(found.trials))),
    )


def image_reports(found: Sequence[ImageFit], subjects: Sequence[Subject]) -> tuple[ImageReport, ...]:
    """Return the figures of all images."""
    settings = {subject.spec.name: subject.settings for subject in subjects}
    return tuple(image_report(one, settings[one.name]) for one in found)


def _limit(answer: Answer, settings: FitSettings) -> int:
    comfort = answer.comfortable.limit_bytes if answer.comfortable is not None else None
    needed = comfort if comfort is not None else answer.survives_bytes
    return rounded_up(round(needed * (1 + settings.headroom / 100)))


def _maximum(found: ImageFit, answer: Answer, limit_bytes: int) -> int | None:
    """Return a budget for peak RSS at the new limit. Memory that depends on the limit grows with it."""
    peak = _peak(found.trials, answer.survives_bytes, limit_bytes)
    if peak is None:
        return None
    if answer.sizes_itself:
        peak = peak * limit_bytes // answer.survives_bytes
    return min(maximum_for(peak), limit_bytes)


def _steady_peak(found: ImageFit, answer: Answer, limit_bytes: int) -> int | None:
    """Return the largest peak RSS, unless it depends on the limit: then a check under another one cannot compare it."""
    return None if answer.sizes_itself else _peak(found.trials, answer.survives_bytes, limit_bytes)


def _peak(trials: Sequence[Tried], least: int, most: int) -> int | None:
    """Return the largest peak RSS of the trials that passed at limits from `least` to `most`."""
    passed = [trial for trial in trials if trial.passed and trial.limit_bytes is not None]
    peaks = [trial.peak_rss_bytes for trial in passed if least <= (trial.limit_bytes or 0) <= most]
    return max((peak for peak in peaks if peak is not None), default=None)


def _rung(rung: Rung) -> RungReport:
    return RungReport(
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
        refaulted_bytes=_whole(rung.median(lambda trial: trial.refaulted_bytes)),
        stalled_ms=_whole(rung.median(lambda trial: trial.stalled_ms)),
    )


def _whole(value: float | None) -> int | None:
    return round(value) if value is not None else None
