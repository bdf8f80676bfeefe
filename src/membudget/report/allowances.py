"""Findings about groups, exceptions, and what the head's budgets file loosens."""

from collections.abc import Iterable, Iterator

from membudget.budgets.loosening import Approval
from membudget.core.definition import Better
from membudget.core.untrusted_text import Parts, Quoted
from membudget.judge.measurement import FailureStage, ImageMeasurement
from membudget.judge.metric import Row, Verdict
from membudget.judge.rows import Allowed, ExceptionUse
from membudget.judge.whole import Gap, GapKind, GroupJudgement, Judgement, PartDifference
from membudget.report.findings import Finding, FindingKind
from membudget.report.report import LooserRules
from membudget.report.row_words import bound_in_words, row_label, row_reason, row_sentence

_USES = {ExceptionUse.IN_USE: "", ExceptionUse.NOT_NEEDED: " (not needed now)"}
_EXCEEDED = {Better.LESS: " (and is more)", Better.MORE: " (and is less)"}


def allowances(judgement: Judgement, looser: LooserRules) -> Iterator[Finding]:
    """Yield the findings for the explanations, gravest first."""
    if looser.unapproved:
        said, asked = loosened_finding(looser), approval_step(looser)
        yield Finding((*said.parts, "; ", *asked.parts), FindingKind.LOOSENED)
    for group in judgement.groups:
        yield from (finding for _, finding in group_findings(group))
    yield from exception_findings(judgement)


def loosened_finding(looser: LooserRules) -> Finding:
    """Return a finding with the number of rules loosened without approval."""
    count = len(looser.unapproved)
    what = "1 rule is" if count == 1 else f"{count} rules are"
    said = f"{what} looser than in the base; the base's rules count until somebody approves the change"
    return Finding((said,), FindingKind.LOOSENED)


def approval_step(looser: LooserRules) -> Finding:
    """Return the next step for loosened rules."""
    return label_request("undo this change", looser)


def label_request(otherwise: str, looser: LooserRules) -> Finding:
    """Return a next step: `otherwise`, or ask someone to set the label."""
    asked = f"{otherwise}, or ask somebody with triage rights for the label "
    if looser.approval is Approval.STALE:
        asked = f"{otherwise}, or ask somebody with triage rights to review it again and add the label again:  "
    return Finding((asked, Quoted(looser.label)))


def failures_with_base_settings(images: Iterable[ImageMeasurement], looser: LooserRules) -> Iterator[Finding]:
    """Yield a finding for each head that fails with the base's settings, which count until the change is approved."""
    for image in images:
        waits = image.settings_of_base and (image.own is None or not image.own.counts)
        if waits and image.failure is not None and image.failure.stage is FailureStage.WORKLOAD:
            step = label_request("it does not run with the base's settings → make it run with them", looser)
            yield Finding((Quoted(image.name), ": ", *step.parts))


def group_findings(group: GroupJudgement) -> Iterator[tuple[Row, Finding]]:
    """Yield the rows of a group that do not pass, and why."""
    for row in group.rows:
        if row.verdict is not None and row.verdict is not Verdict.PASS:
            said = row_sentence(row, f"total {row_label(row)}")
            kind = FindingKind.GROUP_WARNED if row.verdict.passes else FindingKind.GROUP_FAILED
            yield row, Finding(("group ", Quoted(group.name), ": ", *said), kind)


def exception_findings(judgement: Judgement) -> Iterator[Finding]:
    """Yield the exceptions in force."""
    for image in judgement.images:
        for exception in image.exceptions:
            yield Finding((Quoted(image.name), ": ", *_allowed(exception)), FindingKind.EXCEPTION)


def _allowed(exception: Allowed) -> Parts:
    """Return in words what an exception allows, until when, and why."""
    row, given = exception.row, exception.exception
    soon = ", which is soon" if given.ends_soon else ""
    allowed = bound_in_words(row.metric, given.allow)
    said = f"an exception allows {row_label(row)} {allowed} until {given.until.isoformat()}{soon}"
    quoted = f"{given.reason} ({given.issue})" if given.issue else given.reason
    use = _USES.get(exception.use, _EXCEEDED[row.metric.definition.better])
    return (f"{said}{use}: ", Quoted(quoted))


def noise(judgement: Judgement) -> Iterator[Finding]:
    """Yield the rows that pass because noise may explain the growth, with the largest growth that may be hidden."""
    for image in judgement.images:
        for row in image.all_rows:
            if row.is_within_noise:
                yield Finding((Quoted(image.name), f": {row_label(row)} ", *row_reason(row)), FindingKind.NOISE)


_DIFFERENCES = {
    PartDifference.WHOLE: "it is not a shard",
    PartDifference.HEAD: "it differs in its head commit",
    PartDifference.BASE: "it differs in its base commit",
    PartDifference.VERSION: "it differs in its version of membudget",
    PartDifference.BUDGETS: "it differs in its budgets",
    PartDifference.APPROVAL: "it differs in its approval of looser budgets",
    PartDifference.SHARDS: "it differs in its number of shards",
    PartDifference.OPTIONS: "it differs in its options",
}
GAPS_NEXT_STEP = "run the check again, with all its parts; a missing part is never a pass"
GAPS_TITLE = "not covered"


def gap_finding(gap: Gap, done: str = "checked") -> Finding:
    """Return a gap as a finding. `done` says what an image was not: "checked" or "fitted"."""
    quoted = Quoted(gap.subject)
    match gap.kind:
        case GapKind.IMAGE:
            return Finding(("image ", quoted, f" was not {done}"), FindingKind.GAP)
        case GapKind.TWICE:
            return Finding(("image ", quoted, f" was {done} twice"), FindingKind.GAP)
        case GapKind.SHARD:
            return Finding((f"shard {gap.subject} is missing",), FindingKind.GAP)
        case GapKind.PART:
            why = _DIFFERENCES[gap.differs_in or PartDifference.WHOLE]
            return Finding((quoted, f" was left out: {why}"), FindingKind.GAP)
