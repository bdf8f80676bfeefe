"""Sends metrics to a Pushgateway, or to a server that takes Prometheus' remote write. Nothing is ever read there.

A request is repeated while the server is busy or does not answer: sending the same figures twice changes nothing. The
token goes to the given address alone, and is in no message.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial

import requests
from urllib3.exceptions import HTTPError

from membudget.core.errors import ConfigurationError, EnvironmentFault, MembudgetError
from membudget.core.untrusted_text import printable
from membudget.web.bounded_http import Deadline, LimitExceeded, Limits, ask, body, bounded_session
from membudget.web.metrics_login import MetricsAddress
from membudget.web.retries import Answer, Policy, Retries, Tried, repeated

_ALLOWED_S = 60.0
"""For one request, with the waits between its tries."""
_IDLE_S = 20.0
_RETRIES = Policy(tries=4, backoff_s=0.5, longest_wait_s=30, default_limit_wait_s=5)
_MOST_ANSWER_BYTES = 1 << 20
_LONGEST_WORDS = 300


class MetricsServer:
    """One server that takes metrics."""

    def __init__(self, address: MetricsAddress, sleep: Callable[[float], None] = time.sleep) -> None:
        self._address = address
        self._url = address.url
        self._sleep = sleep

    def send(self, method: str, path: str, content: bytes, headers: Mapping[str, str]) -> None:
        """Send a request. Raises EnvironmentFault, or ConfigurationError if trying again cannot help."""
        deadline = Deadline(_ALLOWED_S)
        attempt = partial(self._tried, method, path, content, headers, deadline)
        fault = repeated(attempt, Retries(_RETRIES, deadline.left), self._sleep)
        if fault is not None:
            raise fault

    def _tried(
        self, method: str, path: str, content: bytes, headers: Mapping[str, str], deadline: Deadline
    ) -> Tried[MembudgetError | None]:
        limits = Limits(deadline, _MOST_ANSWER_BYTES, _IDLE_S)
        url, login = self._url + path, self._address.login
        try:
            with (
                bounded_session(limits) as session,
                ask(session, limits, method, url, login=login, headers=headers, content=content) as answer,
            ):
                said = body(answer, _MOST_ANSWER_BYTES) if not answer.ok else b""
                return self._judged(Answer(answer.status_code, answer.headers), said)
        except LimitExceeded as error:
            return Tried(EnvironmentFault(f"the server {error}", where=self._url), is_final=True)
        except (requests.RequestException, HTTPError) as error:
            what = f"the server cannot be reached: {type(error).__name__}"
            fault = EnvironmentFault(
                what, where=self._url, fix="check the address, and whether it is reachable from here"
            )
            return Tried(fault, is_final=False)

    def _judged(self, answer: Answer, said: bytes) -> Tried[MembudgetError | None]:
        status = answer.status
        if 200 <= status < 300:
            return Tried(None, is_final=True)
        text = said[: 4 * _LONGEST_WORDS].decode(errors="replace")
        words = printable(self._address.hide(text).strip(), _LONGEST_WORDS)
        told = f": {words}" if words else ""
        if status in (401, 403):
            what, fix = f"the server refuses the login ({status}){told}", "see --token-file"
            return Tried(ConfigurationError(what, where=self._url, fix=fix), is_final=True)
        if 300 <= status < 400:
            what, fix = f"the server redirects ({status})", "use the address that it redirects to"
            return Tried(ConfigurationError(what, where=self._url, fix=fix), is_final=True)
        if status in (404, 405):
            what = f"nothing takes metrics at this address ({status}){told}"
            return Tried(ConfigurationError(what, where=self._url, fix=_WHERE_METRICS_GO), is_final=True)
        fault = EnvironmentFault(f"the server answered {status}{told}", where=self._url)
        return Tried(fault, is_final=False, answer=answer)


_WHERE_METRICS_GO = (
    "a Pushgateway is named by its address alone; remote write has a path, such as /api/v1/write, and Prometheus takes"
    " it with --web.enable-remote-write-receiver"
)
