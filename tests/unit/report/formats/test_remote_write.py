import struct

import pytest

from membudget.report.formats.exposition import Family, FamilyKind
from membudget.report.formats.remote_write import MOST_SERIES, snappy_block, write_requests

TIME_MS = 1_790_000_000_123
BY_GOOGLES_PROTOBUF = bytes.fromhex(
    "0a480a160a085f5f6e616d655f5f120a636174735f746f74616c0a0e0a046b696e64120674c3a06262790a0c0a047465616d120473686f70"
    "121009000000000000044010fbd8c1a28c34"
)
"""One series, as Google's own library writes it."""


def cats(**labels: str) -> Family:
    made = Family("cats", FamilyKind.COUNTER, "", "how many there are")
    made.add("2.5", labels)
    return made


def content(block: bytes) -> bytes:
    """What a block of literals holds, each with a length of two bytes."""
    length, at, shift = 0, 0, 0
    while True:
        length |= (block[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if block[at - 1] < 0x80:
            break
    found = b""
    while at < len(block):
        assert block[at] == 0xF4
        count = struct.unpack("<H", block[at + 1 : at + 3])[0] + 1
        found += block[at + 3 : at + 3 + count]
        at += 3 + count
    assert len(found) == length
    return found


def test_a_series_is_written_as_protobuf_does() -> None:
    (body,) = write_requests([cats(kind="tàbby")], {"team": "shop"}, TIME_MS)
    assert content(body) == BY_GOOGLES_PROTOBUF


def test_labels_are_sorted_and_empty_ones_left_out() -> None:
    (body,) = write_requests([cats(zoo="z", apple="a", empty="")], {"middle": "m"}, TIME_MS)
    written = content(body)
    places = [written.index(name) for name in (b"__name__", b"apple", b"middle", b"zoo")]
    assert places == sorted(places)
    assert b"empty" not in written


@pytest.mark.thorough
def test_many_series_go_in_several_requests() -> None:
    made = Family("cats", FamilyKind.GAUGE, "", "how many there are")
    for number in range(2 * MOST_SERIES + 1):
        made.add("1", {"number": str(number)})
    bodies = list(write_requests([made], {}, TIME_MS))
    assert [content(body).count(b"__name__") for body in bodies] == [MOST_SERIES, MOST_SERIES, 1]


def test_without_figures_there_is_no_request() -> None:
    assert list(write_requests([Family("cats", FamilyKind.GAUGE, "", "none")], {}, TIME_MS)) == []


@pytest.mark.parametrize("count", [0, 1, 127, 128, 65_535, 65_536, 65_537, 200_000])
def test_a_block_holds_any_number_of_bytes(count: int) -> None:
    data = bytes(number % 251 for number in range(count))
    assert content(snappy_block(data)) == data


def test_text_that_is_no_unicode_stops_no_push() -> None:
    (body,) = write_requests([cats(kind="\ud800")], {}, TIME_MS)
    assert b"?" in content(body)
