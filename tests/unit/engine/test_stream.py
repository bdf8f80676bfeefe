import socket
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.engine.stream import STDOUT, FramedStream, LineTail


def frame(stream: int, payload: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(payload)) + payload


@pytest.mark.thorough
@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=200)), max_size=10), st.data())
def test_frames_come_out_as_they_went_in_however_they_are_cut(
    frames: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    wire = b"".join(frame(*one) for one in frames)
    cut = data.draw(st.integers(0, len(wire)))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(wire[:cut])
        theirs.sendall(wire[cut:])
        theirs.shutdown(socket.SHUT_WR)
        stream = FramedStream(ours)
        received = []
        while (one := stream.next_frame(time.monotonic() + 5)) is not None:
            received.append(one)
    assert received == frames


def test_a_stream_that_breaks_off_inside_a_frame_is_at_its_end() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        theirs.sendall(frame(STDOUT, b"whole")[:-2])
        theirs.close()
        assert FramedStream(ours).next_frame(time.monotonic() + 5) is None


def test_nothing_until_the_deadline_is_a_timeout() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(TimeoutError):
        FramedStream(ours).next_frame(time.monotonic() + 0.01)


@given(st.lists(st.text("ab\r", max_size=5), max_size=8), st.integers(1, 4), st.data())
def test_the_tail_is_the_last_lines_however_they_arrive(lines: list[str], kept: int, data: st.DataObject) -> None:
    text = "\n".join(lines).encode()
    cut = data.draw(st.integers(0, len(text)))
    tail = LineTail(lines=kept)
    tail.feed(text[:cut])
    tail.feed(text[cut:])
    complete = [line.rstrip("\r") for line in text.decode().split("\n")[:-1]]
    rest = text.decode().split("\n")[-1]
    assert tail.lines() == tuple([*complete, *([rest] if rest else [])][-kept:])


def test_a_line_without_end_stays_small() -> None:
    tail = LineTail(lines=2, longest_line=10)
    for _ in range(1000):
        tail.feed(b"x" * 1000)
    assert tail.lines() == ("x" * 10,)
