"""What few trials prove about a budget."""

import pytest

from membudget.judge.evidence import Proof, against_maximum, against_tolerance


@pytest.mark.parametrize(
    ("values", "answer", "is_settled"),
    [
        ([90, 91, 92], Proof.KEPT, True),
        ([90, 91, 100], Proof.KEPT, True),  # the budget itself is within budget
        ([90, 91, 101], Proof.WITHIN_NOISE, False),
        ([90, 101, 102], Proof.OPEN, False),
        ([101, 101, 102], Proof.BROKEN, False),  # three may be chance: they are confirmed
        ([101, 101, 102, 103, 101], Proof.BROKEN, True),
        ([90, 101, 101, 102, 103, 104, 105, 106, 107], Proof.BROKEN, True),  # one outlier of nine is no doubt
        ([101], Proof.BROKEN, False),
    ],
)
def test_a_maximum(values: list[int], answer: Proof, is_settled: bool) -> None:
    evidence = against_maximum(values, 100)
    assert (evidence.proof, evidence.is_settled) == (answer, is_settled)


QUIET = [100, 101, 100, 102, 101]


@pytest.mark.parametrize(
    ("before", "after", "answer", "is_settled"),
    [
        (QUIET[:3], QUIET[2:], Proof.KEPT, True),  # quiet trials settle it at once
        (QUIET[:3], [120, 121, 122], Proof.BROKEN, False),
        (QUIET, [120, 121, 122, 121, 120], Proof.BROKEN, True),
        (QUIET, [109, 112, 113, 112, 114], Proof.OPEN, False),  # it grew, and by about what is tolerated
        ([100, 150, 100, 150, 100], [150, 100, 150, 150, 100], Proof.WITHIN_NOISE, False),
        ([100, 150, 100], [150, 150, 151], Proof.WITHIN_NOISE, False),  # a median of +50 that may be none
        ([100], [120], Proof.BROKEN, False),
    ],
)
def test_growth(before: list[int], after: list[int], answer: Proof, is_settled: bool) -> None:
    evidence = against_tolerance(before, after, 10)
    assert (evidence.proof, evidence.is_settled) == (answer, is_settled)


def test_the_bounds_are_those_of_the_growth() -> None:
    evidence = against_tolerance(QUIET, [120, 121, 122, 121, 120], 10)
    assert (evidence.low, evidence.high) == (18, 22)
