"""Where an image runs in production, and how much more memory it needs there than in CI."""

import math
from collections.abc import Iterator
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from membudget.budgets.fields import FileModel, not_allowed
from membudget.budgets.selector import SelectorText

LARGEST_SCALE = 100
StoredScale = Annotated[float, Field(ge=1, le=LARGEST_SCALE)]
"""A scale in a report, which a stranger may have written."""


def _scale(value: object) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(number := float(str(value))) or not 1 <= number <= LARGEST_SCALE:
        raise not_allowed(f"a number from 1 to {LARGEST_SCALE}, such as 1.6")
    return number


Scale = Annotated[
    float,
    BeforeValidator(_scale),
    WithJsonSchema({"type": "number", "minimum": 1, "maximum": LARGEST_SCALE, "examples": [1.6]}),
]


class ProductionSettings(FileModel):
    """Where the image runs in production, and how much more memory it needs there than in CI."""

    selector: SelectorText | None = None
    """Label matchers that select the image's containers in Prometheus, as PromQL writes them. If absent, the containers
    that the manifests name, else those that have the image's name. `membudget fidelity production` uses them.
    """
    scale: Scale = 1.0
    """How many times as much memory the image needs in production as in CI. `membudget fit` and `membudget advise`
    multiply the need by it. Measured values and budgets do not change.
    """

    def looser_than(self, base: "ProductionSettings") -> Iterator[tuple[str, str, str]]:
        """Yield the keys that silence the warning that a limit is below the last fit, with both values in words."""
        if self.scale < base.scale:
            yield "production.scale", f"{base.scale:g}", f"{self.scale:g}"

    def guarded_by(self, base: "ProductionSettings") -> "ProductionSettings":
        """Return these settings with the larger scale: a smaller one silences the warning that a limit is too low."""
        return self.model_copy(update={"scale": max(self.scale, base.scale)})
