"""How a layer or an archive is compressed: told by its first bytes, never by its name or media type."""

import gzip
import io
import zlib
from enum import StrEnum
from typing import Protocol, cast

from membudget.contents.stores.tar_reader import Readable
from membudget.core.errors import UnreadableImage


class RawStream(io.RawIOBase):
    """A stream that gives bytes by `take`: what else a reader asks of one is here."""

    def take(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end."""
        raise NotImplementedError

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill `buffer` with what there is."""
        target = memoryview(buffer)  # type: ignore[arg-type] # io.RawIOBase promises a buffer
        data = self.take(len(target))
        target[: len(data)] = data
        return len(data)


_BUFFER = 1 << 18
_ALWAYS_ALLOWED = 16 << 30
_MOST_TIMES = 300
"""What an image may grow to: 16 GiB, or 300 times what it takes. Files full of zeros do more, nobody's layers."""
_LARGEST_WINDOW = 1 << 27
"""Bytes of memory that a zstd stream may ask for (zstd(1), `--long`)."""


class Peekable(Readable, Protocol):
    """A stream that shows what comes next."""

    def peek(self, size: int, /) -> bytes:
        """Some of the next bytes; they stay."""


class Compression(StrEnum):
    """How bytes are compressed: the end of an OCI media type."""

    NONE = "tar"
    GZIP = "tar+gzip"
    ZSTD = "tar+zstd"


_MAGIC = {b"\x1f\x8b": Compression.GZIP, b"\x28\xb5\x2f\xfd": Compression.ZSTD}
_STRANGE = {b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"PK\3\4": "zip", b"\x04\x22\x4d\x18": "lz4"}
_LONGEST_MAGIC = 6


def sniff(start: bytes) -> Compression:
    """How what begins with `start` is compressed. Raises UnreadableImage for what no image is compressed with."""
    for magic, compression in _MAGIC.items():
        if start.startswith(magic):
            return compression
    for magic, name in _STRANGE.items():
        if start.startswith(magic):
            raise UnreadableImage(f"it is compressed with {name}; images use gzip, zstd or nothing")
    if len(start) >= 4 and start[1:4] == b"\x2a\x4d\x18" and start[0] & 0xF0 == 0x50:
        return Compression.ZSTD  # begins with a frame to skip (RFC 8878, 3.1.2)
    return Compression.NONE


class Expansion:
    """What the layers of an image grow to by decompressing, all together."""

    def __init__(self, outer: "Expansion | None" = None) -> None:
        """`outer`: that of an archive around them, which is compressed itself: what it takes counts, not its inside."""
        self._outer = outer
        self._taken = 0
        self._given = 0

    def take(self, size: int) -> None:
        """So many bytes were read."""
        self._taken += size

    def give(self, size: int) -> None:
        """They became so many. Raises UnreadableImage for a bomb."""
        self._given += size
        taken = self._taken if self._outer is None else self._outer._taken  # noqa: SLF001 - one of us
        if self._given > _ALWAYS_ALLOWED and self._given > _MOST_TIMES * taken:
            raise UnreadableImage(f"its data grows to over {_MOST_TIMES} times its size: a bomb")


def decompressed(stream: Peekable, expansion: Expansion) -> tuple[Readable, Compression]:
    """The content of a stream that may be compressed, buffered, and how it was."""
    compression = sniff(stream.peek(_LONGEST_MAGIC)[:_LONGEST_MAGIC])
    if compression is Compression.NONE:
        return stream, compression
    return io.BufferedReader(_Decompressed(stream, compression, expansion), _BUFFER), compression


class _Decompressed(RawStream):
    """The content of a compressed stream. Raises UnreadableImage where it is damaged, cut off, or a bomb."""

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
            raise UnreadableImage(f"its {self._compression} data is damaged: {error}") from error
        self._expansion.give(len(data))
        return data


def _gzip(stream: "io.BufferedReader[_Counted]") -> tuple[Readable, tuple[type[Exception], ...]]:
    """The content, and what reading it raises where it is damaged."""
    return cast("Readable", gzip.GzipFile(fileobj=stream)), (EOFError, OSError, zlib.error)


def _zstd(stream: "io.BufferedReader[_Counted]") -> tuple[Readable, tuple[type[Exception], ...]]:
    import zstandard  # few images need it, and it takes two mebibytes

    reader = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
    plain = reader.stream_reader(stream, read_across_frames=True, closefd=False)
    return cast("Readable", plain), (EOFError, OSError, zstandard.ZstdError)


class _Counted(RawStream):
    """A stream that counts what is taken of it."""

    def __init__(self, stream: Readable, expansion: Expansion) -> None:
        super().__init__()
        self._stream = stream
        self._expansion = expansion

    def take(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._expansion.take(len(data))
        return data
