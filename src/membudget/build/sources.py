"""Finds images by name: those that a command names, and smaller variants of a base image.

Images are looked up in the engine, in archives, in OCI layouts and in registries. The clients of engine and registries
are imported only when they are needed, so that `membudget inspect` of an archive starts fast.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from membudget.contents.image import ImageContents
from membudget.contents.origin import BaseImage, BaseVariant, variants
from membudget.contents.stores.archive import ArchivedImage, KnownLayer, read_archive
from membudget.contents.stores.blobs import LayoutFolder, read_layered
from membudget.contents.stores.layer_cache import LayerCache
from membudget.contents.stores.manifest import Selection
from membudget.contents.stores.streams import Peekable
from membudget.core.errors import ConfigurationError, EnvironmentFault, UnreadableImage

if TYPE_CHECKING:
    from membudget.engine.connection import Engine


_BUFFER = 1 << 20
SCHEMES = ("docker", "docker-archive", "oci-archive", "oci-dir", "registry")

EngineReader = Callable[[Sequence[str]], Sequence[ImageContents | UnreadableImage]]
"""Reads images of the engine in one export."""


@dataclass(frozen=True, slots=True)
class Source:
    """The meaning of a reference. The schemes are those of syft and skopeo."""

    scheme: str
    name: str

    @classmethod
    def of(cls, reference: str) -> "Source":
        """Return the source of a reference "SCHEME:NAME".

        Without a scheme, it is an existing file or folder, or otherwise an image of the engine.
        """
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
    """Return the contents of images, in the order of `references`.

    Raises ConfigurationError, EnvironmentFault and UnreadableImage.
    """
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


def _read_archive(name: str, known: KnownLayer, platform: str | None) -> ImageContents | UnreadableImage:
    """Read an image from an archive. "FILE:NAME" selects one of several images."""
    path, wanted = _split(name)
    with _opened(path) as file:
        images = read_archive(file, known, is_trusted=False, selection=Selection(platform, wanted or None))
    chosen = [image for image in images if not wanted or wanted in image.names]
    if len(chosen) == 1 or (chosen and wanted):
        return chosen[0].contents
    raise ConfigurationError(
        f"the archive contains {len(images)} images{f', but not {wanted!r}' if wanted else ''}",
        where=path,
        fix=f"choose one with {path}:NAME, where NAME is one of: {', '.join(_names(images)) or 'those in the archive'}",
    )


def _split(name: str) -> tuple[str, str]:
    """Split "FILE:NAME" into the file and the name of the image, which may be ""."""
    if _exists(Path(name)):
        return name, ""
    path, _, wanted = name.partition(":")
    return path, wanted


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # the name is too long for the file system
        return False


@contextmanager
def _opened(path: str) -> Iterator[Peekable]:
    try:
        file = Path(path).open("rb", buffering=0)  # noqa: SIM115 - its own errors are reported here
    except OSError as error:
        raise ConfigurationError(f"the archive cannot be read: {error.strerror}", where=path) from None
    with file:
        yield io.BufferedReader(file, _BUFFER)


def _names(images: Sequence[ArchivedImage]) -> list[str]:
    return [name for image in images for name in image.names][:20]


def _read_layout(name: str, known: KnownLayer, platform: str | None) -> ImageContents:
    folder, tag = _split(name)
    layout = LayoutFolder(Path(folder))
    return read_layered(layout, layout.index(), known, Selection(platform, tag or None))


def _read_registry(name: str, known: KnownLayer, platform: str | None) -> ImageContents:
    from membudget.build.registry import read_image  # imports requests

    return read_image(name, known, platform)


_READERS: dict[str, Callable[[str, KnownLayer, str | None], ImageContents | UnreadableImage]] = {
    "docker-archive": _read_archive,
    "oci-archive": _read_archive,
    "oci-dir": _read_layout,
    "registry": _read_registry,
}


_ALLOWED_S = 600.0
"""How long registries may take in total, in one check."""


class BaseVariants:
    """Finds smaller variants of base images. If a variant cannot be read, only the advice is lost."""

    def __init__(
        self, engine: "Engine | None", cache: LayerCache, warn: Callable[[str], None], *, asks_registry: bool
    ) -> None:
        """Set where to look.

        If `asks_registry` is set, the layers of variants are also read from their registry. The cache keeps them.
        """
        self._engine = engine
        self._cache = cache
        self._warn = warn
        self._asks_registry = asks_registry
        from membudget.web.bounded_http import Allowance  # imports requests

        self._allowance = Allowance(_ALLOWED_S)

    def smallest(self, base: BaseImage | None, platform: str) -> BaseVariant | None:
        """Return the smallest variant of a base image. None if there is no variant, or if the base is unknown."""
        if base is None:
            return None
        found = [
            BaseVariant(base, reference, size)
            for reference in variants(base.reference)
            if (size := self._size(reference, platform)) is not None
        ]
        return min(found, key=lambda variant: variant.file_bytes, default=None)

    def _size(self, reference: str, platform: str) -> int | None:
        contents = self._of_engine(reference)
        if contents is None and self._asks_registry:
            contents = self._of_registry(reference, platform)
        return contents.file_bytes if contents is not None and contents.config.platform == platform else None

    def _of_engine(self, reference: str) -> ImageContents | None:
        if self._engine is None:
            return None
        from membudget.build.docker_images import inspect, read_images

        try:
            image_id = inspect(self._engine, reference).image_id
            found = read_images(self._engine, [image_id], self._cache)[image_id]
        except (ConfigurationError, EnvironmentFault):
            return None
        return found if isinstance(found, ImageContents) else None

    def _of_registry(self, reference: str, platform: str) -> ImageContents | None:
        from membudget.build.registry import read_image  # imports requests

        try:
            with self._allowance.spend() as deadline:
                found = read_image(reference, self._cache.get, platform, deadline)
        except ConfigurationError:  # the registry has no such image
            return None
        except EnvironmentFault as error:
            self._warn(f"{reference} could not be looked at, which may be a smaller base: {error.what}")
            return None
        self._cache.put_layers(found)
        return found
