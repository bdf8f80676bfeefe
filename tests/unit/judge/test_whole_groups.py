"""Sums over images."""

from dataclasses import replace

import pytest

from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.judge.measurement import ImageMeasurement, Presence
from membudget.judge.metric import Inconclusive, Verdict
from membudget.judge.whole import Coverage, GroupJudgement, GroupMeasurement, judge
from tests.support.builders import budgets, image, side, trial
from tests.support.said import reason_of

ALLOWED = {Metric.IMAGE_SIZE: budgets(max_size=300, size_growth=(5, 2))[Metric.IMAGE_SIZE]}


def pair(name: str, before: float, after: float, presence: Presence = Presence.BOTH) -> ImageMeasurement:
    base = side(trial(40), size=before) if presence is Presence.BOTH else None
    return image(name, base=base, head=side(trial(40), size=after), presence=presence)


def judged(*images: ImageMeasurement, names: tuple[str, ...] = ("a", "b")) -> GroupJudgement:
    (group,) = judge(images, [GroupMeasurement("both", names, ALLOWED)]).groups
    return group


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ((100, 100), (100, 100), Verdict.PASS),
        ((150, 140), (150, 151), Verdict.FAIL),
        ((100, 100), (111, 100), Verdict.FAIL),
    ],
)
def test_the_sum_has_a_maximum_and_a_growth(
    before: tuple[float, float], after: tuple[float, float], verdict: Verdict
) -> None:
    group = judged(pair("a", before[0], after[0]), pair("b", before[1], after[1]))
    assert group.verdict is verdict
    (row,) = group.rows
    assert row.head.value == sum(after) * MIB
    assert row.delta == (sum(after) - sum(before)) * MIB


def test_a_new_image_is_growth_of_the_sum() -> None:
    group = judged(pair("a", 100, 100), pair("b", 0, 50, Presence.NEW))
    assert group.rows[0].delta == 50 * MIB
    assert group.verdict is Verdict.FAIL


def test_a_group_of_which_not_all_was_to_be_checked_is_not_judged_and_says_so() -> None:
    coverage = Coverage(("a",), ("a", "b"))
    (group,) = judge([pair("a", 100, 100)], [GroupMeasurement("both", ("a", "b"), ALLOWED)], coverage).groups
    assert group.verdict is None
    assert reason_of(group.rows[0]) == "b is not among the images of this check"


def test_a_member_that_was_to_be_checked_and_is_missing_leaves_the_sum_open() -> None:
    for coverage in (None, Coverage(("a", "b"), ("a", "b"))):
        whole = judge([pair("a", 100, 100)], [GroupMeasurement("both", ("a", "b"), ALLOWED)], coverage)
        (group,) = whole.groups
        assert (group.verdict, group.inconclusive) == (Verdict.INCONCLUSIVE, Inconclusive.NOT_MEASURED)
        assert reason_of(group.rows[0]) == "b: it was not checked"
        assert whole.inconclusive is Inconclusive.NOT_MEASURED


def test_a_member_that_was_not_measured_leaves_the_answer_open_and_is_named() -> None:
    missing = replace(pair("b", 1, 1), head=side(trial(40), size=None))
    group = judged(pair("a", 100, 100), missing)
    assert group.verdict is Verdict.INCONCLUSIVE
    assert reason_of(group.rows[0]) == "b: not built"


def test_a_group_that_is_over_fails_the_whole() -> None:
    whole = judge([pair("a", 200, 200), pair("b", 200, 200)], [GroupMeasurement("both", ("a", "b"), ALLOWED)])
    assert whole.verdict is Verdict.FAIL
    assert all(one.verdict is Verdict.PASS for one in whole.images)
