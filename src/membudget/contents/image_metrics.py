"""The metrics of an image itself: the same in every trial."""

from membudget.contents.compare import Unavailable
from membudget.contents.image import COMPRESSED_BY_US
from membudget.contents.summary import ImageSummary
from membudget.core.metrics import Metric, MetricValue

IMAGE_METRICS = (Metric.IMAGE_SIZE, Metric.IMAGE_DOWNLOAD_SIZE, Metric.IMAGE_WASTE, Metric.IMAGE_LAYERS)
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
