"""What a judgement means for the exit code."""

from dataclasses import dataclass
from enum import StrEnum

from membudget.core.errors import ExitCode
from membudget.judge.metric import Inconclusive, Verdict
from membudget.judge.whole import Judgement


class FailOn(StrEnum):
    """From which verdict on a check fails."""

    FAIL = "fail"
    WARN = "warn"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class ExitPolicy:
    """What verdicts mean for the exit code."""

    fail_on: FailOn = FailOn.FAIL
    allows_inconclusive: bool = False
    """Whether an answer that noise leaves open passes. What was not measured never does."""

    def exit_code(self, judgement: Judgement) -> ExitCode:
        """Of a check that came to `judgement`."""
        if self.fail_on is FailOn.NEVER:
            return ExitCode.WITHIN_BUDGET
        if judgement.verdict is Verdict.INCONCLUSIVE and not self._lets_through(judgement):
            return ExitCode.UNMEASURED
        fails = judgement.verdict is Verdict.FAIL or (self.fail_on is FailOn.WARN and judgement.has_warnings)
        return ExitCode.OVER_BUDGET if fails else ExitCode.WITHIN_BUDGET

    def _lets_through(self, judgement: Judgement) -> bool:
        return self.allows_inconclusive and judgement.inconclusive is Inconclusive.NOISE
