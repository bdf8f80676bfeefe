"""Looks at base and head of one image together, or at one alone. What is broken in one costs the other nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from membudget.contents.diff import ImageDiff, diff
from membudget.contents.image import COMPRESSED_BY_US, ImageContents
from membudget.contents.layers.layer import DamagedLayer
from membudget.contents.merged import MergedImage, merge
from membudget.contents.origin import BaseVariant, LayerOrigin
from membudget.contents.summary import ImageSummary, summarise
from membudget.core.errors import UnreadableImage
from membudget.core.metrics import IMAGE_METRICS, Metric, MetricValue

Readable = tuple[ImageContents | UnreadableImage, Sequence[LayerOrigin]]
"""An image as far as it could be read, and what made its layers."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Why nothing is said of an image."""

    reason: str


@dataclass(frozen=True, slots=True)
class PairContents:
    """What two images hold and how they differ; None for a side that there is not."""

    base: ImageSummary | Unavailable | None = None
    head: ImageSummary | Unavailable | None = None
    diff: ImageDiff | None = None


def compare(base: Readable | None, head: Readable | None, smaller_base: BaseVariant | None = None) -> PairContents:
    """Look at both sides; `smaller_base`: what head could start FROM instead."""
    before, after = (_merged(side) if side is not None else None for side in (base, head))
    both = isinstance(before, MergedImage) and isinstance(after, MergedImage)
    return PairContents(
        _summary(before),
        _summary(after, smaller_base),
        diff(before, after) if both else None,  # type: ignore[arg-type] # checked above
    )


def _merged(side: Readable) -> MergedImage | Unavailable:
    contents, origins = side
    if isinstance(contents, UnreadableImage):
        return Unavailable(str(contents))
    try:
        return merge(contents, origins)
    except UnreadableImage as error:
        return Unavailable(str(error))
    except DamagedLayer as error:
        return Unavailable(f"what was remembered of its layers is damaged: {error}")


def _summary(
    side: MergedImage | Unavailable | None, smaller_base: BaseVariant | None = None
) -> ImageSummary | Unavailable | None:
    return summarise(side, smaller_base) if isinstance(side, MergedImage) else side


_PLAIN = "the engine keeps layers uncompressed: only a budget, or inspect --download-size, compresses them"


def image_metrics(found: ImageSummary | Unavailable) -> dict[Metric, MetricValue]:
    """Each metric of an image: a value, or why there is none."""
    if isinstance(found, Unavailable):
        return {metric: MetricValue.absent(metric, found.reason) for metric in IMAGE_METRICS}
    return {
        Metric.IMAGE_SIZE: MetricValue.of(Metric.IMAGE_SIZE, found.file_bytes),
        Metric.IMAGE_DOWNLOAD_SIZE: _download(found),
        Metric.IMAGE_WASTE: MetricValue.of(Metric.IMAGE_WASTE, found.waste_bytes),
        Metric.IMAGE_LAYERS: MetricValue.of(Metric.IMAGE_LAYERS, found.layer_count),
    }


def _download(found: ImageSummary) -> MetricValue:
    if found.download_bytes is None:
        return MetricValue.absent(Metric.IMAGE_DOWNLOAD_SIZE, _PLAIN)
    is_ours = COMPRESSED_BY_US in found.media_types
    precision = "as gzip -6 compresses: a registry's own may differ by some percent" if is_ours else None
    return MetricValue.of(Metric.IMAGE_DOWNLOAD_SIZE, found.download_bytes, precision)
