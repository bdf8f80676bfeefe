"""Whether a failed request is repeated, after how long, and what comes of it."""

import pytest

from membudget.web.retries import FailedAnswer, Policy, Retries, TriedRequest, asked_wait, repeated

NOW = 1_000_000_000.0
"""9 September 2001, 01:46:40 UTC."""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        ("Sun, 09 Sep 2001 01:47:40 GMT", 60),
        ("Sun, 09 Sep 2001 01:47:40 -0000", 60),
        ("Sun, 09 Sep 2001 01:46:00 GMT", 0),
        (None, None),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("\u0663", None),
        ("9" * 13, None),
        ("soon", None),
        ("Sun, 09 Sep 99999 01:47:40 GMT", None),
        ("Sun, 09 Sep 2001 01:47:40 +9999999999999", None),
        ("x" * 100_000, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str | None, seconds: float | None) -> None:
    assert asked_wait(text, NOW) == seconds


POLICY = Policy(tries=4, backoff_s=0.5, longest_wait_s=60, default_limit_wait_s=30)


def waits(
    *answers: FailedAnswer | None, repeatable: bool = True, left: float = 1000, policy: Policy = POLICY
) -> list[float]:
    """The waits until the request is given up or there are no more answers."""
    retries, found = Retries(policy, lambda: left - sum(found), lambda: NOW), list[float]()
    for answer in answers:
        wait = retries.wait(answer, repeatable=repeatable)
        if wait is None:
            break
        found.append(wait)
    return found


@pytest.mark.parametrize("failure", [None, FailedAnswer(500, {}), FailedAnswer(503, {"retry-after": "soon"})])
def test_waits_double_until_the_tries_are_used_up(failure: FailedAnswer | None) -> None:
    assert waits(*[failure] * 9) == [0.5, 1, 2]
    assert waits(failure, repeatable=False) == []


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 410, 422])
def test_a_refusal_is_final(status: int) -> None:
    assert waits(FailedAnswer(status, {})) == []


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0"}, 0.5),
        ({"x-ratelimit-reset": "1000000009"}, 9),
        ({"x-ratelimit-reset": "1000000009", "x-ratelimit-remaining": "0"}, 9),
        ({"x-ratelimit-reset": "1000000009", "x-ratelimit-remaining": "1"}, 30),
        ({"x-ratelimit-reset": "999999999"}, 0.5),
        ({}, 30),
    ],
)
def test_after_a_rate_limit_even_a_write_is_repeated_when_the_server_says(
    headers: dict[str, str], seconds: float
) -> None:
    assert waits(FailedAnswer(429, headers), repeatable=False) == [seconds]
    assert waits(FailedAnswer(403, headers, "API rate limit exceeded"), repeatable=False) == [seconds]


def test_no_wait_is_longer_than_the_policy_or_the_deadline_allows() -> None:
    busy = FailedAnswer(503, {"retry-after": "25"})
    assert waits(busy, busy, busy) == [25, 25], "60 seconds together"
    assert waits(busy, busy, left=30) == [25]
    assert waits(busy, left=24) == []


def outcome_of(*tries: TriedRequest[str], repeatable: bool = True) -> tuple[str, list[float], list[str]]:
    """The outcome, the waits, and what was dropped."""
    left, slept, dropped = iter(tries), list[float](), list[str]()
    retries = Retries(POLICY, lambda: 1000, lambda: NOW)
    outcome = repeated(lambda: next(left), retries, slept.append, repeatable=repeatable, drop=dropped.append)
    return outcome, slept, dropped


def test_a_request_is_repeated_until_a_try_is_final() -> None:
    lost, busy = (
        TriedRequest("lost", is_final=False),
        TriedRequest("busy", is_final=False, answer=FailedAnswer(503, {"retry-after": "7"})),
    )
    done = TriedRequest("done", is_final=True)
    assert outcome_of(done, lost) == ("done", [], [])
    assert outcome_of(lost, busy, done) == ("done", [0.5, 7], ["lost", "busy"])


def test_the_last_try_that_is_allowed_tells_the_outcome_and_is_kept() -> None:
    tries = [TriedRequest(f"lost {number}", is_final=False) for number in range(9)]
    assert outcome_of(*tries) == ("lost 3", [0.5, 1, 2], ["lost 0", "lost 1", "lost 2"])
    assert outcome_of(*tries, repeatable=False) == ("lost 0", [], [])
    refused = TriedRequest("refused", is_final=False, answer=FailedAnswer(404, {}))
    assert outcome_of(refused, *tries) == ("refused", [], [])
