"""What verdicts are said to rest on, for tests that read a reason as people do."""

from membudget.core.untrusted_text import raw
from membudget.judge.image import ImageJudgement
from membudget.judge.metric import Row
from membudget.report.row_words import row_reason
from membudget.report.verdicts import image_reason


def reasons_of(judged: ImageJudgement) -> list[str]:
    """The reasons of an image's verdict, in words."""
    return [raw(image_reason(reason)) for reason in judged.reasons]


def reason_of(row: Row) -> str | None:
    """Why a row's verdict is what it is, in words; None where there is nothing to say."""
    return raw(row_reason(row)) or None
