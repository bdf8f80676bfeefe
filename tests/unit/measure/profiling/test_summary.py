"""The text that modules inside of runtimes write, and what hostile code writes in their place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.measure.profiling.heap_profile import LONGEST_NAME, MOST_STACKS, Frame, HeapProfile, ProfiledBy
from membudget.measure.profiling.summary import LONGEST_SUMMARY_BYTES, outside_of_live_heap, profile_of, summary_of

HEAD = b"membudget-profile 1\n"
_FRAMES = st.builds(
    Frame, st.text(min_size=1, max_size=5), st.none() | st.text(min_size=1, max_size=5), st.none() | st.integers(1, 9)
)
_HELD = st.lists(st.tuples(st.lists(_FRAMES, min_size=1, max_size=4).map(tuple), st.integers(1, 1 << 40)), max_size=9)


def read(raw: bytes) -> HeapProfile:
    return profile_of(raw, ProfiledBy.V8_SAMPLING, Frame)


def test_two_heaps_of_one_process_are_added_up() -> None:
    part = HEAD + b"f build\t/app/a.js\t7\nf main\t/app/a.js\t1\ns 100 0 1\nr 5\n"
    other = HEAD + b"f main\t/app/a.js\t1\nf build\t/app/a.js\t7\ns 20 1 0\nr 0\n"
    profile = read(part + other)
    assert profile.held_bytes == 125
    assert [profile.frames[at] for at in profile.stacks[0].frames] == [
        Frame("build", "/app/a.js", 7),
        Frame("main", "/app/a.js", 1),
    ]
    assert profile.stacks[0].held_bytes == 120


def test_a_part_outside_of_the_live_heap_is_marked() -> None:
    part = HEAD + b"f build\t/app/a.js\t7\ns 100 0\nr 5\n"
    found = read(part + outside_of_live_heap(part))
    assert [(frame.name, frame.in_live_heap) for frame in found.frames] == [
        *(("build", True), ("build", False)),
        *(("(other)", True), ("(other)", False)),
    ]
    assert [stack.held_bytes for stack in found.stacks] == [100, 100, 5, 5]


@pytest.mark.thorough
@given(_HELD)
def test_what_is_written_is_read(held: list[tuple[tuple[Frame, ...], int]]) -> None:
    assert read(summary_of(held)).held_bytes == sum(size for _, size in held)


@pytest.mark.thorough
def test_a_summary_is_bounded() -> None:
    held = [((Frame("x" * 5000 + str(number), "y" * 5000),), 1) for number in range(3000)]
    raw = summary_of(held)
    assert len(raw) < LONGEST_SUMMARY_BYTES
    assert read(raw).held_bytes == 3000


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "does not begin|is empty"),
        (b"\n\n", "does not begin"),
        (b"s 1 0\n", "does not begin"),
        (HEAD + b"s 1 0\n", "names a frame"),
        (HEAD + b"f a\t\t0\ns 1 1\nf b\t\t0\n", "names a frame"),
        (HEAD + b"f a\t\t0\ns -1 0\n", "cannot be read"),
        (HEAD + b"f a\t\t0\ns 1" + b" 0" * 201 + b"\n", "cannot be read"),
        (HEAD + b"f a\t\t0\ns " + b"9" * 100 + b" 0\n", "cannot be read"),
        (HEAD + b"[[[[[[", "cannot be read"),
        pytest.param(HEAD + b"f a\t\t0\n" * 200_001, "lines", marks=pytest.mark.thorough),
        (b"x" * (LONGEST_SUMMARY_BYTES + 1), "longer than 4 MiB"),
        (b"x" * 100 + b"\n" * 1_000_000, "does not begin"),
    ],
)
def test_another_text_is_refused(raw: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read(raw)


@pytest.mark.thorough
def test_the_largest_text_becomes_a_profile_of_bounded_size() -> None:
    """As many frames as fit, each with a terminal's escapes, and a stack for each."""
    count = 90_000
    frames = b"".join(b"f \x1b[2J\xff%d\t/a\t0\n" % at for at in range(count))
    stacks = b"".join(b"s 9 %d\n" % at for at in range(count))
    profile = read((HEAD + frames + stacks)[:LONGEST_SUMMARY_BYTES].rsplit(b"\n", 1)[0])
    assert len(profile.stacks) == MOST_STACKS
    assert len(profile.frames) <= MOST_STACKS


def test_names_are_cut() -> None:
    (frame,) = read(HEAD + b"f " + b"n" * 100_000 + b"\t" + b"/p" * 100_000 + b"\t99999999\ns 1 0\n").frames
    assert (len(frame.name), len(frame.file or ""), frame.line) == (LONGEST_NAME, LONGEST_NAME, None)


@pytest.mark.thorough
@given(st.binary(max_size=200) | st.text(alphabet="fsr 019\t\nx", max_size=200).map(lambda text: HEAD + text.encode()))
def test_no_text_is_an_error_of_ours(raw: bytes) -> None:
    try:
        profile = read(raw)
    except ValueError:
        return
    assert profile.held_bytes >= 0
