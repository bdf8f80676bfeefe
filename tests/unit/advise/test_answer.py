"""What n passes prove."""

import pytest

from membudget.advise.answer import ruled_out_rate


@pytest.mark.parametrize(("passes", "percent"), [(1, 95.0), (10, 25.9), (30, 9.5), (59, 4.95)])
def test_n_of_n_passes_rule_out_a_failure_rate(passes: int, percent: float) -> None:
    assert 100 * ruled_out_rate(passes) == pytest.approx(percent, abs=0.05)


def test_no_passes_prove_nothing() -> None:
    with pytest.raises(ValueError, match="prove nothing"):
        ruled_out_rate(0)
