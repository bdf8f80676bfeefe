"""Groups of images: budgets that hold for each of them, and for their sum."""

from pydantic import Field

from membudget.budgets.fields import FileModel, ImageName
from membudget.budgets.metric_budgets import MetricBudgets, OfSize, SizeBudget
from membudget.core.metrics import Metric


class Totals(FileModel):
    """Budgets of sums over the images of a group."""

    image_size: OfSize = SizeBudget()
    """Of their sizes; a layer that two images share counts twice, as in each image's own size."""
    peak_rss: OfSize = SizeBudget()
    """Of their peaks: what they would need if all reached them at once."""
    settled_rss: OfSize = SizeBudget()
    """Of what they keep when their work is done."""

    def by_metric(self) -> dict[Metric, SizeBudget]:
        """Those that are set."""
        budgets = {
            Metric.IMAGE_SIZE: self.image_size, Metric.PEAK_RSS: self.peak_rss, Metric.SETTLED_RSS: self.settled_rss,
        }  # fmt: skip
        return {metric: budget for metric, budget in budgets.items() if budget != SizeBudget()}


class Group(FileModel):
    """Some images of the file, or all of them."""

    images: tuple[ImageName, ...] | None = Field(default=None, min_length=1)
    """Which. Absent: all."""
    budgets: MetricBudgets = MetricBudgets()
    """Hold for each of them that does not say otherwise, over [defaults]."""
    total: Totals = Totals()
    """Hold for their sum."""
