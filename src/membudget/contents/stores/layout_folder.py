"""An OCI image layout: a folder with `index.json` and `blobs/` (OCI image specification, "Image Layout")."""

import hashlib
import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from membudget.contents.image_config import Blob, describe_layer
from membudget.contents.stores.manifest import LARGEST_DOCUMENT, is_digest
from membudget.contents.stores.streams import Peekable
from membudget.core.errors import ConfigurationError
from membudget.core.files import read_plain
from membudget.core.unreadable import UnreadableImage

_BUFFER = 1 << 20


class LayoutFolder:
    """The blobs of a layout."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def index(self) -> bytes:
        """Its index. Raises ConfigurationError where it has none."""
        try:
            return _read(self._folder / "index.json")
        except OSError as error:
            raise ConfigurationError(
                f"it is no OCI layout: its index.json cannot be read ({error.strerror})", where=str(self._folder)
            ) from None

    def document(self, digest: str) -> bytes:
        """A manifest or a configuration. Raises UnreadableImage when it is not what its digest says."""
        try:
            content = _read(self._path(digest))
        except OSError as error:
            raise UnreadableImage(f"its layout lacks {digest} ({error.strerror})") from error
        algorithm, _, digits = digest.partition(":")
        if hashlib.new(algorithm, content).hexdigest() != digits:
            raise UnreadableImage(f"its document {digest} is not what its digest says")
        return content

    @contextmanager
    def open_layer(self, blob: Blob) -> Iterator[Peekable]:
        """A layer as it is stored. Raises UnreadableImage."""
        path = self._path(blob.digest)
        try:
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                raise UnreadableImage(f"its layer {blob.digest} is not a file")
            file = path.open("rb", buffering=0)
        except OSError as error:
            raise UnreadableImage(f"its layout lacks {describe_layer(blob)} ({error.strerror})") from error
        with file:
            if found.st_size != blob.size:
                has = f"has {found.st_size} bytes, its manifest says {blob.size}"
                raise UnreadableImage(f"its layer {blob.digest} {has}")
            yield io.BufferedReader(file, _BUFFER)

    def _path(self, digest: str) -> Path:
        if not is_digest(digest):
            raise UnreadableImage("its manifest names a blob by no digest")
        algorithm, _, digits = digest.partition(":")
        return self._folder / "blobs" / algorithm / digits


def _read(path: Path) -> bytes:
    content = read_plain(path, LARGEST_DOCUMENT)
    if len(content) > LARGEST_DOCUMENT:
        raise UnreadableImage(f"its document {path.name} is larger than {LARGEST_DOCUMENT:,} bytes")
    return content
