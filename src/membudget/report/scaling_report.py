"""The model of what `membudget fidelity scaling` prints: how the memory of images grows, as figures.

Nothing reads it yet but people's own programs. So it has bounds where its parts have them, and a version.
"""

from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, Field

from membudget.budgets.entries import MOST_IMAGES
from membudget.core.errors import ExitCode
from membudget.judge.scaled import ScaledImage
from membudget.report.report import Environment, ReportModel

SCALING_VERSION: Final = 1
"""The version of the model."""


class ScalingReport(ReportModel):
    """What `membudget fidelity scaling --format json` prints."""

    scaling_version: Literal[1] = SCALING_VERSION
    membudget_version: str
    started_at: AwareDatetime
    environment: Environment
    """The environment of the trials. The growth holds for its kernel and its kind of CPU."""
    trials: Annotated[int, Field(ge=1)]
    """The number of trials in each place."""
    cpus_left_out: tuple[int, ...] = ()
    """The numbers of CPUs that are measured by default, and that this machine does not have."""
    cpus: int | None = None
    """The CPUs that the service sees in production. None if nobody asked."""
    connections: int | None = None
    """The connections that it has at once in production."""
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")] | None = None
    """The commit whose images were built. None if all images were there."""
    images: Annotated[tuple[ScaledImage, ...], Field(max_length=MOST_IMAGES)]
    """In the order of the budgets file, or of the command line. Those that do not build come last."""

    @property
    def exit_code(self) -> ExitCode:
        """0 if each image has what was asked for: its growth, and the size in production. Otherwise 3."""
        is_asked = self.cpus is not None or self.connections is not None
        is_whole = all(image.halted is None and not (is_asked and image.no_size) for image in self.images)
        return ExitCode.WITHIN_BUDGET if is_whole else ExitCode.UNMEASURED
