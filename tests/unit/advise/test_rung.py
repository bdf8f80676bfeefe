"""What is kept of a trial, and of the trials at one limit."""

from dataclasses import replace

import pytest

from membudget.advise.rung import Answers, Ended, Tried, rungs, step_bytes
from membudget.core.quantities import GIB, KIB, MIB
from membudget.measure.load import LoadResult
from membudget.measure.trial import LimitContact, Outcome
from tests.fakes.limited_services import tried
from tests.support.builders import trial


@pytest.mark.parametrize(
    ("outcome", "ended"),
    [
        (Outcome.COMPLETED, Ended.PASSED),
        (Outcome.OOM_KILLED, Ended.KILLED),
        (Outcome.WORKLOAD_FAILED, Ended.FAILED),
        (Outcome.TIMED_OUT, Ended.TIMED_OUT),
    ],
)
def test_a_kill_counts_although_the_workload_passed(outcome: Outcome, ended: Ended) -> None:
    one = Tried.of(replace(trial(40), outcome=outcome), 64 * MIB)
    assert (one.ended, one.passed) == (ended, outcome is Outcome.COMPLETED)


def test_what_a_fit_needs_of_a_trial_is_kept() -> None:
    contact = LimitContact(3, 8 * MIB, 250, is_thrashing=True)
    loads = tuple(LoadResult("steady", "GET /", count, 0, 500, 0, 10, 20, 30, 0) for count in (10, 1000))
    one = Tried.of(replace(trial(40), at_limit=contact, load=loads, duration_ms=1000), 64 * MIB)
    assert (one.peak_rss_bytes, one.refaulted_bytes, one.stalled_percent) == (40 * MIB, 8 * MIB, 25.0)
    assert one.answers == Answers(1000, 500, 10, 20, 30)
    assert one.answers.per_second == 2000


def test_rungs_are_in_the_order_of_their_limits() -> None:
    trials = [tried(None), tried(2 * MIB), tried(MIB), tried(2 * MIB, Ended.KILLED)]
    ladder = rungs(trials)
    assert [rung.limit_bytes for rung in ladder] == [MIB, 2 * MIB, None]
    assert [(rung.passes, rung.passed) for rung in ladder] == [(1, True), (1, False), (1, True)]


@pytest.mark.parametrize(
    ("limit", "step"), [(8 * MIB, MIB), (50 * MIB, MIB), (64 * MIB, MIB + 256 * KIB), (GIB, 20 * MIB + 256 * KIB)]
)
def test_a_step_is_one_mib_or_two_percent(limit: int, step: int) -> None:
    assert step_bytes(limit) == step
    assert step <= max(MIB, limit * 0.02)
