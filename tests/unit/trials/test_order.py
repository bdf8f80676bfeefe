import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.trials.order import Turn, interleaved


def test_abba_after_one_warm_up_a_side() -> None:
    turns = [(turn.side, turn.number) for turn in interleaved("AB", 3)]
    assert turns == [("A", 0), ("B", 0), ("A", 1), ("B", 1), ("B", 2), ("A", 2), ("A", 3), ("B", 3)]


@given(st.integers(1, 20), st.integers(0, 2))
def test_each_side_gets_its_trials(trials: int, sides: int) -> None:
    turns = list(interleaved("AB"[:sides], trials))
    for side in "AB"[:sides]:
        assert [turn.number for turn in turns if turn.side == side] == list(range(trials + 1))


@pytest.mark.parametrize(
    ("number", "least", "most", "label"),
    [
        (0, 3, 10, "warm-up"),
        (3, 3, 10, "trial 3"),  # nobody knows yet how many there will be
        (4, 3, 10, "trial 4 of 10"),
        (1, 2, 2, "trial 1 of 2"),
    ],
)
def test_a_turn_says_which_it_is_of_how_many(number: int, least: int, most: int, label: str) -> None:
    assert Turn("A", number).label(least, most) == label
