"""Images in the engine: their size as we define it, read from the engine's export."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from docker.errors import NotFound

from membudget.engine.docker_engine import Engine, engine_errors
from membudget.errors import ConfigurationError, EnvironmentFault
from membudget.images.layer_cache_file import LayerCache
from membudget.images.layers import ChunkReader, UnreadableImage, layer_file_bytes

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the engine knows of an image."""

    image_id: str
    diff_ids: tuple[str, ...]
    """Digests of its uncompressed layers, lowest first."""


def inspect(engine: Engine, reference: str) -> ImageFacts:
    """The image a reference names. Raises ConfigurationError when the engine has none."""
    with engine_errors(f"inspecting the image {reference}"):
        try:
            attributes = engine.client.images.get(reference).attrs
        except NotFound:
            raise ConfigurationError(
                f"the image {reference} is not in the engine", fix=f"docker pull {reference}, or build it"
            ) from None
    return ImageFacts(str(attributes["Id"]), tuple(map(str, attributes["RootFS"].get("Layers") or ())))


def image_sizes(engine: Engine, image_ids: Sequence[str], cache: LayerCache) -> dict[str, int]:
    """`image_size` of each image: regular-file bytes over all its layers.

    The engine's own `.Size` is none of this: it measured 250 to 1,170 MB for one image, by engine and store.
    All images come in one export, so that a layer they share is read once; a layer seen before is not read at all.
    Raises EnvironmentFault, and UnreadableImage when the export is not understood.
    """
    facts = [_inspect_built(engine, image_id) for image_id in dict.fromkeys(image_ids)]
    known = {diff_id: cache.get(diff_id) for image in facts for diff_id in image.diff_ids}
    unseen = [image.image_id for image in facts if any(known[diff_id] is None for diff_id in image.diff_ids)]
    if unseen:
        with engine_errors("exporting images to read their sizes"):
            exported = layer_file_bytes(io.BufferedReader(ChunkReader(_export(engine, unseen)), _CHUNK_BYTES))
        for diff_id, file_bytes in exported.items():
            cache.put(diff_id, file_bytes)
        known |= exported
    return {image.image_id: _total(image, known) for image in facts}


def _inspect_built(engine: Engine, image_id: str) -> ImageFacts:
    """An image that was there a moment ago: where it is gone, the user did nothing wrong."""
    try:
        return inspect(engine, image_id)
    except ConfigurationError as error:
        raise EnvironmentFault(f"{error.what} any more") from error


def _total(image: ImageFacts, known: Mapping[str, int | None]) -> int:
    sizes = [size for diff_id in image.diff_ids if (size := known.get(diff_id)) is not None]
    if len(sizes) != len(image.diff_ids):
        raise UnreadableImage("the engine's export lacks some of its layers")
    return sum(sizes)


def _export(engine: Engine, image_ids: Sequence[str]) -> Iterator[bytes]:
    """Engine API, "Export several images": the SDK's own call takes one image only."""
    api = engine.client.api
    url = f"{api.base_url}/v{api.api_version}/images/get"
    with api.get(url, params={"names": list(image_ids)}, stream=True) as response:
        response.raise_for_status()
        yield from response.iter_content(_CHUNK_BYTES)
