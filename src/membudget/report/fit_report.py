"""The model of a fit's report: what `membudget fit` found out about images, as figures.

`membudget fit` and `membudget report` show it. A stranger may have written the file, so every figure has bounds.
"""

from typing import Annotated, Final, Literal

from pydantic import Field

from membudget.budgets.entries import MOST_IMAGES
from membudget.core.errors import ExitCode
from membudget.judge.fitted import FittedImage
from membudget.report.report import Environment, ReportModel

FIT_VERSION: Final = 1
"""The version of the model. No other report has the key `fit_version`, by which readers tell them apart."""


class FitReport(ReportModel):
    """What `membudget fit --format json` prints."""

    fit_version: Literal[1] = FIT_VERSION
    membudget_version: str
    environment: Environment
    """The environment of the trials. The answers hold for its kernel and its number of CPUs."""
    confirmations: Annotated[int, Field(ge=1)]
    """How many trials had to pass at the answer."""
    images: Annotated[tuple[FittedImage, ...], Field(max_length=MOST_IMAGES)]
    """In the order of the budgets file, or of the command line."""

    @property
    def exit_code(self) -> ExitCode:
        """0 if each image has an answer, else 3."""
        has_all = all(image.survives_bytes is not None for image in self.images)
        return ExitCode.WITHIN_BUDGET if has_all else ExitCode.UNMEASURED

    def total(self, of: str) -> int | None:
        """Return the sum of a size over all images. None if one of them has none."""
        sizes: list[int | None] = [getattr(image, of) for image in self.images]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None
