"""Reads files up to a maximum size, writes them atomically, and rejects unknown keys in stored data."""

import errno
import os
import stat
from pathlib import Path
from typing import ClassVar

from membudget.core.errors import DoctorCheck, EnvironmentFault

_CHUNK_BYTES = 1 << 20


def read_plain(path: Path, most_bytes: int) -> bytes:
    """Read a regular file of up to `most_bytes`.

    Of a larger file, return the first `most_bytes` + 1 bytes. Raises OSError, also if the path is not a regular file: a
    device has no end, and a FIFO may block forever.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is a device or a pipe, not a file", str(path))
        content = bytearray()
        while len(content) <= most_bytes:
            chunk = os.read(descriptor, min(_CHUNK_BYTES, most_bytes + 1 - len(content)))
            if not chunk:
                break
            content += chunk
        return bytes(content)
    finally:
        os.close(descriptor)


def write_whole(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file atomically and create its parent folders. Raises OSError.

    Readers never see a partial file. If the disk is full, the previous content is kept.
    """
    import tempfile  # The sampling process imports this module but never writes, and has to start fast.

    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_text(text: str | bytes, path: Path, what: str) -> None:
    """Write a file atomically. `what` names the content in the message. Raises EnvironmentFault."""
    try:
        write_whole(path, text.encode() if isinstance(text, str) else text, mode=0o644)
    except OSError as error:
        check = DoctorCheck.DISK if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS) else None
        raise EnvironmentFault(f"{what} cannot be written: {error.strerror}", where=str(path), check=check) from None


class Stored:
    """The base class of stored dataclasses. When pydantic reads one from JSON, unknown keys are errors.

    Source: pydantic's documentation of `__pydantic_config__` for dataclasses of the standard library.
    """

    __slots__ = ()
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
