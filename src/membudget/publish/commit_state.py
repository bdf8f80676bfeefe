"""What is said of the head commit: a state, which can block a merge, and annotations of files.

Annotations are at the budget that was exceeded, at the lines of the Dockerfile that made an image grow, and at the
lines of the diff that hold more memory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from membudget.budgets.lines import KeyLines, KeyNames
from membudget.budgets.loosening import Loosening
from membudget.budgets.manifests import ManifestRule
from membudget.core.errors import ExitCode
from membudget.core.metrics import Metric
from membudget.core.untrusted_text import raw
from membudget.judge.image import ImageJudgement, Status
from membudget.judge.manifests import ManifestJudgement
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.metric import Row
from membudget.judge.whole import Gap, GroupJudgement, Judgement
from membudget.publish.pull_request import LinesOfFile, NotPosted, Posted
from membudget.report.accepting import accept_image
from membudget.report.allowances import GAPS_NEXT_STEP, allowances, gap_finding
from membudget.report.explanations import memory_is_in_trouble
from membudget.report.findings import FindingKind
from membudget.report.growth_words import grown_lines
from membudget.report.image_findings import cause_findings, changed_layers, size_is_in_trouble
from membudget.report.manifest_words import LABELS, fault_words, finding_words
from membudget.report.report import JudgedReport
from membudget.report.row_words import row_label, row_sentence
from membudget.report.verdicts import image_reason, next_step, status_mark


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotation and its place."""

    title: str
    message: str
    """The text, on one line. It may quote strangers."""
    place: LinesOfFile | None = None
    """None if the annotation belongs to no particular line."""


def annotations(result: JudgedReport, lines: KeyLines | None = None) -> list[Annotation]:
    """Return annotations for everything that failed, most severe first.

    They are at lines of the budgets file if `lines` has these.

    Servers show only a limited number. So the result of each image comes first, then the single budgets.
    """
    measured = result.measured
    whole = [_of_image(image, result, lines) for image in result.judgement.images if not image.verdict.passes]
    places = {one.place for one in whole}
    rows = [one for one in _of_rows(result.judgement, lines) if one.place not in places]
    dockerfiles = [
        remark
        for image in result.judgement.images
        if not image.verdict.passes and size_is_in_trouble(image)
        for remark in _of_dockerfile(measured[image.name])
    ]
    grown = [
        remark
        for image in result.judgement.images
        if not image.verdict.passes and memory_is_in_trouble(image)
        for remark in _of_code(measured[image.name], image)
    ]
    missing = [_of_gap(gap, lines) for gap in result.judgement.gaps]
    missing += _of_manifests(result.judgement.manifests)
    return [*whole, *missing, *_of_allowances(result, lines), *grown, *dockerfiles, *rows]


def _of_image(image: ImageJudgement, result: JudgedReport, lines: KeyLines | None) -> Annotation:
    reasons = "; ".join(raw(image_reason(reason)) for reason in image.reasons) or status_mark(image.status).words
    step = next_step(image.status, image.rows)
    found = accept_image(result.measured[image.name], image, result.report, is_above_exceptions=False)
    accepting = (one.as_text() for one in found)
    message = "; ".join([f"{reasons}. Next: {step}" if step else reasons, *accepting])
    broken = next((row for row in image.all_rows if row.verdict is not None and not row.verdict.passes), None)
    keys: tuple[KeyNames, ...] = _keys_of_row(image.name, broken, lines) if broken is not None else ()
    if image.status is Status.LEAKING:
        keys = (("images", image.name, "leak"), ("defaults", "leak"))
    return Annotation(
        f"{image.name}: {status_mark(image.status).words}", message, _place(lines, (*keys, ("images", image.name)))
    )


def _of_gap(gap: Gap, lines: KeyLines | None) -> Annotation:
    place = _place(lines, (("images", gap.image),)) if gap.image is not None else None
    return Annotation("not covered", f"{gap_finding(gap).as_text()}. Next: {GAPS_NEXT_STEP}", place)


def _of_manifests(manifests: ManifestJudgement) -> Iterator[Annotation]:
    """Yield what is wrong with manifests, at their own lines."""
    for finding in manifests.findings:
        if not finding.verdict.passes:
            is_file = finding.rule is not ManifestRule.NO_CONTAINER
            place = LinesOfFile(finding.place.path, finding.place.line, finding.place.line) if is_file else None
            yield Annotation(f"{finding.workload}: {LABELS[finding.rule]}", raw(finding_words(finding)), place)
    for fault in manifests.faults:
        place = LinesOfFile(fault.place.path, fault.place.line, fault.place.line)
        yield Annotation("manifest not read", raw(fault_words(fault)), place)


