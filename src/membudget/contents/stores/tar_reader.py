"""Reads the headers of a tar stream: ustar, GNU and pax, like container engines do (Go's archive/tar).

`tarfile` is not used, because it takes 1.3 to 1.65 times as long as the engine's export (docs/adr/0015). Nothing is
unpacked: contents are skipped or returned. At most `LONGEST_HEADER` is kept of a header, whatever size it claims.
"""

import zlib
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from membudget.contents.image import EntryKind
from membudget.core.errors import UnreadableImage

BLOCK = 512
LONGEST_HEADER = 1 << 20
"""The most bytes of a long name or of pax records. Go's reader has the same limit."""
_CHUNK = 1 << 18
_ZEROS = bytes(BLOCK)
_KINDS = {
    b"0": EntryKind.FILE,
    b"\0": EntryKind.FILE,
    b"7": EntryKind.FILE,
    b"S": EntryKind.FILE,
    b"1": EntryKind.HARD_LINK,
    b"2": EntryKind.SYMLINK,
    b"5": EntryKind.FOLDER,
}
_WITHOUT_CONTENT = frozenset(b"123456")
_LARGEST = 1 << 50
"""The most bytes of a file: 1 PiB, which is more than file systems support. Sparse files can claim any size."""


class Readable(Protocol):
    """A stream whose reads return everything that was asked for, except at its end."""

    def read(self, size: int, /) -> bytes:
        """Return the next `size` bytes. Only at the end, there are fewer."""


class TarHeader(NamedTuple):
    """The headers of a member."""

    name: str
    """The name as written. Bytes that are not UTF-8 become surrogate escapes."""
    kind: EntryKind
    size: int
    """The size of the file. Of a sparse file, it includes the holes."""
    target: str
    stored: int
    """The bytes in the archive, which `content` reads."""


class Content:
    """The next `left` bytes of a stream. The reader skips bytes that were not read.

    This is not a file of `io`, because there is one for each member, and each would be closed when it is collected.
    """

    __slots__ = ("_stream", "left")

    def __init__(self, stream: Readable, left: int) -> None:
        self._stream = stream
        self.left = left

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes. Raises UnreadableImage if the archive ends before."""
        wanted = min(size, self.left)
        if not wanted:
            return b""
        data = self._stream.read(wanted)
        if not data:
            raise UnreadableImage("the archive is cut off in the content of a file")
        self.left -= len(data)
        return data


class TarReader:
    """Iterates over the members of a tar stream."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._content = Content(stream, 0)
        self._padding = 0
        self.read_bytes = 0
        """The length of the archive that was read so far."""

    def __iter__(self) -> Iterator[TarHeader]:
        """Yield the header of each member. Its content must be read before the next one. Raises UnreadableImage."""
        long_name: bytes | None = None
        long_target: bytes | None = None
        records: dict[str, str] = {}
        while (block := self._next_block()) is not None:
            flag = block[156:157]
            size = _number(block[124:136], "size")
            if flag in (b"L", b"K"):
                text = self._whole(size).rstrip(b"\0")
                long_name, long_target = (text, long_target) if flag == b"L" else (long_name, text)
                continue
            if flag == b"x":
                records |= _pax_records(self._whole(size))
                continue
            if flag == b"g":  # a header of the whole archive has no sizes or names (Go ignores it too)
                self._whole(size)
                continue
            yield self._header(block, flag, size, (long_name, long_target), records)
            self._skip(self._content.left + self._padding)
            long_name = long_target = None
            records = {}
        if long_name is not None or long_target is not None or records:
            raise UnreadableImage("the archive is cut off after a long name")

    @property
    def content(self) -> Content:
        """Return the content of the current member."""
        return self._content

    def _header(
        self, block: bytes, flag: bytes, size: int, long: tuple[bytes | None, bytes | None], records: dict[str, str]
    ) -> TarHeader:
        name = _text(long[0]) if long[0] is not None else _short_name(block)
        target = _text(long[1] if long[1] is not None else block[157:257])
        kind = _KINDS.get(flag, EntryKind.OTHER)
        if records:
            name = records.get("GNU.sparse.name") or records.get("path") or name
            target = records.get("linkpath") or target
            size = _decimal(records["size"]) if "size" in records else size
        if kind is EntryKind.FILE and flag in (b"\0", b"0") and name.endswith("/"):
            kind = EntryKind.FOLDER  # before POSIX, a folder was a file with such a name
        stored = 0 if flag[0] in _WITHOUT_CONTENT else size
        self._content = Content(self._stream, stored)
        self._padding = -stored % BLOCK
        self.read_bytes += stored + self._padding
        if kind is not EntryKind.FILE:
            size = 0
        elif records or flag == b"S":
            size = self._sparse_size(block, flag, records, size)
        return TarHeader(name, kind, size, target, stored)

    def _sparse_size(self, block: bytes, flag: bytes, records: dict[str, str], size: int) -> int:
        """Return the full size of a file that is stored without its holes."""
        if flag == b"S":  # GNU tar's manual, "Storing Sparse Files", old format
            extended = block[482]
            while extended:
                more = self._block()
                if more is None:
                    raise UnreadableImage("the archive is cut off in the map of a sparse file")
                extended = more[504]
            return _number(block[483:495], "real size")
        for key in ("GNU.sparse.realsize", "GNU.sparse.size"):
            if key in records:
                return _decimal(records[key])
        return size

    def _next_block(self) -> bytes | None:
        block = self._block()
        if block is None:
            return None
        if block == _ZEROS:
            self._drain()
            return None
        stated = _number(block[148:156], "checksum")
        unsigned = _sum(block) - sum(block[148:156]) + 256
        if stated != unsigned and stated != unsigned - 256 * sum(byte > 127 for byte in block[:148] + block[156:]):
            raise UnreadableImage("the archive is damaged: a header's checksum is wrong")
        return block

    def _block(self) -> bytes | None:
        block = self._stream.read(BLOCK)
        self.read_bytes += len(block)
        if len(block) == BLOCK:
            return block
        if block:
            raise UnreadableImage("the archive is cut off in a header")
        return None

    def _whole(self, size: int) -> bytes:
        """Return the content that belongs to a header."""
        if size > LONGEST_HEADER:
            raise UnreadableImage(f"the archive has a header of {size:,} bytes; at most {LONGEST_HEADER:,} are allowed")
        padded = size + -size % BLOCK
        data = self._stream.read(padded)
        self.read_bytes += len(data)
        if len(data) < padded:
            raise UnreadableImage("the archive is cut off in a header")
        return data[:size]

    def _skip(self, size: int) -> None:
        while size > 0:
            data = self._stream.read(min(size, _CHUNK))
            if not data:
                raise UnreadableImage("the archive is cut off in the content of a file")
            size -= len(data)

    def _drain(self) -> None:
        """Read the rest of the stream: tar pads it to its record size."""
        while data := self._stream.read(_CHUNK):
            self.read_bytes += len(data)


