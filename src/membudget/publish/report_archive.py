"""Reads `report.json` out of an artifact's zip file, which a stranger may have written."""

import stat
import struct
import zipfile
import zlib
from typing import BinaryIO

from membudget.core.errors import ConfigurationError
from membudget.report.report import LARGEST_REPORT_BYTES

_REPORT_NAME = "report.json"
LARGEST_ARCHIVE_BYTES = LARGEST_REPORT_BYTES
"""An archive larger than the largest report cannot contain a valid one."""
_MOST_ENTRIES = 20
_LARGEST_DIRECTORY_BYTES = 20_000
_LONGEST_ZIP_COMMENT_BYTES = 65_535
_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
_ZIP64_LOCATOR_SIGNATURE = b"PK\x06\x07"
_ZIP64_LOCATOR_BYTES = 20
_ENCRYPTED = 0x1


def report_in(archive: BinaryIO, where: str) -> bytes:
    """Return the text of the one `report.json` at the top of `archive`.

    Raises ConfigurationError for any irregularity.
    """
    try:
        _look_before_reading(archive)
        with zipfile.ZipFile(archive) as opened:
            return _read(opened)
    except _Odd as odd:
        problem = str(odd)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError):
        problem = "is no zip file that can be read"
    raise ConfigurationError(f"the artifact {problem}", where=where)


class _Odd(Exception):
    """Raised for an artifact that membudget would never write."""


def _look_before_reading(archive: BinaryIO) -> None:
    """Refuse an archive whose directory is too large to read."""
    size = archive.seek(0, 2)
    archive.seek(max(0, size - _LONGEST_ZIP_COMMENT_BYTES - _END.size - _ZIP64_LOCATOR_BYTES))
    tail = archive.read()
    archive.seek(0)
    at = tail.rfind(_END_SIGNATURE)
    if at < 0 or len(tail) - at != _END.size:
        # A comment may contain another end record, and readers disagree which one counts.
        raise _Odd("is no zip file, or one with a comment")
    if tail[max(0, at - _ZIP64_LOCATOR_BYTES) : at].startswith(_ZIP64_LOCATOR_SIGNATURE):
        raise _Odd("is a zip file for what is larger than a report")
    _, _, _, _, entries, directory_bytes, _, _ = _END.unpack(tail[at:])
    if entries > _MOST_ENTRIES or directory_bytes > _LARGEST_DIRECTORY_BYTES:
        raise _Odd(f"has more than {_MOST_ENTRIES} files, or names that are too long")


def _read(archive: zipfile.ZipFile) -> bytes:
    entries = archive.infolist()
    found = [entry for entry in entries if entry.filename == _REPORT_NAME]
    if len(entries) > _MOST_ENTRIES or len(found) != 1:
        raise _Odd(f"does not have one {_REPORT_NAME} at its top")
    (entry,) = found
    mode = entry.external_attr >> 16
    if entry.is_dir() or (stat.S_IFMT(mode) not in (0, stat.S_IFREG)):
        raise _Odd(f"has a {_REPORT_NAME} that is no file")
    if entry.flag_bits & _ENCRYPTED or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _Odd("is packed in a way that artifacts are not")
    with archive.open(entry) as file:
        data = file.read(LARGEST_REPORT_BYTES + 1)  # whatever size the entry claims
    if len(data) > LARGEST_REPORT_BYTES:
        raise _Odd(f"has a {_REPORT_NAME} of more than {LARGEST_REPORT_BYTES} bytes")
    return data
