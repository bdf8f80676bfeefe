"""Tells whether Go made a program, by what Go's linker writes into its file. Little of the file is read.

Sources: elf(5); Go, cmd/link/internal/ld/elf.go (the note) and debug/buildinfo/buildinfo.go (the build info). Uses the
standard library only, because the probe imports this module.
"""

import os
import re
import struct

_FIRST_PAGE_BYTES = 4096
_NOTE = re.compile(rb"\x04\0\0\0[\x01-\xff][\0-\x01]\0\0\x04\0\0\0Go\0\0", re.DOTALL)
"""The note with the build ID at the beginning of a program. `-ldflags=-buildid=` leaves it out."""
_BUILD_INFO = b"\xff Go buildinf:"
_SECTION = b"\0.go.buildinfo\0"
"""The name of the section that the build info is in, among the names of all sections. `strip` keeps it."""
_IS_64_BIT, _IS_BIG_ENDIAN = 2, 2
_HEADER_BYTES, _SECTION_BYTES = 64, 64
_MOST_SECTIONS = 200
_MOST_NAMES_BYTES = 16 << 10


def is_of_go(program: int) -> bool:
    """Return whether Go made the program of an open file. Raises OSError."""
    page = os.pread(program, _FIRST_PAGE_BYTES, 0)
    return _NOTE.search(page) is not None or (page[:4] == b"\x7fELF" and _has_build_info(program, page))


def _has_build_info(program: int, page: bytes) -> bool:
    if len(page) < _HEADER_BYTES or page[4] != _IS_64_BIT:
        return False
    order = ">" if page[5] == _IS_BIG_ENDIAN else "<"
    (table,) = struct.unpack_from(f"{order}Q", page, 40)
    size, count, named = struct.unpack_from(f"{order}HHH", page, 58)
    if size != _SECTION_BYTES or not named < count <= _MOST_SECTIONS:
        return False
    headers = _read(program, count * size, table)
    sections = list(struct.iter_unpack(f"{order}IIQQQQIIQQ", headers)) if len(headers) == count * size else []
    if not sections:
        return False
    names = _read(program, min(sections[named][5], _MOST_NAMES_BYTES), sections[named][4])
    name = names.find(_SECTION) + 1
    places = [section[4] for section in sections if section[0] == name] if name else []
    return any(_read(program, len(_BUILD_INFO), place) == _BUILD_INFO for place in places)


def _read(program: int, size: int, place: int) -> bytes:
    """Return some bytes of the file. Empty if it has none there: `place` is text from outside."""
    return os.pread(program, size, place) if place < 1 << 62 else b""
