"""An image as it was read: its configuration, and the entries and documents of each layer.

Layers are also kept between runs. Their entries are held as compressed bytes, in archive order, and decoded while they
are walked: the entries of 80,000 files take a few MiB.
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
"""Level of compression: higher ones take longer than reading the archive."""
LARGEST_DOCUMENT_BYTES = 64 << 20


class DamagedLayer(ValueError):
    """What was kept of a layer cannot be unpacked."""


class EntryKind(StrEnum):
    """What a tar entry is."""

    FILE = "f"
    HARD_LINK = "h"
    SYMLINK = "l"
    FOLDER = "d"
    OTHER = "o"
    """Devices, pipes, sockets."""
    WHITEOUT = "w"
    """Removes what lower layers have at its path (OCI image specification, "Whiteouts")."""
    OPAQUE = "q"
    """Removes all that lower layers have below its path."""


class Entry(NamedTuple):
    """One entry of a layer's archive."""

    path: str
    """Within the image, without a slash at either end; bytes that are no UTF-8 are surrogate escapes."""
    kind: EntryKind
    size: int
    """Bytes of a regular file; 0 for all else."""
    digest: int
    """First 64 bits of a regular file's SHA-256: equal ones of equal size are the same content."""
    target: str
    """Where a link leads; empty for all else."""


@dataclass(frozen=True, slots=True)
class Layer:
    """What was read of one layer."""

    file_bytes: int
    """Regular-file bytes: its part of `image_size`."""
    entry_count: int
    tar_bytes: int
    """Length of the uncompressed archive."""
    removals: bytes
    """Its whiteouts, packed: they count before its entries, wherever they lie."""
    additions: bytes
    """All other entries, packed."""
    packed_documents: Mapping[str, bytes]
    """By path: contents of the files that say which packages there are (see `packages.documents`), each compressed."""
    gzip_bytes: int | None = None
    """Length of the archive as `gzip -6` of zlib compresses it; None: it was not tried."""

    def entries(self) -> Iterator[Entry]:
        """What it adds, in archive order. Raises DamagedLayer."""
        return unpack(self.additions)

    def whiteouts(self) -> Iterator[Entry]:
        """What it removes of the layers below it. Raises DamagedLayer."""
        return unpack(self.removals)

    def document(self, path: str, most_bytes: int = LARGEST_DOCUMENT_BYTES) -> bytes | None:
        """The begin of a document it holds; None when it has none there. Raises DamagedLayer."""
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

    def add(self, entry: Entry) -> None:
        """Append an entry."""
        fields = (entry.kind, str(entry.size), f"{entry.digest:x}", entry.path, entry.target)
        self._waiting += fields
        if len(self._waiting) >= 1024 * _FIELDS:
            self._flush()

    def packed(self) -> bytes:
        """All of them."""
        self._flush()
        self._parts.append(self._compressor.flush())
        return b"".join(self._parts)

    def _flush(self) -> None:
        if self._waiting:
            text = "\0".join(self._waiting) + "\0"
            self._parts.append(self._compressor.compress(text.encode(errors="surrogateescape")))
            self._waiting = []


def unpack(packed: bytes) -> Iterator[Entry]:
    """The entries of packed bytes. Raises DamagedLayer where they are none of ours."""
    kinds = {kind.value: kind for kind in EntryKind}
    try:
        for kind, size, digest, path, target in _records(packed):
            yield Entry(path, kinds[kind], int(size), int(digest, 16), target)
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
"""Surrogates: bytes of a path that are no UTF-8, and what JSON may have escaped."""


def shown(text: str, longest: int = LONGEST_SHOWN) -> str:
    """A path or a name as text, cut in its middle where it is too long."""
    clean = _NO_CHARACTERS.sub("\ufffd", text)
    if len(clean) <= longest:
        return clean
    half = longest // 2 - 1
    return f"{clean[:half]}…{clean[-half:]}"


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One step of how an image was made."""

    created_by: str
    is_empty: bool
    """Whether it made no layer."""
    created: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What its configuration says."""

    platform: str
    """`linux/amd64`, `linux/arm64/v8`."""
    diff_ids: tuple[str, ...]
    """Digests of the uncompressed layers, lowest first."""
    history: tuple[HistoryEntry, ...]
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class Blob:
    """The bytes of one layer as its store keeps them, compressed or plain."""

    digest: str
    size: int
    """Bytes as stored, compressed or not."""
    media_type: str


def describe_layer(blob: Blob) -> str:
    """A layer that is missing, in words. Foreign ones are wherever their manifest says (image specification 1.0)."""
    is_foreign = "foreign" in blob.media_type or "nondistributable" in blob.media_type
    return f"the layer {blob.digest}" + (", a foreign one: it is kept elsewhere" if is_foreign else "")


COMPRESSED_BY_US = "gzip -6"


@dataclass(frozen=True, slots=True)
class StoredLayer:
    """A layer, and how its store keeps it."""

    diff_id: str
    """Digest of its uncompressed archive: equal ones are the same layer."""
    layer: Layer
    stored_bytes: int | None = None
    """As it is stored where it was read, if that is as a registry would: compressed. None: the store has it plain."""
    media_type: str | None = None
    """Of what `stored_bytes` counts."""
    blob_digest: str | None = None

    @property
    def download_bytes(self) -> int | None:
        """As its store has it compressed, else as we did."""
        return self.stored_bytes if self.stored_bytes is not None else self.layer.gzip_bytes


@dataclass(frozen=True, slots=True)
class ImageContents:
    """What an image is made of."""

    config: ImageConfig
    config_json: bytes
    """The configuration as it was written."""
    layers: tuple[StoredLayer, ...]
    """Lowest first."""

    @property
    def config_digest(self) -> str:
        """What most engines name the image by."""
        return f"sha256:{hashlib.sha256(self.config_json).hexdigest()}"

    @property
    def file_bytes(self) -> int:
        """`image_size`: regular-file bytes over all layers."""
        return sum(stored.layer.file_bytes for stored in self.layers)

    @property
    def download_bytes(self) -> int | None:
        """`image_download_size`; None where its store keeps a layer plain, and nobody compressed it."""
        sizes = [stored.download_bytes for stored in self.layers]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None

    @property
    def media_types(self) -> tuple[str, ...]:
        """Of what `download_bytes` counts, each once; "gzip -6" for layers that membudget compressed itself."""
        if self.download_bytes is None:
            return ()
        return tuple(dict.fromkeys(stored.media_type or COMPRESSED_BY_US for stored in self.layers))
