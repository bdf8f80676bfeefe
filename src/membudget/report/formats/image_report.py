"""What `membudget inspect --json` and `membudget diff --json` print."""

from pydantic import BaseModel, ConfigDict

from membudget.contents.diff import ImageDiff
from membudget.contents.summary import ImageSummary
from membudget.core.metrics import Metric, MetricValue


class InspectReport(BaseModel):
    """One image."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    image: str
    """As it was asked for."""
    scheme: str
    """Where it was found."""
    metrics: dict[Metric, MetricValue]
    """As in `measure --json`."""
    contents: ImageSummary


class DiffReport(BaseModel):
    """Two images."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    base_image: str
    head_image: str
    base_metrics: dict[Metric, MetricValue]
    metrics: dict[Metric, MetricValue]
    """Head's."""
    base_contents: ImageSummary
    contents: ImageSummary
    """Head's."""
    diff: ImageDiff