def _of_rows(judgement: Judgement, lines: KeyLines | None) -> Iterator[Annotation]:
    """Yield each exceeded budget at its own line, if that is known."""
    for image in judgement.images:
        for row in image.all_rows:
            place = _place(lines, _keys_of_row(image.name, row, lines))
            if row.verdict is not None and not row.verdict.passes and place is not None:
                yield Annotation(f"{image.name}: {row_label(row)}", raw(row_sentence(row)), place)


def _of_allowances(result: JudgedReport, lines: KeyLines | None) -> Iterator[Annotation]:
    looser = result.report.looser
    loosened = [_place(lines, _keys_of_loosening(one)) for one in looser.unapproved]
    places = loosened[:1]
    for group in result.judgement.groups:
        broken = [row for row in group.rows if row.verdict is not None and not row.verdict.passes]
        places += [_place(lines, _keys_of_group(group, row)) for row in broken]
    placed = (FindingKind.LOOSENED, FindingKind.GROUP_FAILED)
    grave = [finding for finding in allowances(result.judgement, looser) if finding.kind in placed]
    for finding, place in zip(grave, places, strict=True):
        yield Annotation("budgets.toml", finding.as_text(), place)
    for loosening, place in zip(looser.unapproved[1:], loosened[1:], strict=True):
        if place is not None:
            change = f"{loosening.key}: {loosening.before} → {loosening.after}, which nobody approved"
            yield Annotation(f"{loosening.subject}: loosened", change, place)


def _of_dockerfile(image: ImageMeasurement) -> Iterator[Annotation]:
    """Yield what the Dockerfile's lines added to the image, at these lines."""
    for change, finding in zip(changed_layers(image), cause_findings(image), strict=True):
        if image.dockerfile is not None and change.dockerfile_lines is not None and change.delta_bytes > 0:
            place = LinesOfFile(image.dockerfile, *change.dockerfile_lines)
            yield Annotation(f"{image.name}: image size", finding.as_text(), place)


def _of_code(image: ImageMeasurement, judged: ImageJudgement) -> Iterator[Annotation]:
    """Yield what the code at lines of the diff holds more than before."""
    for source, finding in grown_lines(image, judged):
        yield Annotation(f"{image.name}: memory", finding.as_text(), LinesOfFile(source.path, source.line, source.line))


def _place(lines: KeyLines | None, candidates: tuple[KeyNames, ...]) -> LinesOfFile | None:
    line = lines.first_of(candidates) if lines is not None else None
    return LinesOfFile(lines.path, line, line) if lines is not None and line is not None else None


def _keys_of_row(name: str, row: Row, lines: KeyLines | None) -> tuple[KeyNames, ...]:
    """Return where the budget of a row may be written, nearest first."""
    image: KeyNames = ("images", name)
    if row.phase is not None:
        return (*image, "phases", row.phase, row.metric), (*image, "phases", row.phase), image
    own = (*image, "budgets", row.metric)
    if row.metric is Metric.OOM_KILLS:
        return own, (*image, "limit"), ("defaults", "limit"), image
    in_group = ("budgets", row.metric)
    if lines is not None and any(keys[0] == "groups" and keys[2:] == in_group for keys in lines.lines):
        # A group's budget overrides the defaults', but the lines do not say which group contains the image.
        return own, image
    return own, ("defaults", *in_group), image


def _keys_of_group(group: GroupJudgement, row: Row) -> tuple[KeyNames, ...]:
    table: KeyNames = ("groups", group.name)
    return (*table, "total", row.metric), (*table, "total"), table


def _keys_of_loosening(loosening: Loosening) -> tuple[KeyNames, ...]:
    table: KeyNames = ("groups" if loosening.is_group else "images", loosening.subject)
    keys = (*table, *loosening.key.split("."))
    return tuple(keys[:length] for length in range(len(keys), 1, -1))


class StatusMode(StrEnum):
    """The kind of state to set on the head commit."""

    NONE = "none"
    """No state: only the job's own check."""
    STATUS = "status"
    """A commit status: a state and one line."""
    CHECK = "check"
    """A check run: the whole report, with annotations."""


class StateName(StrEnum):
    """The states of a commit that every server has."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class CommitState:
    """The state to set on the commit."""

    state: StateName
    title: str
    """One line. It may contain names from strangers."""
    summary: str = ""
    """The report as Markdown, for servers that can show it."""
    annotations: Sequence[Annotation] = ()


PENDING = CommitState(StateName.PENDING, "measuring")
NO_VERDICT = CommitState(StateName.ERROR, "membudget ended without a verdict: see the job's log")


def state_of(code: ExitCode) -> StateName:
    """Return what an exit code means for a merge. Only a pass passes."""
    match code:
        case ExitCode.WITHIN_BUDGET:
            return StateName.SUCCESS
        case ExitCode.OVER_BUDGET:
            return StateName.FAILURE
        case _:
            return StateName.ERROR


class CommitStates(Protocol):
    """Sets the state of one commit."""

    def tell(self, state: CommitState) -> Posted | NotPosted:
        """Set the commit's state. The newest one of a name counts. Never raises errors of the server."""
