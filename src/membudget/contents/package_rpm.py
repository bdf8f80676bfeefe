"""RPM packages: their headers in the databases `rpmdb.sqlite` and `Packages.db` (ndb).

Format of a header: rpm's manual, "RPM v4 file format", header structure; of ndb: lib/backend/ndb/rpmpkg.c. Nothing on
PyPI reads them without rpm's own library. BerkeleyDB, which older distributions have, is not read.
"""

import struct
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress

from membudget.contents.package import Claims, Ecosystem, PackageId

FOLDERS = ("var/lib/rpm/", "usr/lib/sysimage/rpm/")
SQLITE, NDB = "rpmdb.sqlite", "Packages.db"
_NAME, _VERSION, _RELEASE, _DIR_INDEXES, _BASE_NAMES, _DIR_NAMES = 1000, 1001, 1002, 1116, 1117, 1118
_INT32, _STRING, _STRING_ARRAY, _I18N = 4, 6, 8, 9
_LARGEST_HEADER = 32 << 20
_MOST_INDEXES = 65_536
_NDB_PAGE, _NDB_SLOT, _NDB_BLOCK = 4096, 16, 16


def claim_rpm(documents: Mapping[str, bytes], claims: Claims) -> None:
    """Claim the files of RPM packages."""
    for folder in FOLDERS:
        for name, headers in ((SQLITE, _of_sqlite), (NDB, _of_ndb)):
            for header in headers(documents.get(f"{folder}{name}", b"")):
                with suppress(struct.error, ValueError, IndexError):  # a damaged one costs itself alone
                    _claim(header, claims)


def _of_sqlite(database: bytes) -> Iterator[bytes]:
    if not database.startswith(b"SQLite format 3\0"):
        return
    import sqlite3  # few images have such a database

    # Its journal is not part of an image's file: the header says so, or SQLite would look for it.
    data = database[:18] + b"\1\1" + database[20:]
    # UnicodeDecodeError: the damage is quoted in SQLite's own message, which need not be text.
    with closing(sqlite3.connect(":memory:")) as connection, suppress(sqlite3.Error, OverflowError, UnicodeDecodeError):
        connection.deserialize(data)
        for (blob,) in connection.execute("SELECT blob FROM Packages"):
            if isinstance(blob, bytes):
                yield blob


def _of_ndb(database: bytes) -> Iterator[bytes]:
    if database[:4] != b"RpmP" or len(database) < _NDB_PAGE:
        return
    (pages,) = struct.unpack_from("<I", database, 12)
    for at in range(2 * _NDB_SLOT, min(pages * _NDB_PAGE, len(database)) - _NDB_SLOT + 1, _NDB_SLOT):
        magic, index, block, _ = struct.unpack_from("<4sIII", database, at)
        start = block * _NDB_BLOCK
        if magic != b"Slot" or not index or start + 16 > len(database):
            continue
        length = struct.unpack_from("<I", database, start + 12)[0]
        yield database[start + 16 : start + 16 + min(length, _LARGEST_HEADER)]


def _claim(header: bytes, claims: Claims) -> None:
    index_count, data_size = struct.unpack_from(">II", header)
    if index_count > _MOST_INDEXES or data_size > _LARGEST_HEADER:
        raise ValueError("too large")
    store = header[8 + 16 * index_count :][:data_size]
    tags: dict[int, tuple[int, int, int]] = {}
    for number in range(index_count):
        tag, kind, offset, count = struct.unpack_from(">IIII", header, 8 + 16 * number)
        tags[tag] = (kind, offset, count)
    name, version, release = (_first(store, tags, tag) for tag in (_NAME, _VERSION, _RELEASE))
    if not name:
        return
    package = claims.package(PackageId(Ecosystem.RPM, name, f"{version}-{release}".strip("-")))
    folders = _strings(store, tags, _DIR_NAMES)
    bases = _strings(store, tags, _BASE_NAMES)
    kind, offset, count = tags.get(_DIR_INDEXES, (0, 0, 0))
    if kind != _INT32 or count != len(bases):
        return
    for base, folder in zip(bases, struct.unpack_from(f">{count}I", store, offset), strict=True):
        claims.claim(package, f"{folders[folder]}{base}".strip("/"))


def _first(store: bytes, tags: Mapping[int, tuple[int, int, int]], tag: int) -> str:
    return next(iter(_strings(store, tags, tag)), "")


def _strings(store: bytes, tags: Mapping[int, tuple[int, int, int]], tag: int) -> list[str]:
    kind, offset, count = tags.get(tag, (0, 0, 0))
    if kind not in (_STRING, _STRING_ARRAY, _I18N) or offset > len(store):
        return []
    parts = store[offset:].split(b"\0", min(count, len(store)))[:count]
    return [part.decode(errors="surrogateescape") for part in parts]
