"""How a figure stands to its budget."""

import pytest

from membudget.core.metrics import Metric
from membudget.history.standing import Newest, Standing
from tests.support.history import line


@pytest.mark.parametrize(
    ("value", "budget", "standing"),
    [
        (None, None, Standing.UNKNOWN),
        (None, 100, Standing.UNKNOWN),
        (50, None, Standing.NO_BUDGET),
        (50, 100, Standing.FINE),
        (89, 100, Standing.FINE),
        (90, 100, Standing.NEAR),
        (100, 100, Standing.NEAR),
        (101, 100, Standing.OVER),
        (0, 0, Standing.FINE),
        (1, 0, Standing.OVER),
    ],
)
def test_a_maximum(value: int | None, budget: int | None, standing: Standing) -> None:
    assert Newest(Metric.PEAK_RSS, value, budget).standing is standing


@pytest.mark.parametrize(
    ("value", "standing"), [(120, Standing.FINE), (110, Standing.NEAR), (100, Standing.NEAR), (99, Standing.OVER)]
)
def test_a_minimum_is_broken_from_below(value: int, standing: Standing) -> None:
    assert Newest(Metric.REQUESTS_PER_SECOND, value, 100).standing is standing


def test_a_line_gives_its_figure_and_budget() -> None:
    kept = line("a" * 40).model_copy(update={"budget": 5, "lower_bound": True})
    assert Newest.of(Metric.PEAK_RSS, kept) == Newest(Metric.PEAK_RSS, kept.value, 5, is_lower_bound=True)
    assert Newest.of(Metric.PEAK_RSS, None).standing is Standing.UNKNOWN
