"""Finds all packages of an image: what is kept of its files while they are streamed, and the packages in it.

Small documents are kept completely. Of large files, facts are kept: the modules of a Go binary, the content of an
archive. Sources: Go's debug/buildinfo; PKWARE's APPNOTE, 4.3, for ZIP; elf(5).
"""

import io
import json
import struct
import zipfile
from collections.abc import Mapping
from typing import Protocol

from membudget.contents.image import LARGEST_DOCUMENT_BYTES
from membudget.contents.layer_stack import LayerStack
from membudget.contents.packages.language import claim_go, claim_java, claim_npm, claim_python
from membudget.contents.packages.package import Claims
from membudget.contents.packages.system import (
    APK_DATABASES,
    DIVERSIONS,
    RPM_FOLDERS,
    RPM_NDB,
    RPM_SQLITE,
    claim_alpine,
    claim_debian,
    claim_rpm,
)

_MIB = 1 << 20
_EXACT = {
    "var/lib/dpkg/status": 32 * _MIB,
    DIVERSIONS: _MIB,
    **dict.fromkeys(APK_DATABASES, 32 * _MIB),
    **dict.fromkeys([f"{folder}{name}" for folder in RPM_FOLDERS for name in (RPM_SQLITE, RPM_NDB)], 64 * _MIB),
}
_HEADERS = ("/METADATA", "/PKG-INFO")
_HEADER_BYTES = 64 << 10
_TOP_LEVEL = "/top_level.txt"
_ENDINGS = (*_HEADERS, ".list", "/package.json", "/RECORD", "/installed-files.txt", _TOP_LEVEL)


def is_wanted(path: str, size: int) -> bool:
    """Return whether a regular file is stored completely."""
    if not path.endswith(_ENDINGS):
        if path in _EXACT:
            return size <= _EXACT[path]
        return path.startswith("var/lib/dpkg/status.d/") and size <= 4 * _MIB
    if path.endswith(".list"):
        return path.startswith("var/lib/dpkg/info/") and size <= 8 * _MIB
    if path.endswith("/package.json"):
        return size <= _MIB // 4 and _is_npm_package(path)
    folder = path.rpartition("/")[0]
    if path.endswith(_TOP_LEVEL):
        return folder.endswith(".egg-info") and size <= _MIB // 4
    return folder.endswith((".dist-info", ".egg-info")) and size <= 8 * _MIB


def read_bytes(path: str) -> int:
    """Return how many bytes of a document are read. Only the headers of package descriptions are needed."""
    return _HEADER_BYTES if path.endswith(_HEADERS) else LARGEST_DOCUMENT_BYTES


def _is_npm_package(path: str) -> bool:
    """Return whether the file describes a package itself, and not a folder inside of one."""
    before, found, name = path.removesuffix("/package.json").rpartition("node_modules/")
    if not found or (before and not before.endswith("/")):
        return False
    return name.count("/") == (1 if name.startswith("@") else 0)


def claims_of(documents: Mapping[str, bytes], facts: Mapping[str, object], stack: LayerStack) -> Claims:
    """Return the package of each file.

    The distribution's packages come first: a Python package that the distribution installed belongs to its package.
    """
    claims = Claims(stack)
    claim_debian(documents, claims)
    claim_alpine(documents, claims)
    claim_rpm(documents, claims)
    claim_python(documents, claims)
    claims.claim_byte_code()
    claim_npm(documents, claims)
    claim_go(facts, claims)
    claim_java(facts, claims)
    return claims


def parsed_facts(documents: Mapping[str, bytes]) -> dict[str, object]:
    """Return the facts that `found_by` kept of files, by path."""
    facts: dict[str, object] = {}
    for path in documents:
        if is_wanted(path, 0):
            continue
        try:
            facts[path] = json.loads(documents.get(path, b""))
        except (ValueError, RecursionError):
            continue
    return facts


LEAST_BINARY_BYTES = 1 << 18
_GO_MAGIC = b"\xff Go buildinf:"
_GO_ALIGNMENT = 16
_GO_HEADER = 32
_GO_BEGIN = 48
"""The length of the header and of the first part of the version."""
_GO_INLINE = 2
_GO_SENTINEL = 16
_MOST_GO_BYTES = 1 << 20
_TAIL_BYTES = 4 << 20
_MOST_ARCHIVES = 5000
_MOST_MEMBERS = 200_000
_ARCHIVES = (".jar", ".war", ".ear")
_SYMBOL_TAIL = 1 << 18
_MOST_SECTIONS = 4096


class Scan(Protocol):
    """Inspects the content of a file while it is streamed."""

    def feed(self, chunk: bytes) -> None:
        """Process the next part."""

    def finish(self) -> dict[str, object]:
        """Return the facts, or an empty dictionary."""


def scans_for(path: str, size: int, first: bytes) -> tuple[Scan, ...]:
    """Return the scans for a file, chosen by the beginning of its content."""
    if first.startswith(b"\x7fELF") and size >= LEAST_BINARY_BYTES:
        return (GoScan(), SymbolScan(size))
    if first.startswith(b"PK\3\4") and path.endswith(_ARCHIVES):
        return (ArchiveScan(size),)
    return ()


def found_by(scans: tuple[Scan, ...]) -> bytes | None:
    """Return the facts of all scans as the document that is stored for the file."""
    facts: dict[str, object] = {}
    for scan in scans:
        facts |= scan.finish()
    return json.dumps(facts).encode() if facts else None


