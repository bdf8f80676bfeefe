"""How long servers may take: what lies between two calls is not theirs."""

from membudget.web.bounded_http import Allowance, Deadline, Limits


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


def test_connecting_has_a_timeout_of_its_own_up_to_the_deadline() -> None:
    now = 0.0
    deadline = Deadline(90, clock=lambda: now)
    assert Limits(deadline, 1, 15).timeouts() == (15, 15)
    assert Limits(deadline, 1, 15, connect_s=5).timeouts() == (5, 15)
    now = 80
    assert Limits(deadline, 1, 15, connect_s=5).timeouts() == (5, 10)
    now = 88
    assert Limits(deadline, 1, 15, connect_s=5).timeouts() == (2, 2)
