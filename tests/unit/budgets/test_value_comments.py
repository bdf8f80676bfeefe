"""Comments that membudget wrote are told from those of people."""

from datetime import date

import pytest

from membudget.budgets import value_comments
from membudget.core.quantities import MIB

DAY = date(2026, 11, 27)


@pytest.mark.parametrize(
    "comment",
    [
        value_comments.from_place("deploy/api.yaml:31"),
        value_comments.no_file_sets_it("1.5 × the peak RSS of 41.0 MiB"),
        value_comments.too_small(16 * MIB, "a b.yaml:3", "1.5 × the peak RSS of 41.0 MiB"),
        value_comments.measured(5 * MIB, 8 * MIB),
        value_comments.measured(1234 * MIB, 1500 * MIB),
        value_comments.fitted(DAY, 40 * MIB, None, 46 * MIB),
        value_comments.fitted(DAY, 40 * MIB, None, 74 * MIB, 1.6),
        value_comments.fitted_peak(DAY, None, 46 * MIB),
        value_comments.NOT_MEASURED,
    ],
)
def test_a_comment_of_membudget_is_recognised(comment: str) -> None:
    assert value_comments.is_generated(f" {comment}")


@pytest.mark.parametrize("comment", ["", " from the load test", " measured in May", " fit for production", " limit"])
def test_a_comment_of_a_person_is_not(comment: str) -> None:
    assert not value_comments.is_generated(comment)


def test_the_margin_of_a_scaled_limit_is_that_above_productions_need() -> None:
    comment = value_comments.fitted(DAY, 40 * MIB, 50 * MIB, 92 * MIB, 1.6)
    assert comment.endswith("comfortable at 50.0 MiB; × 1.6 (scale) +15 %")


def test_a_small_margin_is_a_size() -> None:
    assert value_comments.measured(5 * MIB, 8 * MIB) == "measured 5.0 MiB; +3.0 MiB"
    assert value_comments.fitted(DAY, 40 * MIB, 44 * MIB, 55 * MIB).endswith("comfortable at 44.0 MiB; +25 %")
