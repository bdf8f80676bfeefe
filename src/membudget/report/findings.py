"""Findings: what readers should know besides the figures, about trials and about the contents of images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from membudget.core.metric_words import format_reading
from membudget.core.metrics import Metric
from membudget.core.quantities import format_size
from membudget.core.untrusted_text import Part, Quoted, in_html, in_json, in_markdown, in_plain_text
from membudget.judge.image import ImageJudgement
from membudget.judge.leak import Trend, soak_requests
from membudget.judge.measurement import ImageMeasurement
from membudget.measure.certificate import Certificate, Conclusion, OomDoubt
from membudget.measure.load import LoadResult
from membudget.measure.probe.messages import KilledProcess
from membudget.measure.trial import LimitContact, Trial
from membudget.report.at_peak import peak_look, peak_words
from membudget.report.verdicts import soak_words

_MOST_KILLED = 3
_SHARED_PAGES = "; file-backed pages that another container read first do not count towards this limit"
_DOUBTS = {
    OomDoubt.ENGINE_SAYS_KILL: "the engine reported an OOM kill, but the kernel counted none: membudget assumes one",
    OomDoubt.SIGKILLED_AT_LIMIT: "SIGKILL ended the container at its limit, but the kernel counted no OOM kill: whether"
    " there was one is unknown",
}


class FindingKind(StrEnum):
    """The subject of a finding."""

    REMARK = "remark"
    KILLED = "killed"
    THRASHING = "thrashing"
    AT_LIMIT = "at-limit"
    OOM_DOUBT = "oom-doubt"
    SPIKE_MISSED = "spike-missed"
    UNCONFIRMED = "unconfirmed"
    AT_PEAK = "at-peak"
    GREW = "grew"
    PROFILING = "profiling"
    ACCEPT = "accept"
    SIDECAR = "sidecar"
    SIDECAR_KILLED = "sidecar-killed"
    LOAD = "load"
    SOAK = "soak"
    LEAK = "leak"
    LAYER = "layer"
    HINT = "hint"
    LOOSENED = "loosened"
    GROUP_FAILED = "group-failed"
    GROUP_WARNED = "group-warned"
    EXCEPTION = "exception"
    NOISE = "noise"
    GAP = "gap"


_GRAVE = frozenset({
    FindingKind.KILLED, FindingKind.THRASHING, FindingKind.OOM_DOUBT, FindingKind.SPIKE_MISSED,
    FindingKind.SIDECAR_KILLED, FindingKind.LEAK, FindingKind.LOOSENED, FindingKind.GROUP_FAILED, FindingKind.GAP,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence, with membudget's own words and quoted text from outside."""

    parts: tuple[Part, ...]
    kind: FindingKind = FindingKind.REMARK

    @classmethod
    def of(cls, words: str) -> Self:
        """Return a remark that quotes nothing."""
        return cls((words,))

    @property
    def is_grave(self) -> bool:
        """Whether the finding belongs next to the verdict rather than in the details."""
        return self.kind in _GRAVE

    def as_markdown(self) -> str:
        """Return the sentence in Markdown, for the comment."""
        return "".join(map(in_markdown, self.parts))

    def as_text(self) -> str:
        """Return the sentence as plain text, for a terminal."""
        return "".join(map(in_plain_text, self.parts))

    def as_html(self) -> str:
        """Return the sentence in HTML, for places where GitHub does not interpret Markdown."""
        return "".join(map(in_html, self.parts))

    def as_json(self) -> list[str | list[str]]:
        """Return the sentence for the page, which inserts it as text, never as HTML."""
        return list(map(in_json, self.parts))


def findings(trials: Sequence[Trial]) -> Iterator[Finding]:
    """Yield what the trials of one side of an image showed, gravest first."""
    yield from why(trials)
    yield from circumstances(trials)


def why(trials: Sequence[Trial]) -> Iterator[Finding]:
    """Yield what explains the memory of one side of an image, gravest first: kills, the limit, the large processes."""
    yield from _killed(trials)
    contacts = [trial.at_limit for trial in trials if trial.at_limit is not None]
    if contacts:
        worst = max(contacts, key=lambda contact: (contact.is_thrashing, contact.hits or 0))
        yield Finding((limit_words(worst),), FindingKind.THRASHING if worst.is_thrashing else FindingKind.AT_LIMIT)
    yield from _doubts(trials)
    yield from _missed(trials)
    yield from _at_the_peak(trials)
    yield from _sidecars(trials)


