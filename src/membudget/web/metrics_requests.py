"""Requests to a server of metrics, for what asks one and what pushes to one: what it answered, or what prevented it.

No redirect is followed: the token goes to the given address alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import requests
from urllib3.exceptions import HTTPError

from membudget.core.errors import ConfigurationError, EnvironmentFault
from membudget.core.untrusted_text import printable
from membudget.web.bounded_http import LimitExceeded, Limits, ask, body, bounded_session
from membudget.web.metrics_login import MetricsAddress
from membudget.web.retries import FailedAnswer

_LONGEST_WORDS = 300


@dataclass(frozen=True, slots=True)
class Request:
    """A request. Sending it twice changes nothing."""

    method: str
    path: str
    """What follows the address."""
    content: bytes | None = None
    headers: Mapping[str, str] | None = None
    query: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class MetricsAnswer:
    """An answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """By their names in lower case."""
    content: bytes

    @property
    def answer(self) -> FailedAnswer:
        """The answer, for the decision whether to try again."""
        return FailedAnswer(self.status, self.headers)


@dataclass(frozen=True, slots=True)
class NotGot:
    """There was no answer, or none that ends."""

    fault: EnvironmentFault
    is_final: bool


@dataclass(frozen=True, slots=True)
class ServerPurpose:
    """What a server is for, in the words of messages."""

    missing: str
    """What a server does not do that answers 404 or 405."""
    fix: str
    """Which address to name instead."""


def send(address: MetricsAddress, request: Request, limits: Limits, most_bytes: int) -> MetricsAnswer | NotGot:
    """Send a request once, and return the answer with at most `most_bytes`, without the frames that hold the token."""
    try:
        with (
            bounded_session(limits) as session,
            ask(
                session,
                limits,
                request.method,
                address.url + request.path,
                login=address.login,
                headers=request.headers,
                query=request.query,
                content=request.content,
                follows=False,
            ) as answer,
        ):
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return MetricsAnswer(answer.status_code, headers, body(answer, most_bytes))
    except LimitExceeded as error:
        return NotGot(EnvironmentFault(f"the server {error}", where=address.url), is_final=True)
    except (requests.RequestException, HTTPError) as error:
        what = f"the server cannot be reached: {type(error).__name__}"
        fix = "check the address, and whether it is reachable from here"
        return NotGot(EnvironmentFault(what, where=address.url, fix=fix), is_final=False)


def refusal(address: MetricsAddress, got: MetricsAnswer, purpose: ServerPurpose) -> ConfigurationError | None:
    """Return the fault of an answer that other arguments would mend, and trying again would not. None for others."""
    status, told = got.status, words(address, got)
    if status in (401, 403):
        what = "refuses the login" if address.login is not None else "asks for a login"
        return ConfigurationError(f"the server {what} ({status}){told}", where=address.url, fix="see --token-file")
    if 300 <= status < 400:
        fix = "name the address that answers itself. membudget does not send a token to another address"
        return ConfigurationError(f"the server redirects ({status})", where=address.url, fix=fix)
    if status in (404, 405):
        what = f"{purpose.missing} at this address ({status}){told}"
        return ConfigurationError(what, where=address.url, fix=purpose.fix)
    return None


def words(address: MetricsAddress, got: MetricsAnswer) -> str:
    """Return what the server said, after a colon, shortened and without the secret. Empty if it said nothing."""
    text = got.content[: 4 * _LONGEST_WORDS].decode(errors="replace")
    said = printable(address.hide(text).strip(), _LONGEST_WORDS)
    return f": {said}" if said else ""
