"""Lines of the history that are no figures, as attempts are: images that were measured again and got no figure."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.build.history_place import Note
from membudget.history.kind_line import KindLines
from membudget.history.line import LineFault, SkippedLines, read_lines
from membudget.history.stale import AttemptLine
from tests.support.history import MACHINE, NOW, line, text

ONE, TWO = "a" * 40, "b" * 40


def attempt(commit: str = ONE) -> AttemptLine:
    return AttemptLine(image="api", commit=commit, time=NOW, machine=MACHINE, took_ms=7, membudget="0.1.0")


def test_attempts_and_figures_of_a_commit_are_read_beside_each_other() -> None:
    data = text(line(ONE)) + attempt().text() + b"\n"
    skipped = SkippedLines()
    reader = KindLines(AttemptLine, NOW, skipped)
    assert list(reader.passing([Note(ONE, data), Note(TWO, None)])) == [Note(ONE, data), Note(TWO, None)]
    assert reader.found == [attempt()]
    assert read_lines(ONE, data, NOW, skipped) == [line(ONE)]
    assert skipped.all() == ()


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (attempt(TWO).text(), LineFault.OTHER_COMMIT),
        (attempt().text().replace(b'"v":2', b'"v":3'), LineFault.NEWER_VERSION),
        (attempt().text().replace(b'"took_ms":7', b'"took_ms":-7'), LineFault.NO_LINE),
        (attempt().text()[:-1], LineFault.NO_LINE),
        (attempt().model_copy(update={"time": NOW + timedelta(days=2)}).text(), LineFault.FUTURE),
        ((attempt().text() + b"\n") * 10_001, LineFault.TOO_LARGE),
    ],
)
def test_lines_that_cannot_be_trusted_are_skipped_and_hide_no_figure(data: bytes, fault: LineFault) -> None:
    skipped = SkippedLines()
    assert KindLines(AttemptLine, NOW, skipped).read(ONE, data) == []
    assert [one.fault for one in skipped.all()] == [fault]
    assert not skipped.is_about_any


def test_a_key_of_a_later_version_of_membudget_is_ignored() -> None:
    data = attempt().text()[:-1] + b',"why":"build"}'
    assert KindLines(AttemptLine, NOW, SkippedLines()).read(ONE, data) == [attempt()]


@given(st.binary(max_size=300))
def test_no_bytes_are_fatal(data: bytes) -> None:
    assert KindLines(AttemptLine, NOW, SkippedLines()).read(ONE, b'{"v":2,"kind":"attempt",' + data) == []
