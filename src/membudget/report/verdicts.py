"""What verdicts and outcomes are called: a sign, words, and the next step for the reader."""

from dataclasses import dataclass

from membudget.budgets.approval import Approval
from membudget.judge.image import Status
from membudget.judge.metric import Verdict
from membudget.judge.whole import Judgement


@dataclass(frozen=True, slots=True)
class Mark:
    """A sign, and the words beside it."""

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
    Status.OVER_BUDGET: Mark(SIGNS[Verdict.FAIL], "over budget"),
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
    Status.WARNING: "nothing has to be done; there is little room left for what comes next",
    Status.SOMETIMES_OVER: "find out why single trials need more; `every = true` makes each of them a failure",
    Status.OVER_BUDGET: "make it smaller, or raise its budget in budgets.toml where reviewers see it",
    Status.OOM_KILLED: "find what grew in the head, or raise the limit in budgets.toml and wherever it is deployed",
    Status.WORKLOAD_FAILED: "make the workload pass: no memory figure of a service that does not work is judged",
    Status.BUILD_FAILED: "make the head's image build: what is not built is not measured",
    Status.LEAKING: "find what the head keeps with every request; a bounded cache would level off",
    Status.SOAK_TOO_SHORT: "soak longer, or with more trials: `duration` of the requests, `trials` of the image",
    Status.INCONCLUSIVE: "run the check again, or raise `trials` in budgets.toml",
    Status.NOT_MEASURED: "run the check again; a figure that is missing is not taken for a pass",
    Status.BASE_NOT_MEASURED: "repair the image on the base branch first, or ask somebody with triage rights for the"
    " label that approves it",
}


def status_mark(status: Status) -> Mark:
    """What became of an image."""
    return _STATUS_MARKS[status]


def next_step(status: Status) -> str | None:
    """What the reader of a status does next. None: nothing."""
    return _NEXT_STEPS.get(status)


def verdict_mark(verdict: Verdict, words: str | None = None) -> Mark:
    """A verdict, by its own name or in other words."""
    return Mark(SIGNS[verdict], words or _VERDICT_WORDS[verdict])


def verdict_words(verdict: Verdict) -> str:
    """A verdict by its own name."""
    return _VERDICT_WORDS[verdict]


def neutral_mark(words: str) -> Mark:
    """What has no verdict."""
    return Mark(_NEUTRAL, words)


def approval_mark(approval: Approval) -> Mark:
    """What became of a loosened rule."""
    return _APPROVAL_MARKS[approval]


def whole_sign(judgement: Judgement) -> str:
    """Of the whole. If every open answer is open for the same reason, that reason's sign."""
    unclear = {image.status for image in judgement.images if image.verdict is Verdict.INCONCLUSIVE}
    if judgement.verdict is Verdict.INCONCLUSIVE and len(unclear) == 1:
        return status_mark(unclear.pop()).sign
    return SIGNS[judgement.verdict]
