"""What is read of an artifact: nothing that is not exactly one report."""

import io
import stat
import struct
import zipfile
from collections.abc import Callable

import pytest

from membudget.core.errors import ConfigurationError
from membudget.publish.report_archive import LARGEST_ARCHIVE_BYTES, report_in
from membudget.report.report import LARGEST_REPORT_BYTES
from tests.support.zipped import zipped

TEXT = b'{"version": 1}'
REPORT = {"report.json": TEXT}


def read(made: bytes) -> bytes:
    return report_in(io.BytesIO(made), "here")


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_report_is_read_and_nothing_beside_it(compression: int) -> None:
    assert read(zipped({"report.html": b"<script>", **REPORT, "../x": b""}, compression)) == TEXT


def _bomb() -> bytes:
    return zipped({"report.json": b" " * (LARGEST_REPORT_BYTES + 1)})


def _link() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as into:
        entry = zipfile.ZipInfo("report.json")
        entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        into.writestr(entry, "/etc/passwd")
    return made.getvalue()


def _twice() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as into:
        into.writestr("report.json", TEXT)
        with pytest.warns(UserWarning, match="Duplicate name"):
            into.writestr("report.json", TEXT)
    return made.getvalue()


def _encrypted() -> bytes:
    made = bytearray(zipped(REPORT))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        made[made.index(signature) + offset] |= 1
    return bytes(made)


def _lying_size() -> bytes:
    """Its directory says one byte, and it holds a bomb."""
    made = bytearray(_bomb())
    at = made.index(b"PK\x01\x02") + 24
    made[at : at + 4] = struct.pack("<L", 1)
    return bytes(made)


def _many() -> bytes:
    """So many names that Python's reader would take 150 MB for them."""
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"x"
    count = (LARGEST_ARCHIVE_BYTES - 100) // len(entry)
    return entry * count + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, count * len(entry), 0, 0)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: b"", "is no zip file"),
        (lambda: b"PK\x05\x06", "is no zip file"),
        (lambda: b"<html>", "is no zip file"),
        (lambda: zipped(REPORT)[:-1], "is no zip file"),
        (lambda: zipped(REPORT) + b"x", "is no zip file, or one with a comment"),
        (lambda: zipped(REPORT).replace(b"PK\x03\x04", b"PK\x03\x05"), "is no zip file that can be read"),
        (lambda: zipped({}), "does not have one report.json at its top"),
        (lambda: zipped({"../report.json": TEXT}), "does not have one report.json at its top"),
        (lambda: zipped({"/report.json": TEXT}), "does not have one report.json at its top"),
        (lambda: zipped({"a/report.json": TEXT}), "does not have one report.json at its top"),
        (lambda: zipped({"report.json/": b""}), "does not have one report.json at its top"),
        (lambda: zipped({f"{number}": b"" for number in range(21)}), "has more than 20 files"),
        (lambda: zipped({"x" * 30_000: b"", "report.json": TEXT}), "has more than 20 files, or names that"),
        (lambda: zipped(REPORT, zipfile.ZIP_LZMA), "is packed in a way that artifacts are not"),
        (lambda: zipped(REPORT, zipfile.ZIP_BZIP2), "is packed in a way that artifacts are not"),
        (_bomb, "has a report.json of more than 16000000 bytes"),
        (_lying_size, ""),
        (_link, "has a report.json that is no file"),
        (_twice, "does not have one report.json at its top"),
        (_encrypted, "is packed in a way that artifacts are not"),
        (_many, "has more than 20 files, or names that are too long"),
    ],
)
def test_a_file_that_is_no_artifact_of_ours_is_refused(made: Callable[[], bytes], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(made())
    assert str(caught.value).startswith(f"here: the artifact {said}")
