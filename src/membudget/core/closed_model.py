"""The base of pydantic models that membudget writes or takes in. `core/files.Stored` is that of plain dataclasses."""

from pydantic import BaseModel, ConfigDict


class ClosedModel(BaseModel):
    """A model that is immutable. Unknown keys are errors, and the docstrings of fields are their descriptions."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
