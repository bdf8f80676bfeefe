"""Lines that somebody wrote to break the reader, or to make a check pass."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.core.metrics import Metric
from membudget.history.line import (
    LARGEST_NOTE_BYTES,
    HistoryLine,
    LineFault,
    SkippedFault,
    SkippedLines,
    line_filter,
    read_lines,
)
from tests.support.history import NOW, line, text

SHA = "a" * 40
GOOD = line(SHA).text()
ONLY = line_filter(["api"], [Metric.PEAK_RSS])


def read(data: bytes, *, filtered: bool = False) -> tuple[list[HistoryLine], SkippedLines]:
    skipped = SkippedLines()
    return read_lines(SHA, data, NOW, skipped, ONLY if filtered else None), skipped


def with_value(written: bytes) -> bytes:
    return GOOD.replace(b'"value":41943040', b'"value":' + written)


@pytest.mark.parametrize("filtered", [False, True])
@pytest.mark.parametrize(
    "written",
    [
        b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"4.194304e7", b"41943040.0", b"-0", b"0x28",
        "٤٢".encode(),
        b"9" * 4_000, b"-" + b"9" * 4_000, b"1e-4000", b"true", b"null", b'"41943040"', b"[41943040]", b"{}", b"",
        b"[" * 3_000, b'{"a":' * 1_500, b"9223372036854775808", b"-9223372036854775809", b"041943040",
    ],
)  # fmt: skip
def test_a_value_that_is_no_figure_is_never_used(written: bytes, filtered: bool) -> None:
    lines, skipped = read(with_value(written), filtered=filtered)
    assert lines == []
    (fault,) = skipped.all()
    assert fault.fault in (LineFault.NO_LINE, LineFault.IMPOSSIBLE)
    assert skipped.is_about("api", Metric.PEAK_RSS) or skipped.is_about_any


@pytest.mark.parametrize(
    "line_of_somebody",
    [
        GOOD[:-1] + b',"more":' + b"[" * 3_000 + b"]" * 3_000 + b"}",
        GOOD[:-1] + b',"more":"' + b"x" * 9_000 + b'"}',
        GOOD.replace(b'"machine":"', b'"machine":"\\ud800'),
        GOOD.replace(b'"membudget":"', b'"membudget":"\\udfff\\ud800'),
        GOOD.replace(b'"machine":"', b'"machine":"\xed\xa0\x80'),
        GOOD.replace(b'"machine":"', b'"machine":"\\u0000'),
        GOOD.replace(b'"image":"api"', b'"image":"\xc3\xa1pi"'),
        GOOD.replace(b"2026-11-28T12:00:00Z", b"2026-11-28T12:00:00"),
        GOOD.replace(b"2026-11-28T12:00:00Z", b"99999-01-01T00:00:00Z"),
        GOOD.replace(b'"2026-11-28T12:00:00Z"', b"1e300"),
        GOOD.replace(b"[41938944,", b"[" + b"1," * 2_000),
        b"\xef\xbb\xbf" + GOOD,
        GOOD.replace(b'"v":1', b'"v":1.0'),
        GOOD.replace(b'"v":1', b'"v":true'),
        GOOD + b"\r",
    ],
)
def test_a_strange_line_is_skipped_or_says_the_same(line_of_somebody: bytes) -> None:
    """Beside a good line, which is used in any case."""
    lines, skipped = read(line_of_somebody + b"\n" + line(SHA, image="web").text())
    assert {one.image for one in lines} <= {"api", "web"}
    assert "web" in {one.image for one in lines}
    assert len(lines) + sum(one.count for one in skipped.all()) == 2
    assert all(one.value == line(SHA).value for one in lines)


def test_of_two_equal_keys_the_figures_still_agree() -> None:
    """JSON allows a key twice, and readers differ in which of them they take."""
    for forged in (with_value(b'1,"value":41943040'), with_value(b'41943040,"value":1')):
        lines, skipped = read(forged)
        assert all(one.agrees_with_itself for one in lines)
        assert len(lines) + len(skipped.all()) == 1


@pytest.mark.parametrize("end", range(0, 2 * len(GOOD) + 1, 7))
def test_a_truncated_note_loses_only_its_last_line(end: int) -> None:
    whole = text(line(SHA), line(SHA, image="web"))
    lines, skipped = read(whole[:end])
    assert [one.image for one in lines] == ["api", "web"][: (end + 1) // len(GOOD + b"\n")]
    is_cut = 0 < end % len(GOOD + b"\n") < len(GOOD)
    assert sum(one.count for one in skipped.all()) == is_cut


def test_a_note_of_millions_of_lines_is_not_read() -> None:
    for data in (b"x\n" * 4_000_000, (GOOD + b"\n") + b"\n" * 60_000):
        lines, skipped = read(data)
        assert lines == []
        assert skipped.all() == (SkippedFault(LineFault.TOO_LARGE, 1, SHA),)
        assert skipped.is_about_any


@pytest.mark.parametrize("filtered", [False, True])
def test_there_is_an_end_to_damaged_lines(filtered: bool) -> None:
    lines, skipped = read(b"damaged\n" * 40_000 + GOOD, filtered=filtered)
    assert lines == []
    assert skipped.all() == (SkippedFault(LineFault.NO_LINE, 1_000, SHA), SkippedFault(LineFault.TOO_LARGE, 1, SHA))
    assert skipped.is_about_any, "the good line may have been about any image, so no image counts as new"


@pytest.mark.thorough
@pytest.mark.parametrize("filtered", [False, True])
@pytest.mark.parametrize("part", [b'"image":"', b'"metric":"', b'{"v":1,"image":"', b'"v":', b"{", b"\\", b'"v":  '])
def test_no_line_takes_more_than_its_length(part: bytes, filtered: bool) -> None:
    """A pattern that tries again at each place would take hours for these 8 MB."""
    lines, skipped = read((part * LARGEST_NOTE_BYTES)[:LARGEST_NOTE_BYTES], filtered=filtered)
    assert (lines, len(skipped.all())) == ([], 1)


@pytest.mark.thorough
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists))
def test_any_json_as_a_value_is_read_without_a_crash(value: object) -> None:
    for key in HistoryLine.model_fields:
        forged = json.dumps({**json.loads(GOOD), key: value}).encode()
        lines, skipped = read(forged)
        assert len(lines) + sum(one.count for one in skipped.all()) == 1
        assert all(one.agrees_with_itself and one.commit == SHA for one in lines)
