"""Decompresses layers and archives. The format is detected from the first bytes, and never from name or media type."""

import gzip
import io
import zlib
from enum import StrEnum
from typing import Protocol, cast

from membudget.contents.stores.tar_reader import Readable
from membudget.core.errors import UnreadableImage


class RawStream(io.RawIOBase):
    """A base class for streams. Subclasses only define `take`."""

    def take(self, size: int) -> bytes:
        """Return up to `size` bytes, and none at the end."""
        raise NotImplementedError

    def readable(self) -> bool:
        """Return True, as `io.RawIOBase` asks for."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill `buffer` with the next bytes."""
        target = memoryview(buffer)  # type: ignore[arg-type] # io.RawIOBase promises a buffer
        data = self.take(len(target))
        target[: len(data)] = data
        return len(data)


_BUFFER = 1 << 18
_ALWAYS_ALLOWED = 16 << 30
_MOST_TIMES = 300
"""The limit for decompressed data: 16 GiB, or 300 times the compressed size. Only files full of zeros exceed it, and no
real layer does.
"""
_LARGEST_WINDOW = 1 << 27
"""The most bytes of memory that a zstd stream may use (zstd(1), `--long`)."""


class Peekable(Readable, Protocol):
    """A stream that can show its next bytes."""

    def peek(self, size: int, /) -> bytes:
        """Return some of the next bytes without consuming them."""


class Compression(StrEnum):
    """The format of compression, which is the end of an OCI media type."""

    NONE = "tar"
    GZIP = "tar+gzip"
    ZSTD = "tar+zstd"


_MAGIC = {b"\x1f\x8b": Compression.GZIP, b"\x28\xb5\x2f\xfd": Compression.ZSTD}
_STRANGE = {b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"PK\3\4": "zip", b"\x04\x22\x4d\x18": "lz4"}
_LONGEST_MAGIC = 6


def sniff(start: bytes) -> Compression:
    """Return the compression of data from its `start`. Raises UnreadableImage for a format that images do not use."""
    for magic, compression in _MAGIC.items():
        if start.startswith(magic):
            return compression
    for magic, name in _STRANGE.items():
        if start.startswith(magic):
            raise UnreadableImage(f"the data is compressed with {name}; images use gzip, zstd or no compression")
    if len(start) >= 4 and start[1:4] == b"\x2a\x4d\x18" and start[0] & 0xF0 == 0x50:
        return Compression.ZSTD  # starts with a skippable frame (RFC 8878, 3.1.2)
    return Compression.NONE


class Expansion:
    """Limits how much the layers of an image may grow in total by decompression."""

    def __init__(self, outer: "Expansion | None" = None) -> None:
        """Start to count.

        `outer` belongs to a compressed archive around the layers. Growth is then relative to the size of that archive.
        """
        self._outer = outer
        self._taken = 0
        self._given = 0

    def take(self, size: int) -> None:
        """Add bytes that were read."""
        self._taken += size

    def give(self, size: int) -> None:
        """Add decompressed bytes. Raises UnreadableImage for a decompression bomb."""
        self._given += size
        taken = self._taken if self._outer is None else self._outer._taken  # noqa: SLF001 - the same class
        if self._given > _ALWAYS_ALLOWED and self._given > _MOST_TIMES * taken:
            raise UnreadableImage(f"the data decompresses to more than {_MOST_TIMES} times its size, like a bomb")


def decompressed(stream: Peekable, expansion: Expansion) -> tuple[Readable, Compression]:
    """Return the decompressed content of a stream, buffered, and its compression."""
    compression = sniff(stream.peek(_LONGEST_MAGIC)[:_LONGEST_MAGIC])
    if compression is Compression.NONE:
        return stream, compression
    return io.BufferedReader(_Decompressed(stream, compression, expansion), _BUFFER), compression


class _Decompressed(RawStream):
    """The content of a compressed stream. Raises UnreadableImage if it is damaged, truncated or a bomb."""

    def __init__(self, stream: Readable, compression: Compression, expansion: Expansion) -> None:
        super().__init__()
        buffered = io.BufferedReader(_Counted(stream, expansion), _BUFFER)
        self._plain, self._damage = (_gzip if compression is Compression.GZIP else _zstd)(buffered)
        self._compression = compression
        self._expansion = expansion

    def take(self, size: int) -> bytes:
        try:
            data = self._plain.read(size)
        except self._damage as error:
            raise UnreadableImage(f"the {self._compression} data is damaged: {error}") from error
        self._expansion.give(len(data))
        return data


def _gzip(stream: "io.BufferedReader[_Counted]") -> tuple[Readable, tuple[type[Exception], ...]]:
    """Return the content, and the exceptions that reading it raises if it is damaged."""
    return cast("Readable", gzip.GzipFile(fileobj=stream)), (EOFError, OSError, zlib.error)


def _zstd(stream: "io.BufferedReader[_Counted]") -> tuple[Readable, tuple[type[Exception], ...]]:
    import zstandard  # few images need it, and it takes 2 MiB

    reader = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
    plain = reader.stream_reader(stream, read_across_frames=True, closefd=False)
    return cast("Readable", plain), (EOFError, OSError, zstandard.ZstdError)


class _Counted(RawStream):
    """A stream that counts the bytes that are read from it."""

    def __init__(self, stream: Readable, expansion: Expansion) -> None:
        super().__init__()
        self._stream = stream
        self._expansion = expansion

    def take(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._expansion.take(len(data))
        return data
