"""Finds the images that a command names: in the engine, in archives, in layouts, in registries."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from membudget.contents.compression import Peekable
from membudget.contents.image_archive import ArchivedImage, read_archive
from membudget.contents.image_contents import ImageContents
from membudget.contents.layer import Layer
from membudget.contents.layer_cache_file import LayerCache
from membudget.contents.layered_image import read_layered
from membudget.contents.layout_folder import LayoutFolder
from membudget.contents.unreadable import UnreadableImage
from membudget.errors import ConfigurationError

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
        if path.is_dir() and (path / "index.json").exists():
            return cls("oci-dir", reference)
        if path.is_file():
            return cls("docker-archive", reference)
        return cls("docker", reference)


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
        for stored in found.layers:
            cache.put(stored.diff_id, stored.layer)
    return found


Known = Callable[[str], Layer | None]


def _read_archive(name: str, known: Known, platform: str | None) -> ImageContents | UnreadableImage:
    """A file; of several images in it, the one that "FILE:NAME" names."""
    path, _, wanted = (name, "", "") if Path(name).exists() else name.partition(":")
    with _opened(path) as file:
        images = read_archive(file, known, is_trusted=False, platform=platform)
    chosen = [image for image in images if not wanted or wanted in image.names]
    if len(chosen) == 1 or (chosen and wanted):
        return chosen[0].contents
    raise ConfigurationError(
        f"it holds {len(images)} images{f', none of them {wanted!r}' if wanted else ''}",
        where=path,
        fix=f"name one: docker-archive:{path}:NAME, of {', '.join(_names(images)) or 'those in it'}",
    )


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
    folder, _, tag = (name, "", "") if Path(name).exists() else name.partition(":")
    layout = LayoutFolder(Path(folder))
    return read_layered(layout, layout.index(), known, platform, tag or None)


def _read_registry(name: str, known: Known, platform: str | None) -> ImageContents:
    from membudget.contents.registry import RegistryImage, parse_reference  # of the clients, only what is asked for

    image = RegistryImage(parse_reference(name))
    try:
        return read_layered(image, image.manifest(), known, platform)
    finally:
        image.close()


_READERS: dict[str, Callable[[str, Known, str | None], ImageContents | UnreadableImage]] = {
    "docker-archive": _read_archive,
    "oci-archive": _read_archive,
    "oci-dir": _read_layout,
    "registry": _read_registry,
}
