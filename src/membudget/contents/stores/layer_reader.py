"""Reads the archive of one layer into a `Layer`, without unpacking it."""

import hashlib
import zlib

from membudget.contents.image import LARGEST_DOCUMENT_BYTES, EntryKind, Layer, LayerEntry, Packer, normal_path
from membudget.contents.packages.finder import found_by, is_wanted, scans_for
from membudget.contents.stores.tar_reader import Content, Readable, TarHeader, TarReader
from membudget.core.errors import UnreadableImage

MOST_ENTRIES = 1_000_000
"""The most entries of one layer. The largest known images have a tenth of that."""
_LONGEST_PATH = 4096
"""PATH_MAX in bytes. No engine can unpack a longer path (path_resolution(7))."""
_MOST_PATH_BYTES = 256 << 20
_CHUNK = 1 << 18
_QUICK = 1
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_AUFS_OWN = ".wh..wh."
_EMPTY_DIGEST = int.from_bytes(hashlib.sha256().digest()[:8])


def read_layer(stream: Readable, *, compresses: bool = False) -> Layer:
    """Read a layer from its uncompressed archive, to its end. Raises UnreadableImage.

    If `compresses` is set, determine its compressed size too, which takes about thirty times as long.
    """
    gzip = _Gzip(stream) if compresses else None
    reader = TarReader(gzip or stream)
    additions, removals = Packer(), Packer()
    documents = _Documents()
    count = file_bytes = path_bytes = 0
    for header in reader:
        count += 1
        if count > MOST_ENTRIES:
            raise UnreadableImage(f"a layer has more than {MOST_ENTRIES:,} entries")
        path = normal_path(header.name)
        path_bytes += len(path)
        if len(path) > _LONGEST_PATH or path_bytes > _MOST_PATH_BYTES:
            raise UnreadableImage(f"a layer has paths that are too long ({len(path):,} characters)")
        folder, _, name = path.rpartition("/")
        if name.startswith(_WHITEOUT):
            if name == _OPAQUE:
                removals.add(LayerEntry(folder, EntryKind.OPAQUE, 0, 0, ""))
            elif not name.startswith(_AUFS_OWN):
                removed = name.removeprefix(_WHITEOUT)
                removals.add(LayerEntry(normal_path(f"{folder}/{removed}"), EntryKind.WHITEOUT, 0, 0, ""))
            continue
        digest = 0
        if header.kind is EntryKind.FILE:
            file_bytes += header.size
            digest = _digest(header, path, reader.content, documents) if header.stored else _EMPTY_DIGEST
        target = normal_path(header.target) if header.kind is EntryKind.HARD_LINK else header.target
        additions.add(LayerEntry(path, header.kind, header.size, digest, target))
    return Layer(
        file_bytes,
        count,
        reader.read_bytes,
        removals.packed(),
        additions.packed(),
        documents.packed,
        gzip.length() if gzip is not None else None,
    )


class _Gzip:
    """A stream that is compressed while it is read, to determine the length."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._compressor = zlib.compressobj(6, wbits=31)
        self._length = 0

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        self._length += len(self._compressor.compress(data))
        return data

    def length(self) -> int:
        return self._length + len(self._compressor.flush())


class _Documents:
    """The documents about packages that are stored with a layer. Beyond a limit, packages remain unnamed."""

    def __init__(self) -> None:
        self.packed: dict[str, bytes] = {}
        self._left = LARGEST_DOCUMENT_BYTES

    def keep(self, path: str, document: bytes) -> None:
        if len(document) <= self._left:
            self._left -= len(document)
            self.packed[path] = zlib.compress(document, _QUICK)


def _digest(header: TarHeader, path: str, content: Content, documents: _Documents) -> int:
    """Return the digest of a file's content, and inspect the content on the way."""
    first = content.read(_CHUNK)
    digest = hashlib.sha256(first)
    if header.stored <= LARGEST_DOCUMENT_BYTES and is_wanted(path, header.stored):
        kept = bytearray(first)
        while content.left:
            chunk = content.read(_CHUNK)
            digest.update(chunk)
            kept += chunk
        documents.keep(path, bytes(kept))
    else:
        scans = scans_for(path, header.stored, first)
        for scan in scans:
            scan.feed(first)
        while content.left:
            chunk = content.read(_CHUNK)
            digest.update(chunk)
            for scan in scans:
                scan.feed(chunk)
        found = found_by(scans) if scans else None
        if found is not None:
            documents.keep(path, found)
    return int.from_bytes(digest.digest()[:8])
