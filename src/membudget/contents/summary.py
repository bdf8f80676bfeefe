"""Summaries of one image, or of base and head together. They are limited in size, whatever the images contain."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import nlargest

from membudget.contents.diff import ImageDiff, diff
from membudget.contents.image import COMPRESSED_BY_US, DamagedLayer, ImageContents, shown
from membudget.contents.layer_stack import LayerStack, WasteGroup, WasteKind
from membudget.contents.merged import MergedImage, merge
from membudget.contents.origin import BaseVariant, LayerOrigin, OriginSource
from membudget.contents.packages.package import Package
from membudget.contents.savings import Hint, hints
from membudget.core.errors import UnreadableImage
from membudget.core.files import Stored
from membudget.core.metrics import IMAGE_METRICS, Metric, MetricValue

MOST_LAYERS = 200
MOST_FOLDERS = 300
MOST_PACKAGES = 200
MOST_FILES = 50
MOST_WASTE = 50
_LEAST_SHARE = 0.001
"""The smallest folder, as a part of the live bytes. Smaller ones count only in their parents."""


@dataclass(frozen=True, slots=True)
class LayerSummary(Stored):
    """A layer."""

    diff_id: str
    file_bytes: int
    live_bytes: int
    """The bytes that exist when the image runs. The others are waste."""
    stored_bytes: int | None
    """The compressed size in its store. None if the store keeps it uncompressed."""
    media_type: str | None
    instruction: str
    """The instruction that created it, according to the history."""
    dockerfile_lines: tuple[int, int] | None
    source: OriginSource
    """Where instruction and lines are known from."""
    is_inherited: bool | None
    """Whether the layer is from the base image. None if unknown."""


@dataclass(frozen=True, slots=True)
class FolderSummary(Stored):
    """A folder with everything below."""

    path: str
    file_bytes: int
    files: int


@dataclass(frozen=True, slots=True)
class FileSummary(Stored):
    """A large file."""

    path: str
    file_bytes: int
    layer: int


@dataclass(frozen=True, slots=True)
class WasteSummary(Stored):
    """Bytes of one layer that do not exist when the image runs."""

    kind: WasteKind
    from_layer: int
    by_layer: int
    file_bytes: int
    files: int
    example: str
    """The path of the largest file."""


@dataclass(frozen=True, slots=True)
class ImageSummary(Stored):
    """The content of one image, largest items first."""

    platform: str
    file_bytes: int
    """The value of `image_size`."""
    live_bytes: int
    layer_count: int
    download_bytes: int | None
    """The value of `image_download_size`. None if the store keeps a layer uncompressed."""
    media_types: tuple[str, ...]
    """The media types that `download_bytes` counts."""
    inherited_waste_bytes: int | None
    """The part of `image_waste` that is from the base image. None if its layers are unknown."""
    layers: tuple[LayerSummary, ...]
    folders: tuple[FolderSummary, ...]
    packages: tuple[Package, ...]
    package_count: int
    files: tuple[FileSummary, ...]
    waste: tuple[WasteSummary, ...]
    hints: tuple[Hint, ...]

    @property
    def waste_bytes(self) -> int:
        """Return `image_waste`."""
        return self.file_bytes - self.live_bytes


def summarise(image: MergedImage, smaller_base: BaseVariant | None = None) -> ImageSummary:
    """Summarise an image. `smaller_base` is a smaller variant of its base image."""
    contents, stack = image.contents, image.stack
    waste = stack.waste
    wasted = _by_layer(waste, len(contents.layers))
    return ImageSummary(
        platform=contents.config.platform,
        file_bytes=contents.file_bytes,
        live_bytes=stack.live_bytes,
        layer_count=len(contents.layers),
        download_bytes=contents.download_bytes,
        media_types=contents.media_types,
        inherited_waste_bytes=_inherited(waste, image.origins),
        layers=tuple(_layers(image, wasted))[:MOST_LAYERS],
        folders=_folders(stack),
        packages=image.packages[:MOST_PACKAGES],
        package_count=len(image.packages),
        files=_files(stack),
        waste=tuple(_waste(group) for group in waste[:MOST_WASTE]),
        hints=hints(image, smaller_base),
    )


def _by_layer(waste: Iterable[WasteGroup], count: int) -> list[int]:
    wasted = [0] * count
    for group in waste:
        wasted[group.from_layer] += group.file_bytes
    return wasted


def _inherited(waste: Iterable[WasteGroup], origins: Sequence[LayerOrigin]) -> int | None:
    """Return the waste inside of the base image's own layers, which a Dockerfile cannot avoid."""
    if any(origin.is_inherited is None for origin in origins):
        return None
    return sum(group.file_bytes for group in waste if origins[group.by_layer].is_inherited)


def _layers(image: MergedImage, wasted: Sequence[int]) -> Iterable[LayerSummary]:
    for number, (stored, origin) in enumerate(zip(image.contents.layers, image.origins, strict=True)):
        yield LayerSummary(
            diff_id=stored.diff_id,
            file_bytes=stored.layer.file_bytes,
            live_bytes=stored.layer.file_bytes - wasted[number],
            stored_bytes=stored.stored_bytes,
            media_type=stored.media_type,
            instruction=origin.instruction,
            dockerfile_lines=origin.dockerfile_lines,
            source=origin.source,
            is_inherited=origin.is_inherited,
        )


def _folders(stack: LayerStack) -> tuple[FolderSummary, ...]:
    least = max(stack.live_bytes * _LEAST_SHARE, 1)
    large = ((path, size, files) for path, size, files in stack.folders() if size >= least)
    chosen = nlargest(MOST_FOLDERS, large, key=lambda folder: (folder[1], -len(folder[0])))
    return tuple(FolderSummary(shown(path), size, files) for path, size, files in chosen)


def _files(stack: LayerStack) -> tuple[FileSummary, ...]:
    largest = nlargest(MOST_FILES, stack.files(), key=lambda file: stack.size(file[1]))
    return tuple(FileSummary(shown(path), stack.size(number), stack.layer(number)) for path, number in largest)


def _waste(group: WasteGroup) -> WasteSummary:
    return WasteSummary(
        group.kind, group.from_layer, group.by_layer, group.file_bytes, group.files, shown(group.example)
    )


ReadableImage = tuple[ImageContents | UnreadableImage, Sequence[LayerOrigin]]
"""An image, or why it could not be read, and the origins of its layers."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Why there is no summary of an image."""

    reason: str
    engine_lost: bool = False
    """Whether the engine stopped answering."""


@dataclass(frozen=True, slots=True)
class PairContents:
    """The summaries of two images and their differences. None for a missing side."""

    base: ImageSummary | Unavailable | None = None
    head: ImageSummary | Unavailable | None = None
    diff: ImageDiff | None = None


def compare(
    base: ReadableImage | None, head: ReadableImage | None, smaller_base: BaseVariant | None = None
) -> PairContents:
    """Summarise both sides and their differences. `smaller_base` is a smaller variant of the head's base image.

    A side that is broken does not affect the other one.
    """
    before, after = (_merged(side) if side is not None else None for side in (base, head))
    both = isinstance(before, MergedImage) and isinstance(after, MergedImage)
    return PairContents(
        _summary(before),
        _summary(after, smaller_base),
        diff(before, after) if both else None,  # type: ignore[arg-type] # checked above
    )


def _merged(side: ReadableImage) -> MergedImage | Unavailable:
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
    """Return each metric of an image: its value, or why there is none."""
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
