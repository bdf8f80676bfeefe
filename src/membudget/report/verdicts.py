"""Verdicts and their reasons in words: a sign, a name, why, and the next step for the reader."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from membudget.budgets.loosening import Approval
from membudget.core.definition import Better
from membudget.core.metric_words import format_reading
from membudget.core.metrics import Metric
from membudget.core.quantities import format_duration, format_scale, format_size, format_size_delta
from membudget.core.untrusted_text import Parts, Quoted
from membudget.judge.fit import FitFault, LimitTooHigh, LimitTooLow, PeakMoved
from membudget.judge.image import (
    BaseFailed,
    ImageReason,
    Killed,
    NotThere,
    OffItsFit,
    OfRow,
    Soaked,
    StageFailed,
    Status,
)
from membudget.judge.leak import LeakVerdict, Trend
from membudget.judge.metric import Row, Verdict
from membudget.judge.whole import Judgement
from membudget.report.row_words import row_label, row_sentence


@dataclass(frozen=True, slots=True)
class Mark:
    """A sign with words."""

    sign: str
    words: str

    def __str__(self) -> str:
        return f"{self.sign} {self.words}"


SIGNS = {Verdict.PASS: "✅", Verdict.WARN: "⚠️", Verdict.FAIL: "❌", Verdict.INCONCLUSIVE: "❓"}
_NEUTRAL = "➖"
_VERDICT_WORDS = {
    Verdict.PASS: "pass",
    Verdict.WARN: "warn",
    Verdict.FAIL: "fail",
    Verdict.INCONCLUSIVE: "inconclusive",
}
_STATUS_MARKS = {
    Status.WITHIN_BUDGET: Mark(SIGNS[Verdict.PASS], "within budget"),
    Status.WARNING: Mark(SIGNS[Verdict.WARN], "near its budget"),
    Status.SOMETIMES_OVER: Mark(SIGNS[Verdict.WARN], "sometimes over budget"),
    Status.OFF_ITS_FIT: Mark(SIGNS[Verdict.WARN], "limit does not match its fit"),
    Status.SOMETIMES_UNDER: Mark(SIGNS[Verdict.WARN], "sometimes under budget"),
    Status.OVER_BUDGET: Mark(SIGNS[Verdict.FAIL], "over budget"),
    Status.UNDER_BUDGET: Mark(SIGNS[Verdict.FAIL], "under budget"),
    Status.OOM_KILLED: Mark("💥", "OOM-killed"),
    Status.LEAKING: Mark("💧", "leaking"),
    Status.WORKLOAD_FAILED: Mark("🛑", "workload failed"),
    Status.BUILD_FAILED: Mark("🚧", "build failed"),
    Status.INCONCLUSIVE: Mark(SIGNS[Verdict.INCONCLUSIVE], "inconclusive"),
    Status.NOT_MEASURED: Mark(SIGNS[Verdict.INCONCLUSIVE], "not measured"),
    Status.BASE_NOT_MEASURED: Mark(SIGNS[Verdict.INCONCLUSIVE], "base not measured"),
    Status.SOAK_TOO_SHORT: Mark("⏳", "soak too short"),
    Status.UNCHANGED: Mark(_NEUTRAL, "unchanged"),
    Status.REMOVED: Mark(_NEUTRAL, "removed"),
}
_APPROVAL_MARKS = {
    Approval.NOT_ASKED: Mark(_NEUTRAL, "loosened"),
    Approval.MISSING: Mark(SIGNS[Verdict.FAIL], "not approved"),
    Approval.STALE: Mark(SIGNS[Verdict.FAIL], "changed since it was approved"),
    Approval.GIVEN: Mark(SIGNS[Verdict.PASS], "approved"),
}
_NEXT_STEPS = {
    Status.WARNING: "the check passes, but little of the budget is left",
    Status.OFF_ITS_FIT: "run `membudget fit --write` again, and commit what it writes",
    Status.OOM_KILLED: "find what uses more memory in the head, or raise the limit in budgets.toml and in your"
    " deployment",
    Status.WORKLOAD_FAILED: "make the workload pass; the memory of a failed workload is not judged",
    Status.BUILD_FAILED: "fix the build of the image in the head, then push again",
    Status.LEAKING: "find what the head keeps in memory after each request; a cache needs a size limit",
    Status.SOAK_TOO_SHORT: "make the soak longer (`duration` of the requests), or set more `trials`",
    Status.INCONCLUSIVE: "run the check again, or raise `trials` in budgets.toml",
    Status.NOT_MEASURED: "remove the cause, then run the check again; a missing figure is never a pass",
    Status.BASE_NOT_MEASURED: "fix the image on the base branch first, or ask somebody with triage rights for the"
    " label that approves it",
}


def status_mark(status: Status) -> Mark:
    """Return the mark of an image's status."""
    return _STATUS_MARKS[status]