class GoScan:
    """Finds the build information that the Go linker writes (since Go 1.18, inline).

    Go's own tools contain its magic as a constant too. Matches that are not aligned or have no version are ignored.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._offset = 0
        """The position of the rest in the file."""
        self._found: bytearray | None = None

    def feed(self, chunk: bytes) -> None:
        """Process the next part."""
        if self._found is not None:
            if len(self._found) < _MOST_GO_BYTES:
                self._found += chunk
            return
        data = self._rest + chunk
        at = data.find(_GO_MAGIC)
        while at >= 0:
            if (self._offset + at) % _GO_ALIGNMENT == 0:
                begin = data[at : at + _GO_BEGIN]
                if len(begin) < _GO_BEGIN:
                    break  # the next part decides
                if _is_build_information(begin):
                    self._found = bytearray(data[at:])
                    return
            at = data.find(_GO_MAGIC, at + 1)
        kept = at if at >= 0 else max(len(data) - len(_GO_MAGIC), 0)
        self._offset += kept
        self._rest = data[kept:]

    def finish(self) -> dict[str, object]:
        """Return the facts."""
        if self._found is None:
            return {}
        found = bytes(self._found[:_MOST_GO_BYTES])
        version, at = _go_text(found, _GO_HEADER)
        modules, _ = _go_text(found, at)
        lines = modules[_GO_SENTINEL:-_GO_SENTINEL].decode(errors="replace").split("\n")
        rows = [line.split("\t") for line in lines]
        main = next((row for row in rows if row[0] == "mod" and len(row) >= 3), ["mod", "", ""])
        path = next((row[1] for row in rows if row[0] == "path" and len(row) >= 2), "")
        return {
            "kind": "go",
            "go": version.decode(errors="replace")[:100],
            "path": main[1] or path,
            "version": main[2],
            "modules": _dependencies(rows),
        }


def _is_build_information(begin: bytes) -> bool:
    """Return whether the header is followed by a version, as in all binaries that Go 1.18 and later link."""
    return bool(begin[15] & _GO_INLINE) and _go_text(begin, _GO_HEADER)[0].startswith((b"go", b"devel"))


def _dependencies(rows: list[list[str]]) -> list[list[str]]:
    """Return modules and their versions. A replacement follows the module that it replaces, and was linked instead."""
    modules: list[list[str]] = []
    for before, row in zip([[""], *rows], rows, strict=False):
        if len(row) >= 3 and row[0] == "dep":
            modules.append(row[1:3])
        elif len(row) >= 3 and row[0] == "=>" and before[0] == "dep" and modules:
            modules[-1] = row[1:3]
    return modules


def _go_text(data: bytes, at: int) -> tuple[bytes, int]:
    """Return a text that follows its length, and the position after it."""
    length = shift = 0
    while at < len(data) and shift < 35:
        byte = data[at]
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            break
    return data[at : at + length], at + length


class _Tail:
    """The last bytes of a content."""

    def __init__(self, size: int, most: int) -> None:
        self._parts: list[bytes] = []
        self._kept = 0
        self._most = most
        self.size = size

    def feed(self, chunk: bytes) -> None:
        self._parts.append(chunk)
        self._kept += len(chunk)
        while self._kept - len(self._parts[0]) >= self._most:
            self._kept -= len(self._parts.pop(0))

    def content(self) -> tuple[bytes, int]:
        """Return the bytes and their position in the file."""
        data = b"".join(self._parts)
        return data, self.size - len(data)


class ArchiveScan:
    """Reads the names in a ZIP archive, which are at its end."""

    def __init__(self, size: int) -> None:
        self._tail = _Tail(size, _TAIL_BYTES)

    def feed(self, chunk: bytes) -> None:
        """Process the next part."""
        self._tail.feed(chunk)

    def finish(self) -> dict[str, object]:
        """Return the facts."""
        data, _ = self._tail.content()
        archives: list[list[object]] = []
        try:
            # Offsets count from the start of the file. zipfile corrects them, as for an archive that follows a script.
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for member in archive.infolist()[:_MOST_MEMBERS]:
                    if member.filename.endswith(_ARCHIVES) and len(archives) < _MOST_ARCHIVES:
                        archives.append([member.filename, member.compress_size])
        except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, OverflowError):
            pass  # it is still a Java archive
        return {"kind": "java", "archives": archives}


class SymbolScan:
    """Sums up the debug sections of an ELF file, which `strip --strip-debug` would remove."""

    def __init__(self, size: int) -> None:
        self._tail = _Tail(size, _SYMBOL_TAIL)
        self._head = b""

    def feed(self, chunk: bytes) -> None:
        """Process the next part."""
        if len(self._head) < 64:
            self._head += chunk[:64]
        self._tail.feed(chunk)

    def finish(self) -> dict[str, object]:
        """Return the facts."""
        try:
            found = self._debug_bytes()
        except (struct.error, IndexError):
            return {}
        return {"debug_bytes": found} if found else {}

    def _debug_bytes(self) -> int:
        if self._head[4:6] != b"\2\1":  # not 64 bits and little-endian
            return 0
        data, begin = self._tail.content()
        (table,) = struct.unpack_from("<Q", self._head, 40)
        entry_size, count, names_index = struct.unpack_from("<HHH", self._head, 58)
        if entry_size < 64 or count > _MOST_SECTIONS or table < begin:
            return 0
        sections = [struct.unpack_from("<IIQQQQ", data, table - begin + number * entry_size) for number in range(count)]
        names_at = sections[names_index][4] - begin
        if names_at < 0:
            return 0
        total = 0
        for name, _, _, _, _, size in sections:
            label = data[names_at + name : names_at + name + 8]
            if label.startswith((b".debug_", b".zdebug_")) and size <= self._tail.size:
                total += size
        return total
