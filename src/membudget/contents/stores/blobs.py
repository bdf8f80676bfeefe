"""Reads images whose layers can be read one by one from a store, such as a registry or an OCI layout."""

import hashlib
import io
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from membudget.contents.image import Blob, ImageConfig, ImageContents, StoredLayer, describe_layer
from membudget.contents.stores.archive import HashedReader, KnownLayer
from membudget.contents.stores.layer_reader import read_layer
from membudget.contents.stores.manifest import (
    DEEPEST_INDEX,
    LARGEST_DOCUMENT,
    Selection,
    choose_manifest,
    is_digest,
    is_index,
    parse_config,
    parse_manifest,
)
from membudget.contents.stores.streams import Compression, Expansion, Peekable, decompressed
from membudget.core.errors import ConfigurationError, UnreadableImage
from membudget.core.files import read_plain

_BUFFER = 1 << 20


class BlobStore(Protocol):
    """A store of manifests and layers."""

    def document(self, digest: str) -> bytes:
        """Return a manifest or a configuration. Raises UnreadableImage if its content does not match its digest."""

    def open_layer(self, blob: Blob) -> AbstractContextManager[Peekable]:
        """Open a layer, which may be compressed. Raises UnreadableImage."""


def read_layered(store: BlobStore, top: bytes, known: KnownLayer, selection: Selection) -> ImageContents:
    """Read an image from its top document, a manifest or an index. Known layers are not read again."""
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
                raise UnreadableImage(f"the layer {blob.digest} does not match its DiffID {diff_id}")
        is_plain = blob.media_type.endswith(Compression.NONE)
        layers.append(StoredLayer(diff_id, layer, None if is_plain else blob.size, blob.media_type[:200], blob.digest))
    return ImageContents(config, config_json, tuple(layers))


def resolve(store: BlobStore, top: bytes, selection: Selection) -> tuple[bytes, ImageConfig, tuple[Blob, ...]]:
    """Return an image's configuration, as written and parsed, and its layers. Raises UnreadableImage."""
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
        raise UnreadableImage(f"the manifest lists {len(blobs)} layers, but the configuration {len(config.diff_ids)}")
    return config_json, config, blobs


class LayoutFolder:
    """The blobs of an OCI layout."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def index(self) -> bytes:
        """Return the index of the layout. Raises ConfigurationError if there is none."""
        try:
            return _read(self._folder / "index.json")
        except OSError as error:
            raise ConfigurationError(
                f"not an OCI layout: its index.json cannot be read ({error.strerror})", where=str(self._folder)
            ) from None

    def document(self, digest: str) -> bytes:
        """Return a manifest or a configuration. Raises UnreadableImage if its content does not match its digest."""
        try:
            content = _read(self._path(digest))
        except OSError as error:
            raise UnreadableImage(f"the layout lacks {digest} ({error.strerror})") from error
        algorithm, _, digits = digest.partition(":")
        if hashlib.new(algorithm, content).hexdigest() != digits:
            raise UnreadableImage(f"the document {digest} does not match its digest")
        return content

    @contextmanager
    def open_layer(self, blob: Blob) -> Iterator[Peekable]:
        """Open a layer, which may be compressed. Raises UnreadableImage."""
        path = self._path(blob.digest)
        try:
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                raise UnreadableImage(f"the layer {blob.digest} is not a file")
            file = path.open("rb", buffering=0)
        except OSError as error:
            raise UnreadableImage(f"the layout lacks {describe_layer(blob)} ({error.strerror})") from error
        with file:
            if found.st_size != blob.size:
                has = f"has {found.st_size} bytes, but {blob.size} according to the manifest"
                raise UnreadableImage(f"the layer {blob.digest} {has}")
            yield io.BufferedReader(file, _BUFFER)

    def _path(self, digest: str) -> Path:
        if not is_digest(digest):
            raise UnreadableImage("the manifest names a blob without a digest")
        algorithm, _, digits = digest.partition(":")
        return self._folder / "blobs" / algorithm / digits


def _read(path: Path) -> bytes:
    content = read_plain(path, LARGEST_DOCUMENT)
    if len(content) > LARGEST_DOCUMENT:
        raise UnreadableImage(f"the document {path.name} is larger than {LARGEST_DOCUMENT:,} bytes")
    return content
