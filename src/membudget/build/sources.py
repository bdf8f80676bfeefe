"""Finds the images that a command names: in the engine, in archives, in layouts, in registries."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from membudget.contents.image import ImageContents
from membudget.contents.layers.layer import Layer
from membudget.contents.stores.archive import ArchivedImage, read_archive
from membudget.contents.stores.blobs import LayoutFolder, read_layered
from membudget.contents.stores.layer_cache import LayerCache
from membudget.contents.stores.manifest import Selection
from membudget.contents.stores.streams import Peekable
from membudget.core.errors import ConfigurationError, UnreadableImage

_BUFFER = 1 << 20
SCHEMES = ("docker", "docker-archive", "oci-archive", "oci-dir", "registry")

EngineReader = Callable[[Sequence[str]], Sequence[ImageContents | UnreadableImage]]
"""Reads images of the engine, all in one export."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a reference means. Schemes are named as syft and skopeo name theirs."""

    scheme: str
    name: str

    @classmethod
    def of(cls, reference: str) -> "Source":
        """Of "SCHEME:NAME"; without a scheme, a file or folder that is there, else an image of the engine."""
        scheme, separator, name = reference.partition(":")
        if separator and scheme in SCHEMES:
            return cls(scheme, name)
        path = Path(reference)
        if not _exists(path):
            return cls("docker", reference)
        if (path / "index.json").is_file():
            return cls("oci-dir", reference)
        return cls("docker-archive", reference) if path.is_file() else cls("docker", reference)


def read_sources(
    references: Sequence[str], cache: LayerCache, platform: str | None, read_engine: EngineReader
) -> list[ImageContents]:
    """What the images hold, in the order in which they are named. Raises what reading them does."""
    sources = [Source.of(reference) for reference in references]
    of_engine = [source.name for source in sources if source.scheme == "docker"]
    from_engine = iter(read_engine(of_engine)) if of_engine else iter(())
    images = []
    for reference, source in zip(references, sources, strict=True):
        found = next(from_engine) if source.scheme == "docker" else _read(source, cache, platform)
        if isinstance(found, UnreadableImage):
            raise UnreadableImage(found.what, where=reference, fix=found.fix)
        images.append(found)
    return images


def _read(source: Source, cache: LayerCache, platform: str | None) -> ImageContents | UnreadableImage:
    try:
        found = _READERS[source.scheme](source.name, cache.get, platform)
    except UnreadableImage as error:
        return error
    if isinstance(found, ImageContents):
        cache.put_layers(found)
    return found


Known = Callable[[str], Layer | None]


def _read_archive(name: str, known: Known, platform: str | None) -> ImageContents | UnreadableImage:
    """A file; of several images in it, the one that "FILE:NAME" names."""
    path, wanted = _split(name)
    with _opened(path) as file:
        images = read_archive(file, known, is_trusted=False, selection=Selection(platform, wanted or None))
    chosen = [image for image in images if not wanted or wanted in image.names]
    if len(chosen) == 1 or (chosen and wanted):
        return chosen[0].contents
    raise ConfigurationError(
        f"it holds {len(images)} images{f', none of them {wanted!r}' if wanted else ''}",
        where=path,
        fix=f"name one: {path}:NAME, of {', '.join(_names(images)) or 'those in it'}",
    )


def _split(name: str) -> tuple[str, str]:
    """Of "FILE:NAME", the file and the image's name in it; "" without one."""
    if _exists(Path(name)):
        return name, ""
    path, _, wanted = name.partition(":")
    return path, wanted


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name too long for the file system
        return False


@contextmanager
def _opened(path: str) -> Iterator[Peekable]:
    try:
        file = Path(path).open("rb", buffering=0)  # noqa: SIM115 - its error is ours to tell
    except OSError as error:
        raise ConfigurationError(f"the archive cannot be read: {error.strerror}", where=path) from None
    with file:
        yield io.BufferedReader(file, _BUFFER)


def _names(images: Sequence[ArchivedImage]) -> list[str]:
    return [name for image in images for name in image.names][:20]


def _read_layout(name: str, known: Known, platform: str | None) -> ImageContents:
    folder, tag = _split(name)
    layout = LayoutFolder(Path(folder))
    return read_layered(layout, layout.index(), known, Selection(platform, tag or None))


def _read_registry(name: str, known: Known, platform: str | None) -> ImageContents:
    from membudget.build.registry import read_image  # of the clients, only what is asked for

    return read_image(name, known, platform)


_READERS: dict[str, Callable[[str, Known, str | None], ImageContents | UnreadableImage]] = {
    "docker-archive": _read_archive,
    "oci-archive": _read_archive,
    "oci-dir": _read_layout,
    "registry": _read_registry,
}
