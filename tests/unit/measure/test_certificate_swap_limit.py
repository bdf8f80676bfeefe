"""A limit that does not bound swap is no limit."""

import pytest

from membudget.core.errors import EnvironmentFault
from membudget.core.quantities import MIB
from membudget.measure.certificate import require_swap_limit


@pytest.mark.parametrize(("limits_swap", "swap_bytes"), [(True, None), (True, 512 * MIB), (False, 0)])
def test_a_machine_without_swap_or_with_a_limit_on_it_is_fine(*, limits_swap: bool, swap_bytes: int | None) -> None:
    refused = []
    try:
        require_swap_limit(limits_swap=limits_swap, swap_bytes=swap_bytes)
    except EnvironmentFault as error:
        refused.append(error.what)
    assert refused == []


@pytest.mark.parametrize(("swap_bytes", "said"), [(512 * MIB, "has 512.0 MiB of swap"), (None, "may have swap")])
def test_a_machine_with_swap_and_no_limit_on_it_is_refused(swap_bytes: int | None, said: str) -> None:
    with pytest.raises(EnvironmentFault) as caught:
        require_swap_limit(limits_swap=False, swap_bytes=swap_bytes)
    assert said in caught.value.what
    assert "swapoff" in str(caught.value.fix)
