"""The model of a fit's report: what `membudget fit` found out about images, as figures.

`membudget fit` and `membudget report` show it. A stranger may have written the file, so every figure has bounds.
"""

from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, Field

from membudget.budgets.entries import MOST_IMAGES
from membudget.budgets.fields import LARGEST_SIZE_BYTES
from membudget.core.errors import ExitCode
from membudget.core.sharding import Shard
from membudget.judge.fitted import FittedImage
from membudget.judge.whole import Coverage, Gap, gaps
from membudget.report.report import Environment, ReportModel

FIT_VERSION: Final = 1
"""The version of the model. No other report has the key `fit_version`, by which readers tell them apart."""


class FitReport(ReportModel):
    """What `membudget fit --format json` prints."""

    fit_version: Literal[1] = FIT_VERSION
    membudget_version: str
    started_at: AwareDatetime
    environment: Environment
    """The environment of the trials. The answers hold for its kernel and its number of CPUs."""
    confirmations: Annotated[int, Field(ge=1)]
    """How many trials had to pass at the answer."""
    at_most_bytes: Annotated[int, Field(ge=0, le=LARGEST_SIZE_BYTES)] | None = None
    """The largest limit that might be tried. None if the machine's free memory was."""
    seeks_comfort: bool = True
    """Whether the limit was looked for at which nothing is slower."""
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")] | None = None
    """The commit whose images were built. None if all images were there."""
    budgets_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """A digest of what a fit depends on in the budgets file. None if all images were there."""
    shard: Shard | None = None
    """The part of the fit. None if the report is about the whole fit."""
    coverage: Coverage = Coverage((), ())
    """The images of the budgets file and the shards that the report has to cover."""
    notes: tuple[str, ...] = ()
    """Notes about the whole fit."""
    images: Annotated[tuple[FittedImage, ...], Field(max_length=MOST_IMAGES)]
    """In the order of the budgets file, or of the command line."""

    @property
    def exit_code(self) -> ExitCode:
        """0 if each image has an answer, and none is missing. Otherwise 3."""
        has_all = all(image.survives_bytes is not None for image in self.images)
        return ExitCode.WITHIN_BUDGET if has_all and not self.gaps else ExitCode.UNMEASURED

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What the report lacks."""
        return tuple(gaps(self.coverage, [image.name for image in self.images]))

    def total(self, of: str) -> int | None:
        """Return the sum of a size over all images. None if one of them has none, or is missing."""
        sizes: list[int | None] = [getattr(image, of) for image in self.images]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) and not self.gaps else None
