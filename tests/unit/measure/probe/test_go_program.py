"""Programs of Go are known by the note with the build ID, or by the build info."""

import os
import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.measure.probe.go_program import is_of_go

_NOTE = b"\x04\0\0\0\x53\0\0\0\x04\0\0\0Go\0\0Q-yGcv3fXDp"
_PLACE = 9000


def program(section: bytes = b".go.buildinfo", magic: bytes = b"\xff Go buildinf:", *, order: str = "<") -> bytes:
    """A program of two sections: one of this name that begins with `magic`, and the names of both."""
    names = b"\0" + section + b"\0.shstrtab\0"
    table = _PLACE + 100
    identity = b"\x7fELF\x02" + (b"\x02" if order == ">" else b"\x01")
    header = identity.ljust(40, b"\0") + struct.pack(f"{order}Q", table) + bytes(10)
    header += struct.pack(f"{order}HHH", 64, 2, 1)
    data = header.ljust(_PLACE, b"\0") + magic.ljust(50, b"\0") + names.ljust(50, b"\0")
    for name, place, size in ((1, _PLACE, 50), (names.index(b".shstrtab"), _PLACE + 50, len(names))):
        data += struct.pack(f"{order}IIQQQQIIQQ", name, 1, 3, 0, place, size, 0, 0, 16, 0)
    return data


def told(data: bytes, folder: Path) -> bool:
    path = folder / "program"
    path.write_bytes(data)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return is_of_go(descriptor)
    finally:
        os.close(descriptor)


def test_the_note_in_the_first_page_tells(tmp_path: Path) -> None:
    assert told(b"\x7fELF".ljust(3996, b"\0") + _NOTE, tmp_path)
    assert not told(b"\x7fELF".ljust(8192, b"\0") + _NOTE, tmp_path)
    assert not told(b"Go\0\0", tmp_path)
    assert not told(b"", tmp_path)


@pytest.mark.parametrize("order", ["<", ">"])
def test_without_a_build_id_the_build_info_tells(tmp_path: Path, order: str) -> None:
    """As of `go build -trimpath -ldflags="-s -w -buildid="`."""
    assert told(program(order=order), tmp_path)


def test_neither_the_name_of_a_section_nor_its_content_alone_tells(tmp_path: Path) -> None:
    assert not told(program(section=b".data"), tmp_path)
    assert not told(program(magic=b"\xff C buildinf:"), tmp_path)


@given(cut=st.integers(0, 9400), at=st.integers(0, 63), value=st.integers(0, 255))
def test_broken_programs_are_read_without_a_crash(
    tmp_path_factory: pytest.TempPathFactory, cut: int, at: int, value: int
) -> None:
    data = bytearray(program())
    data[at] = value
    assert told(bytes(data[:cut]), tmp_path_factory.getbasetemp()) in (True, False)
    assert told(bytes(data), tmp_path_factory.getbasetemp()) in (True, False)
    assert not told(bytes(data[: min(cut, 63)]), tmp_path_factory.getbasetemp()), "half a header is no program"


def test_an_interpreter_is_none() -> None:
    descriptor = os.open(sys.executable, os.O_RDONLY)
    try:
        assert not is_of_go(descriptor)
    finally:
        os.close(descriptor)
