"""What a heap profile keeps of what a profiler says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.measure.profiling.heap_profile import (
    LONGEST_NAME,
    MOST_FRAMES,
    MOST_STACKS,
    Frame,
    HeapProfile,
    PairProfile,
    ProfiledBy,
    ProfiledSide,
    Stack,
)

_FRAMES = st.builds(Frame, st.text(max_size=3), st.none() | st.text(max_size=3), st.none() | st.integers(1, 9))
_HELD = st.lists(st.tuples(st.lists(_FRAMES, max_size=4).map(tuple), st.integers(-5, 1 << 40)), max_size=30)


@pytest.mark.thorough
@given(_HELD)
def test_no_memory_is_lost_and_the_largest_stack_is_first(held: list[tuple[tuple[Frame, ...], int]]) -> None:
    profile = HeapProfile.of(ProfiledBy.TRACEMALLOC, held)
    assert profile.held_bytes == sum(size for frames, size in held if size > 0 and frames)
    sizes = [stack.held_bytes for stack in profile.stacks]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.thorough
def test_a_profile_is_bounded() -> None:
    deep = tuple(Frame(f"f{number}", "x" * 5000, 10**9) for number in range(1000))
    held = [(deep, 7), *(((Frame("g" * 900 + str(number)), Frame(str(number))), 1) for number in range(2000))]
    profile = HeapProfile.of(ProfiledBy.PPROF, held)
    assert len(profile.stacks) == MOST_STACKS
    assert profile.held_bytes == 2007
    first = profile.stacks[0]
    assert len(first.frames) == MOST_FRAMES
    assert profile.frames[first.frames[0]] == Frame("f0", "x" * LONGEST_NAME)


def test_a_stack_of_unknown_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="not in the profile"):
        HeapProfile(ProfiledBy.SMAPS, (), (Stack((0,), 1),))


@pytest.mark.thorough
@given(_HELD, st.integers(0, 5))
def test_a_smaller_profile_has_as_much_memory(held: list[tuple[tuple[Frame, ...], int]], most: int) -> None:
    whole = HeapProfile.of(ProfiledBy.TRACEMALLOC, held)
    cut = whole.largest(most)
    assert cut.held_bytes == whole.held_bytes
    assert [stack.held_bytes for stack in cut.stacks] == [stack.held_bytes for stack in whole.stacks[:most]]


def test_each_side_that_exists_is_changed() -> None:
    one = ProfiledSide(None, "it hangs")
    assert PairProfile(None, one).with_each_side(lambda side: ProfiledSide(None, f"{side.reason}!")) == PairProfile(
        None, ProfiledSide(None, "it hangs!")
    )


def test_no_more_processes_are_missing_than_there_are() -> None:
    assert ProfiledSide(None).unanswered == 0
    with pytest.raises(ValueError, match="more processes gave no profile than there are"):
        ProfiledSide(None, processes=2, unanswered=3)


def test_half_a_character_is_no_text() -> None:
    held = [((Frame("f\ud800", "/app/\udfffx.py", 1),), 9)]
    (frame,) = HeapProfile.of(ProfiledBy.TRACEMALLOC, held).frames
    assert frame == Frame("f\ufffd", "/app/\ufffdx.py", 1)
