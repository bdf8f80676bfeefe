"""An image whose layers can be had one by one, from wherever they are stored."""

import io
from contextlib import AbstractContextManager
from typing import Protocol

from membudget.contents.image import ImageContents, StoredLayer
from membudget.contents.image_config import Blob, ImageConfig
from membudget.contents.stores.archive import HashedReader, KnownLayer
from membudget.contents.stores.layer_reader import read_layer
from membudget.contents.stores.manifest import (
    DEEPEST_INDEX,
    Selection,
    choose_manifest,
    is_index,
    parse_config,
    parse_manifest,
)
from membudget.contents.stores.streams import Compression, Expansion, Peekable, decompressed
from membudget.core.unreadable import UnreadableImage

_BUFFER = 1 << 20


class BlobStore(Protocol):
    """Where manifests and layers are."""

    def document(self, digest: str) -> bytes:
        """A manifest or a configuration. Raises UnreadableImage when it is not what its digest says."""

    def open_layer(self, blob: Blob) -> AbstractContextManager[Peekable]:
        """A layer as it is stored. Raises UnreadableImage."""


def read_layered(store: BlobStore, top: bytes, known: KnownLayer, selection: Selection) -> ImageContents:
    """Read an image from its top document, a manifest or an index. Layers that are known are not read again."""
    config_json, config, blobs = resolve(store, top, selection)
    expansion = Expansion()
    layers = []
    for diff_id, blob in zip(config.diff_ids, blobs, strict=True):
        layer = known(diff_id)
        if layer is None:
            with store.open_layer(blob) as stream:
                plain, _ = decompressed(stream, expansion)
                hashed = HashedReader(plain)
                layer = read_layer(io.BufferedReader(hashed, _BUFFER))
            if hashed.digest != diff_id:
                raise UnreadableImage(f"its layer {blob.digest} is not what its DiffID {diff_id} says")
        is_plain = blob.media_type.endswith(Compression.NONE)
        layers.append(StoredLayer(diff_id, layer, None if is_plain else blob.size, blob.media_type[:200], blob.digest))
    return ImageContents(config, config_json, tuple(layers))


def resolve(store: BlobStore, top: bytes, selection: Selection) -> tuple[bytes, ImageConfig, tuple[Blob, ...]]:
    """The configuration of an image, as written and parsed, and its layers. Raises UnreadableImage."""
    document = top
    for _ in range(DEEPEST_INDEX):
        if not is_index(document):
            break
        document = store.document(choose_manifest(document, selection).digest)
        selection = Selection(selection.platform)
    descriptor, blobs = parse_manifest(document)
    config_json = store.document(descriptor.digest)
    config = parse_config(config_json)
    if len(config.diff_ids) != len(blobs):
        raise UnreadableImage(f"its manifest lists {len(blobs)} layers, its configuration {len(config.diff_ids)}")
    return config_json, config, blobs
