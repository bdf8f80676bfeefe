"""Requests with larger bodies: what tells whether a service holds whole bodies in memory."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from membudget.budgets.fields import FileModel, HttpPath, SizeBytes
from membudget.budgets.workload import HttpWorkload
from membudget.budgets.workload_parts import LARGEST_BODY_BYTES, HttpRequests

MOST_LARGER = 20


class LargerRequest(FileModel):
    """What a request is replaced with in the trials with larger bodies: another `path`, `body_size` or both."""

    path: HttpPath | None = None
    """Path and query whose response is larger. If absent, the path stays."""
    body_size: SizeBytes | None = None
    """Size of a random body to send instead of the request's own `body_size`, which must be smaller."""

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.path is None and self.body_size is None:
            raise PydanticCustomError("larger", "path, body_size or both", {"found": "neither"})
        if self.body_size is not None and self.body_size > LARGEST_BODY_BYTES:
            raise PydanticCustomError("body_size", "a body of 256MiB or less", {"found": "body_size"})
        return self


LargerRequests = Annotated[dict[HttpPath, LargerRequest], Field(max_length=MOST_LARGER)]
"""The larger requests, by the path of the workload's own."""


def with_larger_bodies(workload: HttpWorkload, larger: Mapping[str, LargerRequest]) -> HttpWorkload:
    """Return the workload with the larger requests. Requests that `larger` does not name stay as they are."""
    groups = tuple(_larger(group, larger.get(group.path)) for group in workload.requests)
    return workload.model_copy(update={"requests": groups})


def _larger(group: HttpRequests, larger: LargerRequest | None) -> HttpRequests:
    if larger is None:
        return group
    return group.model_copy(
        update={"path": larger.path or group.path, "body_size": larger.body_size or group.body_size}
    )
