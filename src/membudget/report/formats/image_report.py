"""The models of what `membudget inspect --json` and `membudget diff --json` print.

This module is small and separate, so that rich is imported only for a terminal.
"""

from membudget.contents.diff import ImageDiff
from membudget.contents.summary import ImageSummary
from membudget.core.closed_model import ClosedModel
from membudget.core.metrics import Metric, MetricValue


class InspectReport(ClosedModel):
    """The report about one image."""

    image: str
    """The name that the user gave."""
    scheme: str
    """The kind of store that the image was read from."""
    metrics: dict[Metric, MetricValue]
    """The image's metrics, as in `measure --json`."""
    contents: ImageSummary


class DiffReport(ClosedModel):
    """The report about two images."""

    base_image: str
    head_image: str
    base_metrics: dict[Metric, MetricValue]
    metrics: dict[Metric, MetricValue]
    """Those of the head."""
    base_contents: ImageSummary
    contents: ImageSummary
    """Those of the head."""
    diff: ImageDiff
