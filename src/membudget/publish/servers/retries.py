"""Whether a call that failed is worth another try, and after how long.

Source: GitHub docs, "Rate limits for the REST API" and "Best practices for using the REST API".
"""

from collections.abc import Mapping
from dataclasses import dataclass

from membudget.web.deadline import asked_wait, whole_number

TRIES = 4
LONGEST_WAIT_S = 60
"""A call's waits together. A server may ask for an hour: no comment is worth that much of a runner's time."""
_BACKOFF_S = 0.2
_UNSAID_WAIT_S = 60
"""What GitHub asks for where a secondary limit names no time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said instead of doing what was asked."""

    status: int
    headers: Mapping[str, str]
    """By names in lower case."""
    said: str
    is_of_api: bool = True
    """Whether it has the form of the API's answers; that of a proxy has not."""

    @property
    def is_rate_limit(self) -> bool:
        """Whether it refuses for now: nothing was done, and later it would be."""
        if self.status == 429:
            return True
        return self.status == 403 and ("retry-after" in self.headers or "rate limit" in self.said.lower())


def wait_before_next_try(answer: Answer | None, attempt: int, *, repeatable: bool, now: float) -> float | None:
    """Seconds; None where trying again would not help. `answer` is None where there was none."""
    backoff: float = _BACKOFF_S * 2**attempt
    if answer is not None and answer.is_rate_limit:
        return max(_asked_for(answer.headers, now), backoff)
    if answer is not None and answer.status < 500:
        return None
    if not repeatable:
        return None
    asked = asked_wait(answer.headers.get("retry-after"), now) if answer is not None else None
    return max(asked or 0.0, backoff)


def _asked_for(headers: Mapping[str, str], now: float) -> float:
    asked = asked_wait(headers.get("retry-after"), now)
    if asked is not None:
        return asked
    reset = whole_number(headers.get("x-ratelimit-reset"))
    if reset is not None and headers.get("x-ratelimit-remaining", "0") == "0":
        return max(0.0, reset - now)
    return _UNSAID_WAIT_S
