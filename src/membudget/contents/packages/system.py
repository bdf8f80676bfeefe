"""Packages of distributions: Debian's dpkg (also distroless), Alpine's apk, and RPM.

Sources: dpkg-query(1), "status" and "info/*.list"; dpkg-divert(1); wiki.alpinelinux.org, "Apk spec", installed
database; rpm's manual, "RPM v4 file format", header structure; rpm's lib/backend/ndb/rpmpkg.c for ndb.

RPM's headers are read from `rpmdb.sqlite` and `Packages.db` (ndb). Nothing on PyPI reads them without rpm's own
library. BerkeleyDB, which older distributions use, is not read.
"""

import struct
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress

from membudget.contents.packages.package import Claims, Ecosystem, PackageId

_STATUS = "var/lib/dpkg/status"
_STATUS_FOLDER = "var/lib/dpkg/status.d/"
_LISTS = "var/lib/dpkg/info/"
DIVERSIONS = "var/lib/dpkg/diversions"
APK_DATABASES = ("lib/apk/db/installed", "usr/lib/apk/db/installed")


def claim_debian(documents: Mapping[str, bytes], claims: Claims) -> None:
    """Claim the files of Debian packages."""
    versions: dict[str, str] = {}
    diverted = _diversions(documents.get(DIVERSIONS, b""))
    for path in documents:
        if path == _STATUS or (path.startswith(_STATUS_FOLDER) and not path.endswith(".md5sums")):
            versions |= _versions(documents.get(path, b""))
    for path in documents:
        if path.startswith(_LISTS) and path.endswith(".list"):
            name = path[len(_LISTS) : -len(".list")].partition(":")[0]
            files = documents.get(path, b"").split(b"\n")
        elif path.startswith(_STATUS_FOLDER) and path.endswith(".md5sums"):  # distroless has no lists
            name = path[len(_STATUS_FOLDER) : -len(".md5sums")]
            files = [line.partition(b"  ")[2] for line in documents.get(path, b"").split(b"\n")]
        else:
            continue
        package = claims.package(PackageId(Ecosystem.DEB, name, versions.get(name, "")))
        for file in files:
            place, by = diverted.get(file.strip(b"/"), (file, ""))
            claims.claim(package, (file if by == name else place).decode(errors="surrogateescape").strip("/"))
        claims.claim(package, path)


def claim_alpine(documents: Mapping[str, bytes], claims: Claims) -> None:
    """Claim the files of Alpine packages."""
    for path in APK_DATABASES:
        for paragraph in documents.get(path, b"").decode(errors="surrogateescape").split("\n\n"):
            lines = [(line[:2], line[2:]) for line in paragraph.split("\n")]
            named = dict(reversed(lines))
            if not named.get("P:"):
                continue
            package = claims.package(PackageId(Ecosystem.APK, named["P:"], named.get("V:", "")))
            folder = ""
            for key, value in lines:
                if key == "F:":
                    folder = value
                elif key == "R:":
                    claims.claim(package, f"{folder}/{value}".strip("/"))


def _diversions(document: bytes) -> dict[bytes, tuple[bytes, str]]:
    """Return the new path of each diverted file, and the package whose own file is at the old path."""
    lines = document.split(b"\n")
    return {
        place.strip(b"/"): (other, by.decode(errors="surrogateescape"))
        for place, other, by in zip(lines[::3], lines[1::3], lines[2::3], strict=False)
    }


def _versions(status: bytes) -> dict[str, str]:
    """Return versions by name from the paragraphs of a status file."""
    versions: dict[str, str] = {}
    name = ""
    for line in status.decode(errors="replace").split("\n"):
        if line.startswith("Package: "):
            name = line.removeprefix("Package: ").strip()
        elif line.startswith("Version: ") and name:
            versions[name] = line.removeprefix("Version: ").strip()
        elif not line:
            name = ""
    return versions


RPM_FOLDERS = ("var/lib/rpm/", "usr/lib/sysimage/rpm/")
RPM_SQLITE, RPM_NDB = "rpmdb.sqlite", "Packages.db"
_NAME, _VERSION, _RELEASE, _DIR_INDEXES, _BASE_NAMES, _DIR_NAMES = 1000, 1001, 1002, 1116, 1117, 1118
_INT32, _STRING, _STRING_ARRAY, _I18N = 4, 6, 8, 9
_LARGEST_HEADER = 32 << 20
_MOST_INDEXES = 65_536
_MOST_PACKAGES = 100_000
_MOST_FILES = 250_000
"""The limit for one package."""
_MOST_STEPS, _STEPS_AT_ONCE = 10_000_000, 1000
"""Steps of SQLite's virtual machine. Reading a row takes a few."""
_MOST_PATHS = 4
"""The limit for the length of all paths, in multiples of the header's length. The header also has a digest and more for
each file.
"""
_NDB_PAGE, _NDB_SLOT, _NDB_BLOCK = 4096, 16, 16


