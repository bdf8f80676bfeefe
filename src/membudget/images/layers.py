"""The layers of an exported image: how many bytes of regular files each holds. Nothing is ever unpacked."""

import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from typing import IO, Self, cast

from membudget.errors import EnvironmentFault

_LARGEST_JSON_BYTES = 8_000_000
_TAR_MAGIC_AT, _TAR_MAGIC_END = 257, 262
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class UnreadableImage(EnvironmentFault):
    """An export that is not what `docker save` writes; the message says in which way."""


class ChunkReader(io.RawIOBase):
    """A file over chunks that arrive one by one."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill `buffer` with what there is."""
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        target = memoryview(buffer)  # type: ignore[arg-type] # io.RawIOBase promises a buffer
        size = min(len(target), len(self._rest))
        target[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


class _Member(tarfile.TarInfo):
    """A member whose header has to be one: tarfile would take a damaged one for the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """The header in a block."""
        try:
            return super().frombuf(buf, encoding, errors)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise UnreadableImage(f"its export is damaged: {error}") from error


def layer_file_bytes(stream: IO[bytes]) -> dict[str, int]:
    """Bytes of regular files in each layer of a `docker save` stream, by the layer's DiffID.

    Understands the legacy and the OCI layout. Raises UnreadableImage.
    """
    sizes: dict[str, int] = {}
    links: dict[str, str] = {}
    documents: dict[str, object] = {}
    try:
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member) as archive:
            for member in archive:
                if member.issym():  # the legacy layout stores a repeated layer once
                    links[member.name] = member.linkname.removeprefix("../")
                if not member.isreg():
                    continue
                content = cast("io.BufferedReader", archive.extractfile(member))  # tarfile.ExFileObject is one
                if _is_json(content.peek(_TAR_MAGIC_END)):
                    documents[member.name] = json.loads(content.read(_LARGEST_JSON_BYTES))
                elif member.name.endswith("/layer.tar") or member.name.startswith("blobs/"):
                    sizes[member.name] = _file_bytes(content)
    except (tarfile.TarError, OSError, EOFError, ValueError, RecursionError) as error:
        raise UnreadableImage(f"its export is damaged: {error}") from error
    sizes |= {name: sizes[target] for name, target in links.items() if target in sizes}
    return _by_diff_id(documents, sizes)


def _is_json(start: bytes) -> bool:
    """Whether a member is a document. A layer may begin with a brace, too: in the name of its first file."""
    return start[:1] in (b"{", b"[") and b"ustar" not in start[_TAR_MAGIC_AT:_TAR_MAGIC_END]


def _by_diff_id(documents: dict[str, object], sizes: dict[str, int]) -> dict[str, int]:
    """Join layers to their DiffIDs: manifest.json lists an image's layers, its config their DiffIDs, in one order."""
    try:
        manifest = documents["manifest.json"]
        if not isinstance(manifest, list):
            raise TypeError(manifest)
        return {
            str(diff_id): sizes[path]
            for image in manifest
            for path, diff_id in zip(
                image["Layers"] or (),
                documents[image["Config"]]["rootfs"]["diff_ids"] or (),  # type: ignore[index] # likewise
                strict=True,
            )
        }
    except (TypeError, KeyError, ValueError) as error:
        raise UnreadableImage("its export does not say which layers it holds") from error


def _file_bytes(content: io.BufferedReader) -> int:
    magic = content.peek(4)[:4]
    if magic == _ZSTD:
        raise UnreadableImage("a layer is compressed with zstd, which this version cannot read")
    layer: IO[bytes] = gzip.GzipFile(fileobj=content) if magic.startswith(_GZIP) else content  # type: ignore[assignment]
    try:
        with tarfile.open(fileobj=layer, mode="r|", tarinfo=_Member) as archive:
            return sum(member.size for member in archive if member.isreg())
    except tarfile.ReadError as error:
        if "empty file" in str(error):
            return 0
        raise
