"""A trial whose outcome is known is ended."""

import threading

import pytest

from membudget.core.errors import EnvironmentFault
from membudget.measure.doomed import ended_at_first_kill


def test_the_first_kill_ends_the_trial_once() -> None:
    ended, counts = threading.Event(), iter([None, 0, 2])

    def end() -> None:
        assert not ended.is_set()
        ended.set()

    with ended_at_first_kill(lambda: next(counts), end, every_s=0.001):
        assert ended.wait(10)


def test_a_trial_without_a_kill_is_left_alone() -> None:
    asked = threading.Event()

    def kills() -> int:
        asked.set()
        return 0

    with ended_at_first_kill(kills, lambda: pytest.fail("nothing was killed"), every_s=0.001):
        assert asked.wait(10)


def test_a_probe_that_fails_ends_only_the_watch() -> None:
    asked = threading.Event()

    def kills() -> int:
        asked.set()
        raise EnvironmentFault("the probe is gone")

    with ended_at_first_kill(kills, lambda: pytest.fail("nothing was killed"), every_s=0.001):
        assert asked.wait(10)
