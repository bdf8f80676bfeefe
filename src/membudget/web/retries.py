"""Decides whether a failed request is repeated, and after how long, and repeats it.

Sources: RFC 9110, "Retry-After"; GitHub docs, "Rate limits for the REST API" and "Best practices for using the REST
API".
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Generic, TypeVar

Success = TypeVar("Success")

_LONGEST_NUMBER = 12
_LONGEST_DATE = 64


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient a caller is."""

    tries: int
    """The most requests, the first one included."""
    backoff_s: float
    """The shortest wait after the first try. Doubles with each further try."""
    longest_wait_s: float = math.inf
    """The most for all waits together that the server of one request asks for."""
    default_limit_wait_s: float = 0.0
    """The wait if a rate limit names no time."""


@dataclass(frozen=True, slots=True)
class FailedAnswer:
    """An answer that is no success."""

    status: int
    headers: Mapping[str, str]
    """Found by their names in lower case."""
    said: str | None = None
    """The message of an API's answer. None if the answer does not have the API's form, as that of a proxy."""

    @property
    def is_rate_limit(self) -> bool:
        """Whether the server refuses only for now. Nothing was done, so even a write can be repeated."""
        if self.status == 429:
            return True
        return self.status == 403 and ("retry-after" in self.headers or "rate limit" in (self.said or "").lower())


class Retries:
    """The tries of one request."""

    def __init__(self, policy: Policy, left: Callable[[], float], clock: Callable[[], float] = time.time) -> None:
        """`left` returns the seconds until the caller's deadline, `clock` the seconds since the epoch."""
        self._policy = policy
        self._left = left
        self._clock = clock
        self._tried = 0
        self._asked_s = 0.0
        """The waits that the server asked for."""

    def wait(self, answer: FailedAnswer | None, *, repeatable: bool = True) -> float | None:
        """Return the seconds to wait before the next try. None if the outcome of this try is final.

        `answer` is None if there was none. A request that is not `repeatable` is only tried again if the server did
        nothing. If the server asks for a longer wait than the policy or the deadline allows, its answer is final.
        """
        self._tried += 1
        backoff: float = self._policy.backoff_s * 2 ** (self._tried - 1)
        wait = self._wanted(answer, backoff, repeatable=repeatable)
        if wait is None or wait > self._left() or self._tried >= self._policy.tries:
            return None
        if wait > backoff:
            self._asked_s += wait
        return wait if self._asked_s <= self._policy.longest_wait_s else None

    def _wanted(self, answer: FailedAnswer | None, backoff: float, *, repeatable: bool) -> float | None:
        if answer is not None and answer.is_rate_limit:
            return max(self._until_reset(answer.headers), backoff)
        if not repeatable or (answer is not None and answer.status < 500):
            return None
        asked = asked_wait(answer.headers.get("retry-after"), self._clock()) if answer is not None else None
        return max(asked or 0.0, backoff)

    def _until_reset(self, headers: Mapping[str, str]) -> float:
        now = self._clock()
        asked = asked_wait(headers.get("retry-after"), now)
        if asked is not None:
            return asked
        reset = _whole_number(headers.get("x-ratelimit-reset"))
        if reset is not None and headers.get("x-ratelimit-remaining", "0") == "0":
            return max(0.0, reset - now)
        return self._policy.default_limit_wait_s


@dataclass(frozen=True, slots=True)
class TriedRequest(Generic[Success]):
    """The outcome of one try."""

    outcome: Success
    is_final: bool
    """Whether the try succeeded, or another one would end in the same way."""
    answer: FailedAnswer | None = None
    """The server's answer. None if there was none, or if it does not matter because the try is final."""


def repeated(
    attempt: Callable[[], TriedRequest[Success]],
    retries: Retries,
    sleep: Callable[[float], None],
    *,
    repeatable: bool = True,
    drop: Callable[[Success], object] = lambda _: None,
) -> Success:
    """Return the outcome of the first try that is final, or of the last one that `retries` allows.

    `drop` is called with each outcome after which another try follows.
    """
    while True:
        tried = attempt()
        wait = None if tried.is_final else retries.wait(tried.answer, repeatable=repeatable)
        if wait is None:
            return tried.outcome
        drop(tried.outcome)
        sleep(wait)


def asked_wait(text: str | None, now: float) -> float | None:
    """Return the seconds that a Retry-After header asks for, from `now` in seconds since the epoch.

    None if there is no header, or if it holds neither seconds nor a date.
    """
    seconds = _whole_number(text)
    if seconds is not None or text is None or len(text) > _LONGEST_DATE:
        return seconds
    try:
        date = parsedate_to_datetime(text)
        return max(0.0, (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def _whole_number(text: str | None) -> float | None:
    """Return the number in a header if it is one to twelve plain digits."""
    is_number = text is not None and text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER
    return float(text) if is_number and text is not None else None
