from hypothesis import given
from hypothesis import strategies as st

from membudget.measure.schedule import interleaved


def test_abba_after_one_warm_up_a_side() -> None:
    turns = [(turn.side, turn.number) for turn in interleaved("AB", 3)]
    assert turns == [("A", 0), ("B", 0), ("A", 1), ("B", 1), ("B", 2), ("A", 2), ("A", 3), ("B", 3)]


@given(st.integers(1, 20), st.integers(0, 2))
def test_each_side_gets_its_trials(trials: int, sides: int) -> None:
    turns = list(interleaved("AB"[:sides], trials))
    for side in "AB"[:sides]:
        assert [turn.number for turn in turns if turn.side == side] == list(range(trials + 1))
