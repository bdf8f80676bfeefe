"""The sign that stands before a verdict or an outcome: never alone, a word is always beside it."""

from membudget.judge.image import Status
from membudget.judge.metric import Verdict
from membudget.judge.whole import Judgement

SIGNS = {Verdict.PASS: "✅", Verdict.WARN: "⚠️", Verdict.FAIL: "❌", Verdict.INCONCLUSIVE: "❓"}
STATUS_SIGNS = {
    Status.WITHIN_BUDGET: SIGNS[Verdict.PASS],
    Status.WARNING: SIGNS[Verdict.WARN],
    Status.SOMETIMES_OVER: SIGNS[Verdict.WARN],
    Status.OVER_BUDGET: SIGNS[Verdict.FAIL],
    Status.OOM_KILLED: "💥",
    Status.LEAKING: "💧",
    Status.WORKLOAD_FAILED: "🛑",
    Status.BUILD_FAILED: "🚧",
    Status.INCONCLUSIVE: SIGNS[Verdict.INCONCLUSIVE],
    Status.NOT_MEASURED: SIGNS[Verdict.INCONCLUSIVE],
    Status.BASE_NOT_MEASURED: SIGNS[Verdict.INCONCLUSIVE],
    Status.SOAK_TOO_SHORT: "⏳",
    Status.UNCHANGED: "➖",
    Status.REMOVED: "➖",
}


def sign(judgement: Judgement) -> str:
    """Of the whole. Where all that is open is open for one reason, that reason's."""
    unclear = {image.status for image in judgement.images if image.verdict is Verdict.INCONCLUSIVE}
    if judgement.verdict is Verdict.INCONCLUSIVE and len(unclear) == 1:
        return STATUS_SIGNS[unclear.pop()]
    return SIGNS[judgement.verdict]
