"""How long servers may take: what lies between two calls is not theirs."""

from membudget.web.bounded_http import Allowance


def test_only_the_time_of_calls_is_spent() -> None:
    now = 0.0
    allowance = Allowance(10, clock=lambda: now)
    with allowance.spend() as deadline:
        now += 4
        assert deadline.left() == 6
    now += 1000  # trials are run
    with allowance.spend() as deadline:
        assert deadline.left() == 6
        now += 7
        assert deadline.left() == -1
    with allowance.spend() as deadline:
        assert deadline.left() == -1
