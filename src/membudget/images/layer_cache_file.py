"""Remembers what was read of a layer. A layer's DiffID is the digest of its content, so nothing ever goes stale."""

import contextlib
import os
import re
import tempfile
from pathlib import Path

_DIFF_ID = re.compile(r"sha(?:256|512):[0-9a-f]{64,128}")
_LARGEST_LAYER_BYTES = 1 << 50
_MOST_DIGITS = len(str(_LARGEST_LAYER_BYTES))


class LayerCache:
    """A folder with one small file a layer: readable by many at once, and a broken file costs one layer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "layer-file-bytes"

    def get(self, diff_id: str) -> int | None:
        """Regular-file bytes of a layer; None when it was not seen before."""
        path = self._path(diff_id)
        try:
            text = _start_of(path) if path is not None else b""
        except OSError:
            return None
        return int(text) if text.isdigit() and int(text) < _LARGEST_LAYER_BYTES else None

    def put(self, diff_id: str, file_bytes: int) -> None:
        """Remember a layer. A cache that cannot be written costs time, not the check."""
        path = self._path(diff_id)
        if path is None:
            return
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self._folder)
            try:
                with os.fdopen(descriptor, "w") as file:
                    file.write(str(file_bytes))
                Path(name).replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(name).unlink()
                raise

    def _path(self, diff_id: str) -> Path | None:
        return self._folder / diff_id.replace(":", "-") if _DIFF_ID.fullmatch(diff_id) else None


def _start_of(path: Path) -> bytes:
    """As much of a file as one of ours could hold, and a byte more."""
    with path.open("rb") as file:
        return file.read(_MOST_DIGITS + 1)