def next_step(status: Status, rows: Iterable[Row] = ()) -> str | None:
    """Return the next step for readers. None if there is nothing to do.

    `rows` are those of all images with this status. Which of their metrics are over budget decides what has to change.
    """
    match status:
        case Status.OVER_BUDGET | Status.UNDER_BUDGET:
            return f"{_Broken.of(rows, Verdict.FAIL).improved}, or accept it in budgets.toml"
        case Status.SOMETIMES_OVER | Status.SOMETIMES_UNDER:
            worse = _Broken.of(rows, Verdict.WARN).worse
            return f"find out why single trials {worse}; with `every = true`, one such trial fails the check"
    return _NEXT_STEPS.get(status)


@dataclass(frozen=True, slots=True)
class _Broken:
    """Which kinds of budgets are broken."""

    memory: bool
    time: bool
    rate: bool

    @classmethod
    def of(cls, rows: Iterable[Row], verdict: Verdict) -> Self:
        """Return the kinds of the rows with a verdict. Memory if there is none."""
        metrics = {row.metric for row in rows if row.verdict is verdict}
        rates = {metric for metric in metrics if metric.definition.better is Better.MORE}
        # a process that waits for memory is not slow: it lacks memory
        times = {metric for metric in metrics if metric.definition.unit.is_time} - {Metric.MEMORY_PRESSURE}
        return cls(bool(metrics - rates - times) or not metrics, bool(times), bool(rates))

    @property
    def improved(self) -> str:
        """How to keep the budgets: "make it smaller and faster, raise its throughput"."""
        adjectives = [word for word, is_it in (("smaller", self.memory), ("faster", self.time)) if is_it]
        parts = [f"make it {' and '.join(adjectives)}"] if adjectives else []
        return ", ".join([*parts, "raise its throughput"] if self.rate else parts)

    @property
    def worse(self) -> str:
        """What a trial does that breaks the budgets: "need more memory or take longer"."""
        words = (("need more memory", self.memory), ("take longer", self.time), ("have less throughput", self.rate))
        return " or ".join(word for word, is_it in words if is_it)


def verdict_mark(verdict: Verdict, words: str | None = None) -> Mark:
    """Return the mark of a verdict, with its own name or with other words."""
    return Mark(SIGNS[verdict], words or _VERDICT_WORDS[verdict])


def verdict_words(verdict: Verdict) -> str:
    """Return the name of a verdict."""
    return _VERDICT_WORDS[verdict]


def neutral_mark(words: str) -> Mark:
    """Return a mark without a verdict."""
    return Mark(_NEUTRAL, words)


def approval_mark(approval: Approval) -> Mark:
    """Return the mark of a loosened rule."""
    return _APPROVAL_MARKS[approval]


def whole_sign(judgement: Judgement) -> str:
    """Return the sign of the whole check. If all inconclusive images have the same status, it is that status's sign."""
    unclear = {image.status for image in judgement.images if image.verdict is Verdict.INCONCLUSIVE}
    if judgement.verdict is Verdict.INCONCLUSIVE and len(unclear) == 1:
        return status_mark(unclear.pop()).sign
    return SIGNS[judgement.verdict]


