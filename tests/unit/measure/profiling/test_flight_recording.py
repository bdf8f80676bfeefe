"""A recording of OpenJDK 17, and what only looks like one."""

import gzip
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from membudget.measure.profiling.flight_recording import NotARecording, chunks

RECORDING = gzip.decompress((Path(__file__).parent / "recorded" / "openjdk-17.jfr.gz").read_bytes())
EVENT = "jdk.OldObjectSample"


@pytest.mark.thorough
def test_events_of_one_type_are_read_with_their_constants() -> None:
    (chunk,) = chunks(RECORDING, EVENT)
    arrays = [event for event in chunk.events if event["arrayElements"] == (64 << 10) - 16]
    assert len(arrays) == 4 * 16
    assert chunk.at(arrays[0]["object"], "type", "name", "string") == "[B"
    frames = chunk.at(arrays[0]["stackTrace"], "frames")
    assert isinstance(frames, tuple)
    called = [(chunk.at(one, "method", "name", "string"), chunk.at(one, "lineNumber")) for one in frames]
    assert called == [("buildArrays", 19), ("main", 53)]


@pytest.mark.thorough
def test_chunks_follow_each_other() -> None:
    one, two = chunks(RECORDING + RECORDING, EVENT)
    assert len(one.events) == len(two.events) > 100


@pytest.mark.thorough
def test_a_recording_without_the_event_has_none() -> None:
    (chunk,) = chunks(RECORDING, "jdk.NoSuchEvent")
    assert chunk.events == []


@pytest.mark.thorough
@pytest.mark.parametrize(
    "damaged",
    [
        b"FLR\0",
        b"PK\3\4" + RECORDING[4:],
        RECORDING[:-1],
        RECORDING[:4] + b"\0\3" + RECORDING[6:],
        RECORDING[:67] + b"\0" + RECORDING[68:],
        RECORDING[:24] + b"\x7f" * 8 + RECORDING[32:],
        RECORDING[:68] + b"\0" * 100 + RECORDING[168:],
    ],
)
def test_a_damaged_recording_is_refused(damaged: bytes) -> None:
    with pytest.raises(NotARecording):
        list(chunks(damaged, EVENT))


@pytest.mark.thorough
@settings(max_examples=50)  # of a whole recording each
@given(st.lists(st.tuples(st.integers(0, len(RECORDING) - 1), st.integers(0, 255)), min_size=1, max_size=20))
def test_no_recording_is_an_error_of_ours(changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(RECORDING)
    for at, byte in changes:
        damaged[at] = byte
    with suppress(NotARecording):
        assert all(len(chunk.events) < 10_000 for chunk in chunks(bytes(damaged), EVENT))