def limit_words(contact: LimitContact) -> str:
    """Return in words what happened at the limit."""
    times = "" if contact.hits is None else " once" if contact.hits == 1 else f" {contact.hits:,} times"
    what = "thrashing at the limit" if contact.is_thrashing else "reached the limit"
    parts = [f"{what}: the kernel reclaimed memory{times}"]
    if contact.refaulted_bytes:
        parts.append(f"{format_size(contact.refaulted_bytes)} were read again")
    if contact.stalled_ms:
        parts.append(f"processes waited {contact.stalled_ms} ms for memory")
    return ", ".join(parts)


def certificate_words(certificate: Certificate) -> str:
    """Return in words how reliable a sampled peak is."""
    match certificate.conclusion:
        case Conclusion.CONFIRMED:
            return f"the kernel's mark confirms the sampled peak to {format_size(certificate.resolution_bytes)}"
        case Conclusion.SPIKE_MISSED:
            missed = format_size(certificate.missed_bytes)
            return f"sampling missed a spike: the kernel recorded {missed} more than any sample"
        case Conclusion.UNCONFIRMED:
            return "the sampled peak is not confirmed, because the kernel's mark is missing"


def circumstances(trials: Sequence[Trial]) -> Iterator[Finding]:
    """Yield the results of the load, and what of the workload ran inside the container."""
    yield from load_findings(trials)
    inside = sorted({what for trial in trials for what in trial.ran_inside})
    if inside:
        yield Finding((f"{' and '.join(inside)} ran inside the container, so their memory counts",))


def _sidecars(trials: Sequence[Trial]) -> Iterator[Finding]:
    """Yield the figures of each sidecar, from the trial in which it was largest."""
    names = dict.fromkeys(sidecar.name for trial in trials for sidecar in trial.sidecars)
    for name in names:
        uses = [sidecar for trial in trials for sidecar in trial.sidecars if sidecar.name == name]
        largest = max(uses, key=lambda use: use.peak_rss.value or 0)
        kills = sum(use.oom_kills.value or 0 for use in uses)
        words = f": peak RSS {format_reading(Metric.PEAK_RSS, largest.peak_rss)}"
        words += f", peak memory {format_reading(Metric.PEAK_MEMORY, largest.peak_memory)}"
        at_least = "at least " if any(use.oom_kills.is_lower_bound for use in uses) else ""
        killed = f", {at_least}{kills} OOM kill{'s' if kills > 1 else ''}" if kills else ""
        kind = FindingKind.SIDECAR_KILLED if kills else FindingKind.SIDECAR
        role = "init container " if largest.runs_to_end else "sidecar "
        yield Finding((role, Quoted(name), words + killed), kind)


def soak_finding(image: ImageMeasurement, judgement: ImageJudgement) -> Iterator[Finding]:
    """Yield what a soak showed, unless it decided the verdict, because the reasons then tell it."""
    if judgement.soak is not None and judgement.soak_verdict.passes:
        words = soak_words(judgement.soak, soak_requests(image))
        yield Finding((words,), FindingKind.LEAK if judgement.soak.trend is Trend.GROWTH else FindingKind.SOAK)


def load_findings(trials: Sequence[Trial]) -> Iterator[Finding]:
    """Yield the results of each group of requests, from the trial with the median throughput, with all errors."""
    loaded = [trial for trial in trials if trial.load]
    killed = any(trial.oom is not None for trial in loaded)
    for results in zip(*(trial.load for trial in loaded), strict=False):
        yield _load_finding(results, killed=killed)


