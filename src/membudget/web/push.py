"""Sends metrics to a Pushgateway, or to a server that takes Prometheus' remote write. Nothing is ever read there.

A request is repeated while the server is busy or does not answer: sending the same figures twice changes nothing. The
token goes to the given address alone, and is in no message.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial

from membudget.core.errors import EnvironmentFault, MembudgetError
from membudget.web.bounded_http import Deadline, Limits
from membudget.web.metrics_login import MetricsAddress
from membudget.web.metrics_requests import NotGot, Request, ServerPurpose, refusal, send, words
from membudget.web.retries import Policy, Retries, TriedRequest, repeated

_ALLOWED_S = 60.0
"""For one request, with the waits between its tries."""
_IDLE_S = 20.0
_RETRIES = Policy(tries=4, backoff_s=0.5, longest_wait_s=30, default_limit_wait_s=5)
_MOST_ANSWER_BYTES = 1 << 20
_PURPOSE = ServerPurpose(
    missing="nothing takes metrics",
    fix="a Pushgateway is named by its address alone; remote write has a path, such as /api/v1/write, and Prometheus"
    " takes it with --web.enable-remote-write-receiver",
)


class MetricsServer:
    """One server that takes metrics."""

    def __init__(self, address: MetricsAddress, sleep: Callable[[float], None] = time.sleep) -> None:
        self._address = address
        self._sleep = sleep

    def send(self, method: str, path: str, content: bytes, headers: Mapping[str, str]) -> None:
        """Send a request. Raises EnvironmentFault, or ConfigurationError if trying again cannot help."""
        deadline = Deadline(_ALLOWED_S)
        attempt = partial(self._tried, Request(method, path, content, headers), deadline)
        fault = repeated(attempt, Retries(_RETRIES, deadline.left), self._sleep)
        if fault is not None:
            raise fault

    def _tried(self, request: Request, deadline: Deadline) -> TriedRequest[MembudgetError | None]:
        limits = Limits(deadline, _MOST_ANSWER_BYTES, _IDLE_S)
        got = send(self._address, request, limits, _MOST_ANSWER_BYTES)
        if isinstance(got, NotGot):
            return TriedRequest(got.fault, got.is_final)
        if 200 <= got.status < 300:
            return TriedRequest(None, is_final=True)
        if (refused := refusal(self._address, got, _PURPOSE)) is not None:
            return TriedRequest(refused, is_final=True)
        what = f"the server answered {got.status}{words(self._address, got)}"
        return TriedRequest(EnvironmentFault(what, where=self._address.url), is_final=False, answer=got.answer)