def claim_rpm(documents: Mapping[str, bytes], claims: Claims) -> None:
    """Claim the files of RPM packages."""
    for folder in RPM_FOLDERS:
        for name, headers in ((RPM_SQLITE, _of_sqlite), (RPM_NDB, _of_ndb)):
            for header in headers(documents.get(f"{folder}{name}", b"")):
                with suppress(struct.error, ValueError, IndexError):  # a damaged header affects only its own package
                    _claim(header, claims)


def _of_sqlite(database: bytes) -> Iterator[bytes]:
    if not database.startswith(b"SQLite format 3\0"):
        return
    import sqlite3  # few images have such a database

    left = len(database)
    # Mark the database as one without a journal. Its journal is not part of the image's file, and SQLite would look for
    # it.
    database = database[:18] + b"\1\1" + database[20:]
    # UnicodeDecodeError: SQLite's message quotes the damaged part, which need not be text.
    with closing(sqlite3.connect(":memory:")) as connection, suppress(sqlite3.Error, OverflowError, UnicodeDecodeError):
        connection.deserialize(database)
        del database  # SQLite has its own copy
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_HEADER)
        steps = iter(range(_MOST_STEPS // _STEPS_AT_ONCE))
        connection.set_progress_handler(lambda: next(steps, None) is None, _STEPS_AT_ONCE)
        # The SQL in the schema is untrusted like the database. Views and computed columns are not evaluated.
        kinds = connection.execute("SELECT type FROM sqlite_master WHERE name = 'Packages' AND rootpage > 0").fetchall()
        if kinds != [("table",)] or any(hidden for *_, hidden in connection.execute("PRAGMA table_xinfo(Packages)")):
            return
        connection.set_authorizer(_reads_the_table)
        for (blob,) in connection.execute("SELECT blob FROM Packages LIMIT ?", (_MOST_PACKAGES,)):
            if not isinstance(blob, bytes):
                continue
            left -= len(blob)  # damaged rows may share pages
            if left < 0:
                return
            yield blob


def _reads_the_table(action: int, what: str | None, _: str | None, __: str | None, inside: str | None) -> int:
    """Return whether SQLite may do a step: it may only read the table itself, and not through a view."""
    from sqlite3 import SQLITE_DENY, SQLITE_OK, SQLITE_READ, SQLITE_SELECT

    if inside is not None:
        return SQLITE_DENY
    return SQLITE_OK if action == SQLITE_SELECT or (action == SQLITE_READ and what == "Packages") else SQLITE_DENY


def _of_ndb(database: bytes) -> Iterator[bytes]:
    if database[:4] != b"RpmP" or len(database) < _NDB_PAGE:
        return
    (pages,) = struct.unpack_from("<I", database, 12)
    slots = min(pages * _NDB_PAGE, len(database)) // _NDB_SLOT
    left = len(database)
    for number in range(2, min(slots, _MOST_PACKAGES)):
        magic, index, block, _ = struct.unpack_from("<4sIII", database, number * _NDB_SLOT)
        start = block * _NDB_BLOCK
        if magic != b"Slot" or not index or start + 16 > len(database):
            continue
        (length,) = struct.unpack_from("<I", database, start + 12)
        if length > min(_LARGEST_HEADER, len(database) - start - 16, left):  # damaged, or slots that share a block
            continue
        left -= length
        yield database[start + 16 : start + 16 + length]


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
    left = _MOST_PATHS * len(header)
    for base, (folder,) in zip(bases, struct.iter_unpack(">I", store[offset : offset + 4 * count]), strict=True):
        left -= len(folders[folder]) + len(base)
        if left < 0:
            raise ValueError("its paths are too long")
        claims.claim(package, f"{folders[folder]}{base}".strip("/"))


def _first(store: bytes, tags: Mapping[int, tuple[int, int, int]], tag: int) -> str:
    return next(iter(_strings(store, tags, tag)), "")


def _strings(store: bytes, tags: Mapping[int, tuple[int, int, int]], tag: int) -> list[str]:
    kind, offset, count = tags.get(tag, (0, 0, 0))
    if kind not in (_STRING, _STRING_ARRAY, _I18N) or offset > len(store):
        return []
    if count > _MOST_FILES:
        raise ValueError("too many")
    parts = store[offset:].split(b"\0", count)[:count]
    return [part.decode(errors="surrogateescape") for part in parts]
