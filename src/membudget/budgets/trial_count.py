"""How many trials of each side are run."""

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from membudget.budgets.fields import FileModel, not_allowed

MOST_TRIALS = 100


class TrialCount(FileModel):
    """The number of trials per side, after one discarded warm-up."""

    min: Annotated[int, Field(ge=1, le=MOST_TRIALS, strict=True)] = 3
    """The smallest number of trials."""
    max: Annotated[int, Field(ge=1, le=MOST_TRIALS, strict=True)] = 10
    """The largest number of trials. Trials beyond `min` run only while the result is inconclusive."""

    @model_validator(mode="after")
    def _at_least_as_many(self) -> Self:
        if self.max < self.min:
            raise not_allowed("a max that is no less than min")
        return self


def _as_trial_count(value: object) -> object:
    """Accept a single number as both `min` and `max`."""
    if isinstance(value, dict):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_TRIALS:
        return {"min": value, "max": value}
    raise not_allowed(f"a whole number from 1 to {MOST_TRIALS}, or {{ min = 3, max = 10 }}")


TrialsField = Annotated[
    TrialCount,
    BeforeValidator(
        _as_trial_count,
        json_schema_input_type=Annotated[int, Field(ge=1, le=MOST_TRIALS)] | TrialCount,
    ),
]
"""A number such as 5, or a table with `min` and `max`."""
