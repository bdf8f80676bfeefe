"""How far a limit is raised, and which lower one is tried after that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.advise.raising import lowered, raised
from membudget.advise.rung import GRID_BYTES, Ended, Tried, step_bytes
from membudget.core.quantities import GIB, MIB
from tests.fakes.limited_services import tried

LIMIT = 100 * MIB
STEP = step_bytes(LIMIT)


def seen(mark_mib: int, limit: int | None = None) -> Tried:
    return tried(limit, mark=mark_mib * MIB)


@pytest.mark.parametrize("raises", [0, 1, 2, 3])
def test_a_limit_is_raised_further_each_time(raises: int) -> None:
    assert raised(LIMIT, raises, [], sizes_itself=False) == LIMIT + 2**raises * STEP


def test_a_limit_is_raised_above_the_highest_mark_that_was_seen() -> None:
    trials = [seen(90), seen(130), seen(120, 200 * MIB)]
    assert raised(LIMIT, 0, trials, sizes_itself=False) == 130 * MIB + GRID_BYTES


@pytest.mark.parametrize(
    "says_nothing",
    [
        tried(160 * MIB, mark=160 * MIB),  # page cache filled the limit
        seen(200),  # so does page cache without a limit
        tried(160 * MIB, Ended.FAILED, mark=130 * MIB),
    ],
)
def test_marks_that_page_cache_or_a_failure_explains_do_not_raise_a_limit(says_nothing: Tried) -> None:
    assert raised(LIMIT, 0, [says_nothing], sizes_itself=False) == LIMIT + STEP


def test_marks_do_not_raise_the_limit_of_what_sizes_itself() -> None:
    assert raised(LIMIT, 0, [seen(130)], sizes_itself=True) == LIMIT + STEP


def test_a_raised_limit_is_lowered_to_a_step_above_the_highest_mark_there() -> None:
    trials = [seen(112, 150 * MIB), seen(118, 153 * MIB), seen(99, LIMIT)]
    assert lowered(LIMIT, 150 * MIB, trials) == 118 * MIB + GRID_BYTES + STEP


@pytest.mark.parametrize("mark_mib", [90, 99, 150])
def test_a_raised_limit_is_lowered_to_the_middle_if_marks_say_nothing(mark_mib: int) -> None:
    assert lowered(LIMIT, 150 * MIB, [seen(mark_mib, 150 * MIB)]) == 125 * MIB


def test_a_raised_limit_is_not_lowered_below_a_mark_that_was_seen() -> None:
    assert lowered(LIMIT, 150 * MIB, [seen(149, 150 * MIB), seen(120, 153 * MIB)]) is None


def test_a_limit_near_one_that_failed_is_not_lowered() -> None:
    assert lowered(LIMIT, LIMIT + 4 * STEP, [seen(102, LIMIT + 4 * STEP)]) is None


@given(failed=st.integers(9 * MIB, GIB), more=st.integers(0, GIB), mark=st.integers(0, 2 * GIB))
def test_a_lowered_limit_is_between_both(failed: int, more: int, mark: int) -> None:
    passed = failed + more
    found = lowered(failed, passed, [tried(passed, mark=mark)])
    assert found is None or failed < found < passed
