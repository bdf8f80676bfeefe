"""Lines of the history, as written and as anybody may have written them."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

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


def read(data: bytes) -> tuple[list[HistoryLine], tuple[SkippedFault, ...]]:
    skipped = SkippedLines()
    return read_lines(SHA, data, NOW, skipped), skipped.all()


def changed(**keys: object) -> bytes:
    return json.dumps({**json.loads(line(SHA).text()), **keys}).encode() + b"\n"


def test_what_was_written_is_read_again() -> None:
    lines = [line(SHA), line(SHA, 100, metric=Metric.IMAGE_SIZE)]
    assert read(text(*lines)) == (lines, ())
    assert lines[0].spread == (lines[0].value - 4096, lines[0].value + 4096)


FIRST_LINE = (
    b'{"v":1,"image":"api","metric":"peak_rss","commit":"' + b"a" * 40 + b'","time":"2026-11-28T12:00:00Z",'
    b'"value":41943040,"samples":[41938944,41943040,41947136],"trials":3,"machine":"linux/amd64 cgroup-v2 4-cpus",'
    b'"membudget":"0.1.0"}'
)


def test_a_line_of_version_1_stays_readable() -> None:
    """Never change this line: repositories keep such lines for years."""
    assert read(FIRST_LINE)[0] == [line(SHA)]
    assert line(SHA).text() == FIRST_LINE


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (FIRST_LINE[:-20], LineFault.NO_LINE),
        (b"a remark of somebody", LineFault.NO_LINE),
        (b"\xff\xfe\x00", LineFault.NO_LINE),
        (b"[" * 100_000, LineFault.NO_LINE),
        (FIRST_LINE + b"," + FIRST_LINE, LineFault.NO_LINE),
        (b"[" + FIRST_LINE + b"]", LineFault.NO_LINE),
        (changed(value="41943040"), LineFault.NO_LINE),
        (changed(value=2**80), LineFault.NO_LINE),
        (changed(took_ms=-1), LineFault.NO_LINE),
        (changed(took_ms=10**12), LineFault.NO_LINE),
        (changed(metric="no_such"), LineFault.NO_LINE),
        (changed(image="../x"), LineFault.NO_LINE),
        (changed(machine="a\u202eb"), LineFault.NO_LINE),
        (changed(v=2, more=1), LineFault.NEWER_VERSION),
        (changed(value=1), LineFault.IMPOSSIBLE),
        (changed(value=-1, samples=[], trials=0), LineFault.IMPOSSIBLE),
        (changed(trials=2), LineFault.IMPOSSIBLE),
        (changed(interval=[1, 2]), LineFault.IMPOSSIBLE),
        (changed(commit="b" * 40), LineFault.OTHER_COMMIT),
        (changed(time="2027-01-01T00:00:00Z"), LineFault.FUTURE),
        (b" " * (LARGEST_NOTE_BYTES + 1), LineFault.TOO_LARGE),
    ],
)
def test_hostile_lines_are_skipped_and_named(data: bytes, fault: LineFault) -> None:
    assert read(data) == ([], (SkippedFault(fault, 1, SHA),))


def test_keys_of_a_later_membudget_are_ignored() -> None:
    assert read(changed(more={"of": [1]})) == ([line(SHA)], ())


def test_a_damaged_line_hides_no_other() -> None:
    lines, skipped = read(text(line(SHA)) + FIRST_LINE[:50] + b"\n\n" + text(line(SHA, image="web")))
    assert [one.image for one in lines] == ["api", "web"]
    assert skipped == (SkippedFault(LineFault.NO_LINE, 1, SHA),)


def test_a_clock_may_be_a_little_ahead() -> None:
    time = (NOW + timedelta(hours=23)).isoformat()
    assert read(changed(time=time))[1] == ()


@pytest.mark.thorough
@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_a_crash(data: bytes) -> None:
    lines, skipped = read(data)
    assert lines == []
    assert sum(one.count for one in skipped) == sum(bool(part.strip()) for part in data.split(b"\n"))


@pytest.mark.thorough
@given(st.integers(0, len(FIRST_LINE) - 1), st.binary(min_size=1, max_size=3))
def test_no_changed_byte_makes_a_figure_that_contradicts_itself(place: int, put: bytes) -> None:
    data = FIRST_LINE[:place] + put + FIRST_LINE[place + len(put) :]
    for one in read(data)[0]:
        assert one.agrees_with_itself
        assert one.commit == SHA


def test_lines_of_other_images_are_left_out_before_they_are_parsed() -> None:
    skipped = SkippedLines()
    data = text(line(SHA), line(SHA, image="web")) + b"damaged\n"
    found = read_lines(SHA, data, NOW, skipped, line_filter(["web"], [Metric.PEAK_RSS]))
    assert [one.image for one in found] == ["web"]
    assert skipped.all() == (SkippedFault(LineFault.NO_LINE, 1, SHA),), "it may have been about web"


def test_an_image_has_the_same_names_as_in_the_budgets_file() -> None:
    for name in ("a", "a-b_c.d1", "x" * 63):
        assert line(SHA, image=name).image == name
    for name in ("", "A", "-a", "a--b", "x" * 64):
        with pytest.raises(ValidationError):
            line(SHA, image=name)
