"""Caches layers and images that were read. They are named by digest, so entries never become stale."""

import contextlib
import json
import os
import re
import zlib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from membudget.contents.image import ImageContents, Layer, StoredLayer
from membudget.contents.stores.layer_reader import MOST_ENTRIES
from membudget.contents.stores.manifest import LARGEST_DOCUMENT, parse_config
from membudget.core.errors import UnreadableImage
from membudget.core.files import read_plain, write_whole

_DIGEST = re.compile(r"sha(?:256|512):[0-9a-f]{64,128}")
_FORMAT = "layers-4"
"""The format of the files below. Versions that store other facts use another folder."""
_LARGEST_FILE = 256 << 20
_LARGEST_FOLDER = 1 << 30

_Count = Annotated[int, Field(ge=0, lt=1 << 50)]


class _Head(BaseModel):
    """The first line of a layer's file. It is followed by packed bytes of these lengths."""

    model_config = ConfigDict(extra="forbid")

    file_bytes: _Count
    entry_count: Annotated[int, Field(ge=0, le=MOST_ENTRIES)]
    tar_bytes: _Count
    check: _Count
    """The CRC-32 of the following bytes."""
    removals: _Count
    additions: _Count
    documents: tuple[tuple[str, _Count], ...]
    gzip_bytes: _Count | None = None


class _Image(BaseModel):
    """The file of an image."""

    model_config = ConfigDict(extra="forbid")

    config: str
    stored: tuple[tuple[_Count | None, str | None, str | None], ...]
    """The bytes in the store, the media type and the digest of each layer."""


class LayerCache:
    """A folder with one file per layer. Processes may read it at the same time. A broken file affects one layer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / _FORMAT

    def get(self, diff_id: str) -> Layer | None:
        """Return a cached layer, or None."""
        data = self._read(diff_id, "layer", _LARGEST_FILE)
        return _decoded(data) if data is not None else None

    def put(self, diff_id: str, layer: Layer) -> None:
        """Store a layer, unless it is already stored completely. Write errors are ignored: they cost only time."""
        before = self.get(diff_id)
        if before is None or (before.gzip_bytes is None and layer.gzip_bytes is not None):
            self._write(diff_id, "layer", _encoded(layer))

    def put_layers(self, contents: ImageContents) -> None:
        """Store the layers of an image."""
        for stored in contents.layers:
            self.put(stored.diff_id, stored.layer)

    def get_image(self, image_id: str) -> ImageContents | None:
        """Return a cached image. None if it or one of its layers is not cached."""
        data = self._read(image_id, "image", 2 * LARGEST_DOCUMENT)
        if data is None:
            return None
        try:
            image = _Image.model_validate_json(data)
            config_json = image.config.encode()
            config = parse_config(config_json)
        except (ValidationError, UnreadableImage):
            return None
        layers = [self.get(diff_id) for diff_id in config.diff_ids]
        if len(image.stored) != len(layers):
            return None
        stored = tuple(
            StoredLayer(diff_id, layer, *kept)
            for diff_id, layer, kept in zip(config.diff_ids, layers, image.stored, strict=True)
            if layer is not None
        )
        return ImageContents(config, config_json, stored) if len(stored) == len(layers) else None

    def put_image(self, image_id: str, contents: ImageContents) -> None:
        """Store an image and its layers."""
        self.put_layers(contents)
        kept = tuple((one.stored_bytes, one.media_type, one.blob_digest) for one in contents.layers)
        image = _Image(config=contents.config_json.decode(errors="replace"), stored=kept)
        self._write(image_id, "image", image.model_dump_json().encode())

    def prune(self, most_bytes: int = _LARGEST_FOLDER) -> None:
        """Remove the least recently used files beyond a total size."""
        with contextlib.suppress(OSError):
            files = [(path, path.stat()) for path in self._folder.iterdir() if path.is_file()]
            left = sum(status.st_size for _, status in files)
            for path, status in sorted(files, key=lambda file: file[1].st_mtime):
                if left <= most_bytes:
                    break
                path.unlink(missing_ok=True)
                left -= status.st_size

    def _read(self, digest: str, kind: str, most: int) -> bytes | None:
        path = self._path(digest, kind)
        if path is None:
            return None
        try:
            data = read_plain(path, most)
            os.utime(path)  # marks it as used
        except OSError:
            return None
        return data if len(data) <= most else None

    def _write(self, digest: str, kind: str, data: bytes) -> None:
        path = self._path(digest, kind)
        if path is None:
            return
        with contextlib.suppress(OSError):
            write_whole(path, data)

    def _path(self, digest: str, kind: str) -> Path | None:
        return self._folder / f"{digest.replace(':', '-')}.{kind}" if _DIGEST.fullmatch(digest) else None


def _encoded(layer: Layer) -> bytes:
    parts = [layer.removals, layer.additions, *layer.packed_documents.values()]
    head = {
        "file_bytes": layer.file_bytes,
        "entry_count": layer.entry_count,
        "tar_bytes": layer.tar_bytes,
        "gzip_bytes": layer.gzip_bytes,
        "check": _check(parts),
        "removals": len(layer.removals),
        "additions": len(layer.additions),
        # escaped, because a path may contain bytes that are not text
        "documents": [
            (path.encode("unicode_escape").decode(), len(packed)) for path, packed in layer.packed_documents.items()
        ],
    }
    return b"".join([json.dumps(head).encode(), b"\n", *parts])


def _decoded(data: bytes) -> Layer | None:
    line, _, rest = data.partition(b"\n")
    try:
        head = _Head.model_validate_json(line)
        names = [path.encode("ascii").decode("unicode_escape") for path, _ in head.documents]
    except (ValidationError, ValueError):
        return None
    parts: list[bytes] = []
    at = 0
    for length in (head.removals, head.additions, *(length for _, length in head.documents)):
        parts.append(rest[at : at + length])
        at += length
    if at != len(rest) or _check(parts) != head.check:
        return None
    documents = dict(zip(names, parts[2:], strict=True))
    return Layer(head.file_bytes, head.entry_count, head.tar_bytes, parts[0], parts[1], documents, head.gzip_bytes)


def _check(parts: list[bytes]) -> int:
    check = 0
    for part in parts:
        check = zlib.crc32(part, check)
    return check
