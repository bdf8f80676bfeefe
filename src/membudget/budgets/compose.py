"""Services around the measured one: which of the repository's compose file, and what they count to."""

from typing import Self

from pydantic import model_validator

from membudget.budgets.container import RepositoryPath
from membudget.budgets.fields import FileModel, ServiceName, not_allowed


class ComposeSettings(FileModel):
    """The image as a service of a compose file: what it depends on runs beside it, outside its limit."""

    file: RepositoryPath = "compose.yaml"
    """The compose file, from the top of the repository."""
    service: ServiceName | None = None
    """Which service is measured. Absent: the one that is called like the image."""
    sidecars: tuple[ServiceName, ...] = ()
    """Services that are measured as well, and summed with it into the pod's total."""

    @model_validator(mode="after")
    def _sidecars_are_others(self) -> Self:
        if len(set(self.sidecars)) < len(self.sidecars) or self.service in self.sidecars:
            raise not_allowed("each sidecar once, and not the measured service itself")
        return self