def _sum(block: bytes) -> int:
    """Return the sum of a block's bytes, from the lower half of an Adler-32.

    That half is one more, modulo 65,521, which ASCII does not reach.
    """
    return (zlib.adler32(block) & 0xFFFF) - 1 if block.isascii() else sum(block)


def _short_name(block: bytes) -> str:
    name = _text(block[:100])
    if block[257:263] == b"ustar\0" and block[345]:
        return f"{_text(block[345:500])}/{name}"
    return name


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode(errors="surrogateescape")


def _number(field: bytes, what: str) -> int:
    """Return a number in a header: octal digits, or binary if they do not suffice (GNU)."""
    if field[0] & 0x80:
        if field[0] & 0x40:
            raise UnreadableImage(f"the archive is damaged: a header's {what} is negative")
        number = int.from_bytes(field) & ~(1 << (8 * len(field) - 1))
    else:
        digits = field.strip(b" \0").partition(b"\0")[0]
        try:
            number = int(digits, 8) if digits else 0
        except ValueError:
            number = -1
    if not 0 <= number < _LARGEST:
        raise UnreadableImage(f"the archive is damaged: a header's {what} is not a number")
    return number


def _decimal(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 19 and int(text) < _LARGEST):
        raise UnreadableImage("the archive is damaged: a pax record's size is not a number")
    return int(text)


_PAX_KEYS = ("path", "linkpath", "size", "GNU.sparse.name", "GNU.sparse.realsize", "GNU.sparse.size")


def _pax_records(data: bytes) -> dict[str, str]:
    """Return the records that are needed: `LENGTH KEY=VALUE` and a line feed (POSIX, pax, "Extended Header")."""
    records: dict[str, str] = {}
    at = 0
    while at < len(data):
        if not data[at]:
            break  # padding
        space = data.find(b" ", at, at + 20)
        length = data[at:space] if space > at else b""
        if not length.isdigit() or not space + 1 < at + int(length) <= len(data):
            raise UnreadableImage("the archive is damaged: a pax record has no length")
        end = at + int(length)
        key, equals, value = data[space + 1 : end].removesuffix(b"\n").partition(b"=")
        if not equals:
            raise UnreadableImage("the archive is damaged: a pax record has no value")
        name = key.decode(errors="replace")
        if name in _PAX_KEYS:
            records[name] = _text(value)
        at = end
    return records
