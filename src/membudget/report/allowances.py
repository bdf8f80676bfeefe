"""What is said of groups, of exceptions, and of what the head's budgets file loosens."""

from collections.abc import Iterator

from membudget.analysis.metric_verdict import Verdict
from membudget.analysis.verdict import Judgement
from membudget.budgets.guard import Approval
from membudget.report.findings import Finding
from membudget.report.report import Report

LOOSENING_STATUS = {
    Approval.NOT_ASKED: "➖ loosened",
    Approval.MISSING: "❌ not approved",
    Approval.GIVEN: "✅ approved",
}


def unapproved(report: Report) -> int:
    """How many budgets are loosened that nobody approved."""
    return len(report.loosened) if report.approval is Approval.MISSING else 0


def allowances(report: Report, judgement: Judgement) -> Iterator[Finding]:
    """Sentences for the explanations, gravest first."""
    count = unapproved(report)
    if count:
        what = "1 budget is" if count == 1 else f"{count} budgets are"
        held = "which hold until somebody with triage rights sets the label "
        parts = (
            (f"{what} looser than the base's, {held}", False),
            (report.approval_label, True),
            ("; take the loosening back, or ask for the label", False),
        )
        yield Finding(parts, is_grave=True)
    for group in judgement.groups:
        for row in group.rows:
            if row.verdict is not None and row.verdict is not Verdict.PASS:
                said = (row.reason or "", row.head.value is None)
                yield Finding(
                    ((f"group {group.name}: total {row.label} ", False), said), is_grave=not row.verdict.passes
                )
    for image in judgement.images:
        for exception in image.exceptions:
            yield Finding(
                ((image.name, True), (f": {exception.ours}: ", False), (exception.quoted or "", True)),
            )


def noise(judgement: Judgement) -> Iterator[Finding]:
    """What passes because noise may explain it, and how much may hide there."""
    for image in judgement.images:
        for row in image.rows:
            if row.is_within_noise:
                yield Finding(((image.name, True), (f": {row.label} {row.reason}", False)))