_NOT_THERE = {
    NotThere.REMOVED: "it is not in the head's budgets file any more",
    NotThere.HEAD_NOT_MEASURED: "its head was not measured",
}


def image_reason(reason: ImageReason) -> Parts:  # noqa: PLR0911 - one for each kind
    """Return a reason for an image's verdict in words."""
    match reason:
        case OfRow(row):
            return row_sentence(row)
        case Killed(value, limit_bytes, in_sidecar):
            kills = f"{format_reading(Metric.OOM_KILLS, value)} process{'es' if value.value != 1 else ''}"
            where = "in a sidecar" if in_sidecar else f"at the limit of {format_size(limit_bytes)}"
            return (f"the kernel killed {kills} {where}",)
        case StageFailed(failure, status_says_it):
            return (
                (Quoted(failure.reason),)
                if status_says_it
                else (f"the {failure.stage} failed: ", Quoted(failure.reason))
            )
        case BaseFailed(failure, rows):
            labels = ", ".join(map(row_label, rows))
            said = f"in the base, the {failure.stage} failed, so the growth of {labels} is unknown: "
            return (said, Quoted(failure.reason))
        case Soaked(verdict, requests):
            said = soak_words(verdict, requests) if verdict is not None else "its soak has too few samples"
            return (said,)
        case OffItsFit(fault):
            return (_fit_words(fault),)
        case NotThere():
            return (_NOT_THERE[reason],)


def _fit_words(fault: FitFault) -> str:
    match fault:
        case LimitTooLow(limit, least, survives, scale):
            wanted = f"with headroom, it should be at least {format_size(least)}"
            need = f"the {format_size(survives)}{format_scale(scale)} that the image needs"
            return f"its limit of {format_size(limit)} is too close to {need}; {wanted}"
        case LimitTooHigh(limit, most, needed, scale):
            wanted = f"it should be at most {format_size(most)}"
            need = f"the {format_size(needed)}{format_scale(scale)} that the image needs"
            return f"its limit of {format_size(limit)} is far above {need}; {wanted}"
        case PeakMoved(peak, fitted):
            moved = f"from {format_size(fitted)} to {format_size(peak)}"
            return f"its peak RSS has changed {moved} since the last fit"


def soak_words(verdict: LeakVerdict, requests: int | None) -> str:
    """Return in words what a soak showed. `requests` is the number of requests in a soak, if known."""
    over = f"over a soak of {format_duration(verdict.soak_ms)}{', less that of base' if verdict.is_paired else ''}"
    margin = f"± {format_size(round((verdict.high - verdict.low) / 2))} a minute"
    rate = (
        f"{format_size_delta(round(verdict.bytes_per_minute))} a minute"
        f" ({format_size_delta(round(verdict.low))} to {format_size_delta(round(verdict.high))})"
    )
    may_be_none = verdict.low <= 0 <= verdict.high
    match verdict.trend:
        case Trend.GROWTH:
            each = round(1000 * verdict.growth_bytes / requests) if requests else None
            by_request = f", {format_size(each)} in 1,000 requests" if each is not None else ""
            return f"growth without end: {rate}{by_request}, {over}"
        case Trend.PLATEAU:
            return f"no growth without end: memory reached a plateau, {over}"
        case Trend.NOISE if may_be_none:
            return f"no growth without end: none found ({margin}), {over}"
        case Trend.NOISE:
            return f"no growth without end: {rate} is noise, {over}"
        case Trend.UNDECIDED if may_be_none:
            return f"growth: none found ({margin}), but the interval is too wide, {over}; make the soak longer"
        case Trend.UNDECIDED:
            return f"growth, but noise or a slow plateau may be the reason: {rate}, {over}; make the soak longer"