def _load_finding(results: Sequence[LoadResult], *, killed: bool) -> Finding:
    """Return the finding about one group of requests. `killed` says whether a trial had OOM kills."""
    load = sorted(results, key=lambda result: result.per_second)[len(results) // 2]
    errors, resent = ([count(result) for result in results] for count in (_errors, _resent))
    figures = [f"{load.requests:,} requests", _range_words(errors, "errors"), f"{load.per_second:,.0f} a second"]
    for name, microseconds in (("p50", load.p50_us), ("p95", load.p95_us), ("p99", load.p99_us)):
        figures += [f"{name} {microseconds / 1000:.1f} ms"] if microseconds is not None else []
    figures += ["the client was the limit"] if any(result.client_was_busy for result in results) else []
    figures += [f"{load.connections_open:,} connections held open"] if load.connections_open else []
    figures += [f"{_range_words(resent, 'sent twice')} because the connection was lost"] if any(resent) else []
    unhurt = "; no request failed although processes were killed" if killed and not any((*errors, *resent)) else ""
    return Finding((Quoted(load.what), f" ({load.phase}): {', '.join(figures)}{unhurt}"), FindingKind.LOAD)


def _errors(load: LoadResult) -> int:
    return load.errors


def _resent(load: LoadResult) -> int:
    return load.resent


def _range_words(counts: Sequence[int], what: str) -> str:
    """Return a count in words. If the trials differ, return the least and the most."""
    low, high = min(counts), max(counts)
    return f"{low:,} {what}" if low == high else f"{low:,} to {high:,} {what}, depending on the trial"


def _killed(trials: Sequence[Trial]) -> Iterator[Finding]:
    oom = next((trial.oom for trial in trials if trial.oom is not None), None)
    if oom is None:
        return
    if not oom.killed:
        yield Finding(("the killed process is not named: ", Quoted(oom.reason or "unknown")), FindingKind.KILLED)
        return
    parts: list[Part] = ["the OOM killer killed "]
    for number, process in enumerate(oom.killed[:_MOST_KILLED]):
        parts += [", "] if number else []
        files = f" and {format_size(process.file_bytes)} file-backed" if process.file_bytes else ""
        parts += [Quoted(process.name), f" (pid {process.pid}, RSS {format_size(process.rss_bytes)}{files})"]
    more = len(oom.killed) - _MOST_KILLED
    limits = sorted({process.limit_bytes for process in oom.killed if process.limit_bytes is not None})
    at = f" at the limit of {' and '.join(map(format_size, limits))}" if limits else ""
    more_words = f" and {more} more" if more > 0 else ""
    more_words += f"{at}, according to the kernel's log{_SHARED_PAGES if any(map(_is_above_limit, oom.killed)) else ''}"
    yield Finding((*parts, more_words), FindingKind.KILLED)


def _is_above_limit(process: KilledProcess) -> bool:
    limit = process.limit_bytes
    return limit is not None and process.rss_bytes + process.file_bytes > limit


def _doubts(trials: Sequence[Trial]) -> Iterator[Finding]:
    """Yield each kind of contradiction once."""
    for doubt in dict.fromkeys(trial.oom_doubt for trial in trials):
        if doubt is not None:
            yield Finding((_DOUBTS[doubt],), FindingKind.OOM_DOUBT)


def _missed(trials: Sequence[Trial]) -> Iterator[Finding]:
    certificates = [trial.certificate for trial in trials if trial.certificate is not None]
    missed = [one for one in certificates if one.conclusion is Conclusion.SPIKE_MISSED]
    if missed:
        worst = max(missed, key=lambda one: one.missed_bytes)
        again = ", also in a repeated trial at a higher rate" if worst.repeated else ""
        yield Finding(
            (f"{certificate_words(worst)}{again}; the sampled peaks are lower bounds",), FindingKind.SPIKE_MISSED
        )
    elif certificates and all(one.conclusion is Conclusion.UNCONFIRMED for one in certificates):
        yield Finding((certificate_words(certificates[0]),), FindingKind.UNCONFIRMED)


def _at_the_peak(trials: Sequence[Trial]) -> Iterator[Finding]:
    look = peak_look(trials)
    is_recorded = any(trial.oom is not None and trial.oom.killed for trial in trials)
    if look is not None and (look.is_near or not is_recorded):  # the kernel's record is nearer to an OOM kill
        yield Finding(peak_words(look), FindingKind.AT_PEAK)
