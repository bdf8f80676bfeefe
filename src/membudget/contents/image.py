"""An image as it was read: its configuration, and the entries and documents of each layer.

Layers are kept between runs too. Their entries are held as compressed bytes, in archive order, and decoded during
iteration: the entries of 80,000 files take a few MiB.
"""

import hashlib
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

_CHUNK = 1 << 16
_FIELDS = 5
_QUICK = 1
"""The level of compression. Higher ones take longer than reading the archive."""
LARGEST_DOCUMENT_BYTES = 64 << 20


class DamagedLayer(ValueError):
    """A stored layer cannot be unpacked."""


class EntryKind(StrEnum):
    """The type of a tar entry."""

    FILE = "f"
    HARD_LINK = "h"
    SYMLINK = "l"
    FOLDER = "d"
    OTHER = "o"
    """A device, a pipe or a socket."""
    WHITEOUT = "w"
    """Removes the entry of lower layers at its path (OCI image specification, "Whiteouts")."""
    OPAQUE = "q"
    """Removes everything of lower layers below its path."""


class LayerEntry(NamedTuple):
    """One entry of a layer's archive."""

    path: str
    """The path in the image, without slashes at its ends. Bytes that are not UTF-8 become surrogate escapes."""
    kind: EntryKind
    size: int
    """The bytes of a regular file, or 0."""
    digest: int
    """The first 64 bits of a regular file's SHA-256. Equal digests and sizes mean equal content."""
    target: str
    """The target of a link, or ""."""


@dataclass(frozen=True, slots=True)
class Layer:
    """The properties and entries of one layer."""

    file_bytes: int
    """The regular-file bytes, which are the layer's part of `image_size`."""
    entry_count: int
    tar_bytes: int
    """The length of the uncompressed archive."""
    removals: bytes
    """The packed whiteouts. They apply before all other entries of the layer, at any position in the archive."""
    additions: bytes
    """All other entries, packed."""
    packed_documents: Mapping[str, bytes]
    """The compressed contents of the files that describe packages, by path (see `packages.finder`)."""
    gzip_bytes: int | None = None
    """The length of the archive after zlib's `gzip -6`. None if it was not determined."""

    def entries(self) -> Iterator[LayerEntry]:
        """Yield the entries that the layer adds, in archive order. Raises DamagedLayer."""
        return unpack(self.additions)

    def whiteouts(self) -> Iterator[LayerEntry]:
        """Yield the entries that the layer removes from the layers below. Raises DamagedLayer."""
        return unpack(self.removals)

    def document(self, path: str, most_bytes: int = LARGEST_DOCUMENT_BYTES) -> bytes | None:
        """Return the first `most_bytes` of a document, or None if the layer does not have it. Raises DamagedLayer."""
        packed = self.packed_documents.get(path)
        if packed is None:
            return None
        try:
            return zlib.decompressobj().decompress(packed, most_bytes)
        except zlib.error as error:
            raise DamagedLayer(str(error)) from error


class Packer:
    """Packs entries one by one."""

    def __init__(self) -> None:
        self._compressor = zlib.compressobj(_QUICK)
        self._parts: list[bytes] = []
        self._waiting: list[str] = []

    def add(self, entry: LayerEntry) -> None:
        """Append an entry."""
        fields = (entry.kind, str(entry.size), f"{entry.digest:x}", entry.path, entry.target)
        self._waiting += fields
        if len(self._waiting) >= 1024 * _FIELDS:
            self._flush()

    def packed(self) -> bytes:
        """Return all entries as packed bytes."""
        self._flush()
        self._parts.append(self._compressor.flush())
        return b"".join(self._parts)

    def _flush(self) -> None:
        if self._waiting:
            text = "\0".join(self._waiting) + "\0"
            self._parts.append(self._compressor.compress(text.encode(errors="surrogateescape")))
            self._waiting = []


def unpack(packed: bytes) -> Iterator[LayerEntry]:
    """Yield the entries of packed bytes. Raises DamagedLayer if they are invalid."""
    kinds = {kind.value: kind for kind in EntryKind}
    try:
        for kind, size, digest, path, target in _records(packed):
            yield LayerEntry(path, kinds[kind], int(size), int(digest, 16), target)
    except (zlib.error, KeyError, ValueError) as error:
        raise DamagedLayer(f"no packed entries: {error}") from error


