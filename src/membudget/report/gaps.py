"""What is said of what a report does not cover."""

from membudget.judge.coverage import Difference, Gap, GapKind
from membudget.report.findings import Finding

NEXT_STEP = "run the check again, with all its parts; what is missing is not taken for a pass"
TITLE = "not covered"


def gap_finding(gap: Gap) -> Finding:
    """One gap, in a sentence."""
    quoted = (gap.subject, True)
    match gap.kind:
        case GapKind.IMAGE:
            return Finding((("image ", False), quoted, (" was not checked", False)), is_grave=True)
        case GapKind.TWICE:
            return Finding((("image ", False), quoted, (" was checked twice", False)), is_grave=True)
        case GapKind.SHARD:
            return Finding(((f"shard {gap.subject} is missing", False),), is_grave=True)
        case GapKind.PART:
            why = "it is no shard" if gap.differs_in is Difference.WHOLE else f"it differs in its {gap.differs_in}"
            return Finding((quoted, (f" was left out: {why}", False)), is_grave=True)
