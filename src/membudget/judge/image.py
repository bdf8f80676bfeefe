"""What became of an image, in a word, and what its reader does next."""

from enum import StrEnum


class Status(StrEnum):
    """What became of an image; each asks the reader for something else."""

    WITHIN_BUDGET = "within budget"
    OVER_BUDGET = "over budget"
    OOM_KILLED = "OOM-killed"
    WORKLOAD_FAILED = "workload failed"
    BUILD_FAILED = "build failed"
    LEAKING = "leaking"
    SOAK_TOO_SHORT = "soak too short"
    INCONCLUSIVE = "inconclusive"
    """It was measured, and noise or a missed spike leaves the answer open."""
    NOT_MEASURED = "not measured"
    BASE_NOT_MEASURED = "base not measured"
    """The base's own image does not build or work, so that nobody knows what the head grew by."""
    REMOVED = "removed"
    UNCHANGED = "unchanged"
    WARNING = "near its budget"
    SOMETIMES_OVER = "sometimes over budget"
    """Its median is within the maximum, and single trials are not."""


NEXT_STEPS: dict[Status, str | None] = {
    Status.WITHIN_BUDGET: None,
    Status.REMOVED: None,
    Status.UNCHANGED: None,
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
