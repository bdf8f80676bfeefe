"""Provides memray's extension module for a container: fetched once, checked by its hash, and unpacked for this run.

The wheel is kept in membudget's cache. It is checked whenever it is used, because others may write there. What is
unpacked is mounted into the profiled container and runs only there.
"""

import hashlib
import re
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from threading import Lock

from membudget.core.errors import EnvironmentFault
from membudget.core.files import read_plain, write_whole
from membudget.measure.profiling.interpreter import Interpreter
from membudget.measure.profiling.memray_wheels import PROJECT, Wheel, wheel_for
from membudget.web.package_index import PackageIndex

_WANTED = re.compile(r"memray/_memray\.[\w.-]+\.so|memray\.libs/[\w.+-]+")
"""The extension module and the libraries that its wheel brings along: a third of the files, and no Python."""
_MOST_FILES = 40
_MOST_BYTES = 128 << 20


class MemrayFolders:
    """The folders to mount, one for each wheel that this run needs."""

    def __init__(self, cache: Path, scratch: Path, environ: Mapping[str, str]) -> None:
        """`scratch` is a folder that the end of the run removes."""
        self._cache = cache / "memray"
        self._scratch = scratch
        self._index = PackageIndex(environ)
        self._known: dict[str, Path | str] = {}
        self._lock = Lock()

    def folder(self, interpreter: Interpreter, platform: str) -> Path | str:
        """Return the folder for an interpreter on a platform ("linux/amd64"), or the reason why there is none.

        The reason is a part of a sentence. Nothing is fetched twice in a run, also if it failed.
        """
        wheel = wheel_for(interpreter, platform)
        if wheel is None:
            return f"memray has no wheel for Python 3.{interpreter.minor} with {interpreter.libc} on {platform}"
        with self._lock:
            if wheel.sha256 not in self._known:
                self._known[wheel.sha256] = self._provided(wheel)
            return self._known[wheel.sha256]

    def _provided(self, wheel: Wheel) -> Path | str:
        try:
            return self._unpacked(wheel)
        except EnvironmentFault as error:
            return f"memray could not be fetched: {error.what}"
        except OSError as error:
            return f"memray could not be unpacked: {error.strerror or type(error).__name__}"
        except Exception as error:  # noqa: BLE001 - an index and a proxy answer anything, and no profile is worth a check
            return f"memray could not be provided: {type(error).__name__}"  # its text may hold the index's login

    def _unpacked(self, wheel: Wheel) -> Path:
        """Raises EnvironmentFault and OSError."""
        folder = self._scratch / f"memray-{wheel.sha256[:16]}"
        if not folder.is_dir():
            unpack(self._content(wheel), folder)
        return folder

    def _content(self, wheel: Wheel) -> bytes:
        kept = self._cache / wheel.file
        try:
            content = read_plain(kept, wheel.size_bytes)
        except OSError:
            content = b""
        if hashlib.sha256(content).hexdigest() == wheel.sha256:
            return content
        content = self._index.fetch(PROJECT, wheel.file, wheel.size_bytes, wheel.sha256)
        with suppress(OSError):  # it is fetched again another time
            write_whole(kept, content)
        return content


def unpack(wheel: bytes, folder: Path) -> None:
    """Make a folder with the extension module and its libraries, for all users to read. It appears as a whole.

    Raises EnvironmentFault if the file is no such wheel, and OSError.
    """
    try:
        with zipfile.ZipFile(BytesIO(wheel)) as archive:
            wanted = [entry for entry in archive.infolist() if _WANTED.fullmatch(entry.filename)]
            if not wanted or len(wanted) > _MOST_FILES or sum(entry.file_size for entry in wanted) > _MOST_BYTES:
                raise EnvironmentFault("it is not a wheel as memray's are")
            contents = {entry.filename: archive.read(entry) for entry in wanted}
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError):
        raise EnvironmentFault("it is not a wheel as memray's are") from None
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        made = Path(scratch, "memray")
        for name, content in contents.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for path in (made, *made.rglob("*")):
            path.chmod(0o755)
        made.rename(folder)