def _records(packed: bytes) -> Iterator[tuple[str, ...]]:
    decompressor = zlib.decompressobj()
    rest = b""
    fields: list[str] = []
    data = packed
    while not decompressor.eof:
        rest += decompressor.decompress(data, _CHUNK)
        data = decompressor.unconsumed_tail
        if not data and not decompressor.eof:
            raise ValueError("it is cut off")
        end = rest.rfind(b"\0") + 1
        fields += rest[:end].decode(errors="surrogateescape").split("\0")[:-1]
        rest = rest[end:]
        whole = len(fields) - len(fields) % _FIELDS
        yield from zip(*[iter(fields[:whole])] * _FIELDS, strict=True)
        fields = fields[whole:]
    if rest or fields:
        raise ValueError("it is cut off")


LONGEST_SHOWN = 512
_NO_CHARACTERS = re.compile("[\ud800-\udfff]")
"""Surrogates: bytes of a path that are not UTF-8, or JSON escapes."""


def normal_path(name: str) -> str:
    """Return the path in the image of a name in an archive or in a list of files.

    It never leads out: "./a//b/../c" becomes "a/c".
    """
    if "//" not in name and "/." not in name and not name.startswith((".", "/")):
        return name.rstrip("/")
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def shown(text: str, longest: int = LONGEST_SHOWN) -> str:
    """Return a path or a name as valid text. If it is too long, its middle is removed."""
    clean = _NO_CHARACTERS.sub("\ufffd", text)
    if len(clean) <= longest:
        return clean
    half = longest // 2 - 1
    return f"{clean[:half]}…{clean[-half:]}"


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One step in the history of an image."""

    created_by: str
    is_empty: bool
    """Whether the step created no layer."""
    created: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """The content of an image's configuration."""

    platform: str
    """Such as `linux/amd64` or `linux/arm64/v8`."""
    diff_ids: tuple[str, ...]
    """The digests of the uncompressed layers, lowest first."""
    history: tuple[HistoryEntry, ...]
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class Blob:
    """The bytes of one layer in its store, which may be compressed."""

    digest: str
    size: int
    """The number of bytes in the store."""
    media_type: str


def describe_layer(blob: Blob) -> str:
    """Return a description of a missing layer.

    A foreign layer is stored elsewhere, at an address in its manifest (image specification 1.0).
    """
    is_foreign = "foreign" in blob.media_type or "nondistributable" in blob.media_type
    return f"the layer {blob.digest}" + (", a foreign one: it is kept elsewhere" if is_foreign else "")


COMPRESSED_BY_US = "gzip -6"


@dataclass(frozen=True, slots=True)
class StoredLayer:
    """A layer, and how its store keeps it."""

    diff_id: str
    """The digest of the uncompressed archive. Equal digests mean the same layer."""
    layer: Layer
    stored_bytes: int | None = None
    """The compressed size in the store that it was read from. None if the store keeps it uncompressed."""
    media_type: str | None = None
    """The media type that `stored_bytes` belongs to."""
    blob_digest: str | None = None

    @property
    def download_bytes(self) -> int | None:
        """Return the compressed size in the store, else the size after membudget's own compression, else None."""
        return self.stored_bytes if self.stored_bytes is not None else self.layer.gzip_bytes


@dataclass(frozen=True, slots=True)
class ImageContents:
    """The content of an image."""

    config: ImageConfig
    config_json: bytes
    """The configuration as it was written."""
    layers: tuple[StoredLayer, ...]
    """The layers, lowest first."""

    @property
    def config_digest(self) -> str:
        """Return the digest by which most engines name the image."""
        return f"sha256:{hashlib.sha256(self.config_json).hexdigest()}"

    @property
    def file_bytes(self) -> int:
        """Return `image_size`: the regular-file bytes over all layers."""
        return sum(stored.layer.file_bytes for stored in self.layers)

    @property
    def download_bytes(self) -> int | None:
        """Return `image_download_size`. None if a layer is plain in its store and membudget did not compress it."""
        sizes = [stored.download_bytes for stored in self.layers]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None

    @property
    def media_types(self) -> tuple[str, ...]:
        """Return the media types that `download_bytes` counts, each once.

        "gzip -6" stands for layers that membudget compressed itself.
        """
        if self.download_bytes is None:
            return ()
        return tuple(dict.fromkeys(stored.media_type or COMPRESSED_BY_US for stored in self.layers))
