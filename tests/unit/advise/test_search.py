"""The search, against simulated services."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.advise.answer import Purpose, SmallestLimit, Stopped
from membudget.advise.rung import Ended, Tried, step_bytes
from membudget.advise.search import MOST_SEARCH_TRIALS
from membudget.budgets.possible import SMALLEST_LIMIT_BYTES
from membudget.core.quantities import GIB, MIB
from membudget.judge.fitted import Stop
from tests.fakes.limited_services import Fit, monotone, noisy, self_sizing, tried, with_hole

NEEDS = st.integers(9 * MIB, 4 * GIB)


def answered(fit: Fit) -> SmallestLimit:
    result = fit.run()
    assert isinstance(result, SmallestLimit), result
    return result


def stopped(fit: Fit) -> Stopped:
    result = fit.run()
    assert isinstance(result, Stopped), result
    return result


def searched(fit: Fit) -> int:
    """How many trials came before the first that confirms."""
    return next(number for number, ask in enumerate(fit.asked) if ask.purpose is Purpose.CONFIRM)


@pytest.mark.thorough
@given(need=NEEDS, kernel=st.integers(0, 2 * MIB), cache=st.integers(0, GIB))
def test_the_answer_is_a_step_from_the_truth(need: int, kernel: int, cache: int) -> None:
    fit = Fit(monotone(need, kernel, cache))
    answer = answered(fit)
    assert need + kernel <= answer.survives_bytes
    if searched(fit) < MOST_SEARCH_TRIALS:
        assert answer.survives_bytes - (need + kernel) <= step_bytes(answer.survives_bytes)
    assert (answer.is_monotone, answer.sizes_itself) == (True, False)


@pytest.mark.thorough
@given(need=NEEDS, cache=st.integers(0, 4 * GIB))
def test_at_most_ten_trials_come_before_confirming(need: int, cache: int) -> None:
    fit = Fit(monotone(need, cache=cache))
    answered(fit)
    assert searched(fit) <= MOST_SEARCH_TRIALS


def test_what_holds_all_of_its_memory_needs_three_trials_to_be_found() -> None:
    fit = Fit(monotone(100 * MIB))
    answered(fit)
    assert [ask.purpose for ask in fit.asked[:4]] == [
        Purpose.REFERENCE,
        Purpose.SEARCH,
        Purpose.SEARCH,
        Purpose.CONFIRM,
    ]


@pytest.mark.parametrize("confirmations", [1, 10, 59])
def test_the_answer_passed_n_fresh_trials(confirmations: int) -> None:
    fit = Fit(monotone(100 * MIB), confirmations)
    answer = answered(fit)
    confirming = [ask for ask in fit.asked if ask.purpose is Purpose.CONFIRM]
    assert {ask.limit_bytes for ask in confirming} == {answer.survives_bytes}
    assert [ask.number for ask in confirming] == list(range(1, confirmations + 1))
    assert answer.confirmed == confirmations


@pytest.mark.thorough
@given(need=st.integers(16 * MIB, GIB), spread=st.integers(1, 64 * MIB), seed=st.integers(0, 1000))
def test_a_noisy_service_is_confirmed_or_has_no_answer(need: int, spread: int, seed: int) -> None:
    fit = Fit(noisy(need, spread, seed))
    result = fit.run()
    if isinstance(result, Stopped):
        assert result.why is Stop.UNSTABLE
        return
    last = [trial for trial in fit.trials if trial.limit_bytes == result.survives_bytes]
    assert len(last) >= result.confirmed
    assert all(trial.passed for trial in last)


def test_a_failure_while_comparing_the_pace_raises_the_limit_and_starts_again() -> None:
    """Whether the service is slower at the answer is not clear, so that it is run more often there: it is killed."""
    sound = monotone(100 * MIB)
    asked: Counter[int | None] = Counter()

    def run(limit: int | None) -> Tried:
        asked[limit] += 1
        is_small = limit is not None and limit < 110 * MIB
        if is_small and asked[limit] > 12:
            return tried(limit, Ended.KILLED, rss=100 * MIB, mark=limit or 0)
        return replace(sound(limit), cpu_ms=1000 + (200 * (asked[limit] % 2) if is_small else 0))

    answer = answered(Fit(run, seeks_comfort=True))
    assert answer.survives_bytes >= 110 * MIB
    assert answer.fails_at_bytes is not None
    assert answer.fails_at_bytes < 110 * MIB


def test_a_failure_while_confirming_raises_the_limit_and_starts_again() -> None:
    service, seen = monotone(100 * MIB), Counter[int | None]()

    def unlucky(limit: int | None) -> object:
        seen[limit] += 1
        trial = service(limit)
        return tried(limit, Ended.KILLED) if limit == first and seen[limit] == 5 else trial

    first = answered(Fit(service)).survives_bytes
    fit = Fit(unlucky)  # type: ignore[arg-type]
    answer = answered(fit)
    assert answer.survives_bytes == first + step_bytes(first)
    assert answer.fails_at_bytes == first
    assert seen[answer.survives_bytes] >= 10


def test_a_limit_that_was_raised_far_is_lowered_and_confirmed() -> None:
    """The service needs 118 MiB in one trial of nine, and 100 MiB else."""
    number = 0

    def run(limit: int | None) -> Tried:
        nonlocal number
        number += 1
        return monotone((118 if number % 9 == 0 else 100) * MIB)(limit)

    fit = Fit(run, 20)
    answer = answered(fit)
    assert 118 * MIB < answer.survives_bytes <= 118 * MIB + 3 * step_bytes(118 * MIB)
    largest = max(ask.limit_bytes or 0 for ask in fit.asked if ask.purpose is Purpose.CONFIRM)
    assert largest > answer.survives_bytes, "it was raised further"
    assert [trial.passed for trial in fit.trials if trial.limit_bytes == answer.survives_bytes].count(True) >= 20


def test_a_lower_limit_that_fails_leaves_the_raised_one_as_the_answer() -> None:
    """Below 130 MiB, it is killed in the ninth trial at each limit, and else needs 100 MiB."""
    asked: Counter[int | None] = Counter()

    def run(limit: int | None) -> Tried:
        asked[limit] += 1
        is_unlucky = limit is not None and asked[limit] == 9 and limit < 130 * MIB
        return tried(limit, Ended.KILLED, mark=limit or 0) if is_unlucky else monotone(100 * MIB)(limit)

    fit = Fit(run)
    answer = answered(fit)
    assert answer.survives_bytes >= 130 * MIB
    confirmed = [ask.limit_bytes or 0 for ask in fit.asked if ask.purpose is Purpose.CONFIRM]
    after = confirmed[confirmed.index(answer.survives_bytes) + answer.confirmed :]
    assert after, "lower limits were confirmed after it"
    assert max(after) < answer.survives_bytes
    assert answer.fails_at_bytes == max(limit for limit in after if limit < 130 * MIB)


@pytest.mark.thorough
def test_answers_are_near_what_nearly_all_trials_need() -> None:
    """It needs 100 to 140 MiB. With nothing but raises, five of 100 answers are 159 MiB and more."""
    answers = [Fit(noisy(100 * MIB, 40 * MIB, seed), 30).run() for seed in range(100)]
    limits = sorted(answer.survives_bytes for answer in answers if isinstance(answer, SmallestLimit))
    assert len(limits) == 100
    assert limits[95] <= 152 * MIB


@pytest.mark.thorough
@given(live=st.integers(8 * MIB, 200 * MIB), outside=st.integers(8 * MIB, 100 * MIB))
def test_what_sizes_itself_is_fitted_below_its_free_peak(live: int, outside: int) -> None:
    service = self_sizing(0.75, live, outside)
    fit = Fit(service)
    answer = answered(fit)
    free = service(None).peak_rss_bytes or 0
    assert answer.sizes_itself == (answer.survives_bytes + step_bytes(answer.survives_bytes) < free)
    assert all(service(answer.survives_bytes + more * MIB).passed for more in range(50))


def test_rungs_above_are_confirmed_like_the_answer_if_the_memory_depends_on_the_limit() -> None:
    fit = Fit(self_sizing(0.75, 100 * MIB, 50 * MIB))
    answer = answered(fit)
    assert answer.sizes_itself
    above = Counter(ask.limit_bytes for ask in fit.asked if ask.purpose is Purpose.ABOVE and ask.most == 10)
    assert len(above) == 2
    assert set(above.values()) == {10}


def test_a_limit_that_fails_above_one_that_works_is_not_monotone_and_raises_the_answer() -> None:
    fitted = answered(Fit(monotone(100 * MIB))).survives_bytes
    hole = fitted + MIB
    answer = answered(Fit(with_hole(100 * MIB, hole, hole + 3 * MIB)))
    assert not answer.is_monotone
    assert answer.survives_bytes >= hole + 3 * MIB


@pytest.mark.thorough
def test_chance_makes_no_limits_not_monotone() -> None:
    """More memory never hurts this service: it needs another amount in each trial."""
    results = [Fit(noisy(100 * MIB, 20 * MIB, seed)).run() for seed in range(200)]
    answers = [result for result in results if isinstance(result, SmallestLimit)]
    assert len(answers) > 150
    assert sum(not answer.is_monotone for answer in answers) <= 2


@pytest.mark.thorough
def test_chance_does_not_make_the_rungs_above_be_confirmed() -> None:
    fits = [Fit(noisy(100 * MIB, 20 * MIB, seed), 59) for seed in range(20)]
    answers = [fit.run() for fit in fits]
    steady = [fit for fit, answer in zip(fits, answers, strict=True) if not getattr(answer, "sizes_itself", True)]
    assert len(steady) > 10
    assert max(ask.most for fit in steady for ask in fit.asked if ask.purpose is Purpose.ABOVE) <= 10


def test_a_lucky_trial_of_the_search_does_not_make_limits_not_monotone() -> None:
    service, lucky = monotone(100 * MIB), 90 * MIB
    seen = Counter[int | None]()

    def run(limit: int | None) -> object:
        seen[limit] += 1
        is_lucky = limit is not None and lucky <= limit < 100 * MIB and seen[limit] == 1
        return tried(limit, rss=80 * MIB, mark=limit or 0) if is_lucky else service(limit)

    fit = Fit(run)  # type: ignore[arg-type]
    answer = answered(fit)
    assert answer.is_monotone
    assert answer.survives_bytes > 100 * MIB


def test_a_failure_that_does_not_repeat_does_not_make_limits_not_monotone() -> None:
    fitted = answered(Fit(monotone(100 * MIB))).survives_bytes
    above, seen = fitted + step_bytes(fitted), Counter[int | None]()

    def run(limit: int | None) -> object:
        seen[limit] += 1
        is_unlucky = limit == above and seen[limit] == 1
        return tried(limit, Ended.KILLED) if is_unlucky else monotone(100 * MIB)(limit)

    answer = answered(Fit(run))  # type: ignore[arg-type]
    assert answer.is_monotone
    assert answer.survives_bytes > above


def test_what_never_passes_has_no_answer() -> None:
    fit = Fit(lambda limit: tried(limit, Ended.FAILED))
    assert stopped(fit).why is Stop.NEVER_PASSES
    assert len(fit.asked) == 1


def test_what_always_passes_gets_the_smallest_limit_and_says_so() -> None:
    answer = answered(Fit(lambda limit: tried(limit, rss=64 * 1024, mark=MIB)))
    assert answer.survives_bytes == SMALLEST_LIMIT_BYTES
    assert answer.is_smallest_possible
    assert answer.fails_at_bytes is None


def test_what_passes_below_its_own_peak_is_followed_down() -> None:
    answer = answered(Fit(lambda limit: tried(limit, rss=GIB, mark=GIB)))
    assert answer.is_smallest_possible
    assert answer.sizes_itself


def test_what_no_limit_is_enough_for_has_no_answer() -> None:
    fit = Fit(lambda limit: tried(limit, Ended.PASSED if limit is None else Ended.KILLED, rss=GIB, mark=GIB))
    assert stopped(fit).why is Stop.NEVER_ENOUGH
    assert max(ask.limit_bytes or 0 for ask in fit.asked) == fit.largest
    assert len(fit.asked) <= MOST_SEARCH_TRIALS


def test_no_limit_above_the_largest_is_tried() -> None:
    fit = Fit(monotone(100 * MIB), largest=64 * MIB)
    assert stopped(fit).why is Stop.NEVER_ENOUGH
    assert {ask.limit_bytes for ask in fit.asked} == {None, 64 * MIB}


@pytest.mark.thorough
@given(salt=st.integers(0, 10_000))
def test_a_workload_that_fails_at_half_of_the_limits_for_another_reason_has_no_answer(salt: int) -> None:
    def service(limit: int | None) -> object:
        is_broken = limit is not None and hash((limit, salt)) % 2 == 0
        return tried(limit, Ended.FAILED) if is_broken else monotone(100 * MIB)(limit)

    fit = Fit(service, confirmations=2)  # type: ignore[arg-type]
    result = fit.run()
    if isinstance(result, SmallestLimit):  # chance: none of the limits above it was a broken one
        at = {trial.limit_bytes: trial.ended for trial in fit.trials}
        broken = [limit for limit, ended in at.items() if ended is Ended.FAILED]
        assert all(limit is not None and limit < result.survives_bytes for limit in broken)
        assert len([limit for limit in at if limit is not None and limit > result.survives_bytes]) >= 2
    else:
        assert result.why in (Stop.FAILS_OTHERWISE, Stop.UNSTABLE)


def test_a_workload_that_fails_without_a_limit_too_fails_for_another_reason() -> None:
    free = iter([Ended.PASSED, Ended.FAILED])

    def service(limit: int | None) -> object:
        return tried(limit, next(free), rss=100 * MIB) if limit is None else tried(limit, Ended.FAILED)

    result = stopped(Fit(service))  # type: ignore[arg-type]
    assert result.why is Stop.FAILS_OTHERWISE
    assert result.trial.limit_bytes is None


def test_a_runtime_that_fails_at_its_own_ceiling_fails_for_want_of_memory() -> None:
    answer = answered(Fit(self_sizing(0.25, 100 * MIB, 30 * MIB, host=2 * GIB)))
    assert 400 * MIB <= answer.survives_bytes <= 400 * MIB + 2 * step_bytes(400 * MIB)


@pytest.mark.thorough
@given(need=NEEDS, cache=st.integers(0, GIB), seed=st.integers(0, 100))
def test_the_same_results_lead_to_the_same_questions(need: int, cache: int, seed: int) -> None:
    one, other = (Fit(noisy(need, MIB + cache // 4, seed)) for _ in range(2))
    assert one.run() == other.run()
    assert one.asked == other.asked


def test_a_runtime_that_sometimes_fails_at_its_ceiling_gets_more_memory() -> None:
    """At the edge, a JVM may pass ten times and fail a step above, without an OOM kill."""
    fitted = answered(Fit(self_sizing(0.75, 60 * MIB, 10 * MIB)))
    edge = fitted.survives_bytes + step_bytes(fitted.survives_bytes)
    service = self_sizing(0.75, 60 * MIB, 10 * MIB)
    answer = answered(Fit(lambda limit: tried(limit, Ended.FAILED) if limit == edge else service(limit)))
    assert answer.survives_bytes > edge
    assert not answer.is_monotone


def test_a_failure_far_above_a_limit_that_works_is_not_for_want_of_memory() -> None:
    service = self_sizing(0.75, 60 * MIB, 10 * MIB)
    fitted = answered(Fit(service)).survives_bytes
    result = stopped(Fit(lambda limit: tried(limit, Ended.FAILED) if (limit or 0) > fitted * 1.3 else service(limit)))
    assert result.why is Stop.FAILS_OTHERWISE
