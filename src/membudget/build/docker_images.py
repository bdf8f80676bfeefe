"""Images in the engine: their properties, and their content, which is read from the engine's export."""

import hashlib
import io
import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from docker.errors import NotFound

from membudget.contents.image import ImageContents, Layer
from membudget.contents.stores.archive import read_archive
from membudget.contents.stores.layer_cache import LayerCache
from membudget.contents.stores.streams import RawStream
from membudget.core.errors import ConfigurationError, EnvironmentFault, UnreadableImage
from membudget.engine.connection import Engine, engine_errors

CONTENT_LABEL = "membudget.built-from"
"""The label of images that membudget builds: a digest of the files that they were built from."""

_CHUNK_BYTES = 1 << 20
_PLATFORM = ("Os", "OsVersion", "Architecture", "Variant")
_STEP = ("CreatedBy", "Created", "Comment")


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """The engine's properties of an image."""

    image_id: str
    diff_ids: tuple[str, ...]
    """The digests of the uncompressed layers, lowest first."""
    identity: str
    """A digest of everything that defines the image, except membudget's label. Two builds of one image have the same.
    """
    labels: Mapping[str, str] = field(default_factory=dict)
    platform: str | None = None
    """What it is built for, as "linux/arm64". None if the image does not say."""


def inspect(engine: Engine, reference: str) -> ImageFacts:
    """Return the image of a reference. Raises ConfigurationError if the engine does not have it."""
    with engine_errors(f"inspecting the image {reference}"):
        try:
            image = engine.client.images.get(reference)
            attributes, history = image.attrs, image.history()
        except NotFound:
            raise ConfigurationError(
                f"the image {reference} is not in the engine", fix=f"docker pull {reference}, or build it"
            ) from None
    image_id = str(attributes["Id"])
    diff_ids = tuple(map(str, attributes["RootFS"].get("Layers") or ()))
    config = attributes.get("Config")
    system, architecture = attributes.get("Os"), attributes.get("Architecture")
    platform = f"{system}/{architecture}" if system and architecture else None
    if not config:
        return ImageFacts(image_id, diff_ids, image_id, platform=platform)
    labels = {str(key): str(value) for key, value in (config.get("Labels") or {}).items()}
    return ImageFacts(image_id, diff_ids, _identity(attributes, labels, history), labels, platform)


def _identity(attributes: Mapping[str, Any], labels: Mapping[str, str], history: Sequence[Mapping[str, Any]]) -> str:
    """Return a digest that identifies the image. Its ID does not, because it depends on membudget's label."""
    parts = {
        "config": {**attributes["Config"], "Labels": {key: labels[key] for key in labels if key != CONTENT_LABEL}},
        "created": attributes.get("Created"),
        "platform": [attributes.get(key) for key in _PLATFORM],
        "layers": attributes["RootFS"].get("Layers") or [],
        "history": [[step.get(key) for key in _STEP] for step in history],
    }
    return f"sha256:{hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()}"


def read_images(
    engine: Engine, image_ids: Sequence[str], cache: LayerCache, *, compresses: bool = False
) -> dict[str, ImageContents | UnreadableImage]:
    """Return the content of each image, by image ID.

    All images come in one export, so that shared layers are read once. Images whose layers are all known are not
    exported. If `compresses` is set, the compressed size of plain layers is determined too. The engine's own `.Size` is
    not used: it gave 250 to 1,170 MB for one image.

    Raises EnvironmentFault, and UnreadableImage if the export is not understood. For a broken image, the result
    contains its error.
    """
    facts = [inspect_own(engine, image_id) for image_id in dict.fromkeys(image_ids)]
    contents: dict[str, ImageContents | UnreadableImage] = {}
    for image in facts:
        remembered = cache.get_image(image.identity)
        if remembered is None or remembered.config.diff_ids != image.diff_ids:
            continue
        if not compresses or remembered.download_bytes is not None:
            contents[image.image_id] = remembered
    unseen = [image for image in facts if image.image_id not in contents]
    if unseen:
        contents |= _exported(engine, unseen, cache, compresses=compresses)
    return contents


def inspect_own(engine: Engine, reference: str) -> ImageFacts:
    """Return an image that existed a moment ago. Raises EnvironmentFault if it is gone: the user is not at fault."""
    try:
        return inspect(engine, reference)
    except ConfigurationError as error:
        raise EnvironmentFault(f"{error.what} any more") from error


def _exported(
    engine: Engine, images: Sequence[ImageFacts], cache: LayerCache, *, compresses: bool
) -> dict[str, ImageContents | UnreadableImage]:
    def known(diff_id: str) -> Layer | None:
        layer = cache.get(diff_id)
        return layer if layer is None or not compresses or layer.gzip_bytes is not None else None

    with (
        engine_errors("exporting images to read what they hold"),
        closing(_export(engine, [image.image_id for image in images])) as chunks,
    ):
        stream = io.BufferedReader(ChunkReader(chunks), _CHUNK_BYTES)
        archived = read_archive(stream, known, is_trusted=True, compresses=compresses)
    broken = next((image.contents for image in archived if isinstance(image.contents, UnreadableImage)), None)
    contents: dict[str, ImageContents | UnreadableImage] = {}
    for image in images:
        alike = {
            one.contents.config_digest: one.contents
            for one in archived
            if isinstance(one.contents, ImageContents) and one.contents.config.diff_ids == image.diff_ids
        }
        found = alike.get(image.image_id)
        # Several images have the same layers but other settings, and their IDs are not digests of configurations.
        if found is None and len(alike) > 1 and len(images) > 1:
            contents |= _exported(engine, [image], cache, compresses=compresses)
            continue
        found = found or next(iter(alike.values()), None)
        contents[image.image_id] = found or broken or UnreadableImage("the engine's export does not contain the image")
        if found is not None:
            cache.put_image(image.identity, found)
    return contents


class ChunkReader(RawStream):
    """A file object for chunks that arrive one by one."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks = chunks
        self._rest = memoryview(b"")

    def take(self, size: int) -> bytes:
        """Return bytes of the current chunk, or of the next one if it is used up."""
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        data, self._rest = self._rest[:size], self._rest[size:]
        return bytes(data)


def _export(engine: Engine, image_ids: Sequence[str]) -> Generator[bytes, None, None]:
    """Yield the engine's export (Engine API, "Export several images"). The SDK's own call takes only one image.

    Chunks are not fetched ahead in a thread: this doubled the time, because both threads wait for the interpreter's
    lock.
    """
    api = engine.client.api
    url = f"{api.base_url}/v{api.api_version}/images/get"
    with api.get(url, params={"names": list(image_ids)}, stream=True) as response:
        response.raise_for_status()
        yield from response.iter_content(_CHUNK_BYTES)
