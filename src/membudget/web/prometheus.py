"""Asks a Prometheus, or what speaks its query API, and only reads. Nothing follows a redirect with the token.

Source: https://prometheus.io/docs/prometheus/latest/querying/api/.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from urllib.parse import urlencode

from pydantic import SecretStr

from membudget.core.errors import EnvironmentFault, shortened
from membudget.core.untrusted_text import printable_line
from membudget.web.bounded_http import Allowance, Deadline, Limits
from membudget.web.metrics_login import MetricsAddress
from membudget.web.metrics_requests import MetricsAnswer, NotGot, Request, ServerPurpose, refusal, send
from membudget.web.prometheus_answer import Answered, NotPrometheusError, QueryRefused, read_answer
from membudget.web.retries import Policy, Retries, TriedRequest, repeated

MOST_ANSWER_BYTES = 4 << 20
"""Each query aggregates: its answer has some kilobytes."""
_ALLOWED_S = 600.0
"""For all queries together. Two weeks of many pods take a server some seconds."""
_IDLE_S = 120.0
"""Prometheus itself gives up after two minutes (`--query.timeout`)."""
_RETRIES = Policy(tries=3, backoff_s=0.5, longest_wait_s=30, default_limit_wait_s=5)
_LONGEST_WORDS = 300
_NO_POST = 405
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_FIX = "name the address to which /api/v1/query can be added, such as https://prometheus.example.com"
_PURPOSE = ServerPurpose(missing="nothing answers queries", fix=_FIX)


class Prometheus:
    """The query API of one server."""

    def __init__(
        self,
        url: str,
        secret: SecretStr | None = None,
        sleep: Callable[[float], None] = time.sleep,
        *,
        allowed_s: float = _ALLOWED_S,
    ) -> None:
        """`secret`: a token, or USER:PASSWORD. `allowed_s`: seconds for all queries together.

        Raises ConfigurationError for an address or a secret that cannot be used. No message quotes either: the address
        may hold a password.
        """
        self._address = MetricsAddress(url, "--prometheus", secret)
        self._url = self._address.url
        self._sleep = sleep
        self._allowance = Allowance(allowed_s)

    def __repr__(self) -> str:
        return f"Prometheus({self._url!r})"

    def instant(self, query: str, time_s: float) -> Answered:
        """Return the value of a query at a time, in seconds since the epoch.

        Raises EnvironmentFault, or ConfigurationError if trying again cannot help.
        """
        return self._answered("query", {"query": query, "time": f"{time_s:.0f}"})

    def over_time(self, query: str, begin_s: float, end_s: float, step_s: int) -> Answered:
        """Return the values of a query at each step from `begin_s` to `end_s`. Raises what `instant` raises."""
        times = {"start": f"{begin_s:.0f}", "end": f"{end_s:.0f}", "step": str(step_s)}
        return self._answered("query_range", {"query": query, **times})

    def _answered(self, endpoint: str, form: Mapping[str, str]) -> Answered:
        with self._allowance.spend() as deadline:
            attempt = partial(self._tried, f"/api/v1/{endpoint}", form, deadline)
            outcome = repeated(attempt, Retries(_RETRIES, deadline.left), self._sleep)
        if isinstance(outcome, NotGot):
            raise outcome.fault
        return self._read(outcome)

    def _tried(self, path: str, form: Mapping[str, str], deadline: Deadline) -> TriedRequest[MetricsAnswer | NotGot]:
        limits = Limits(deadline, 2 * MOST_ANSWER_BYTES, _IDLE_S)
        post = Request("POST", path, urlencode(form).encode(), _FORM)
        outcome = send(self._address, post, limits, MOST_ANSWER_BYTES)
        if isinstance(outcome, MetricsAnswer) and outcome.status == _NO_POST:
            outcome = send(self._address, Request("GET", path, query=form), limits, MOST_ANSWER_BYTES)
        if isinstance(outcome, NotGot):
            return TriedRequest(outcome, outcome.is_final)
        # An answer of the API itself is final: a query that is too large stays too large.
        is_final = outcome.status < 500 or outcome.content.startswith(b"{")
        return TriedRequest(outcome, is_final and outcome.status != 429, outcome.answer)

    def _read(self, got: MetricsAnswer) -> Answered:
        if (refused := refusal(self._address, got, _PURPOSE)) is not None:
            raise refused
        try:
            found = read_answer(got.content)
        except NotPrometheusError:
            what = f"the answer ({got.status}) does not come from Prometheus's API, or has too many series"
            raise EnvironmentFault(what, where=self._url, fix=_FIX) from None
        if isinstance(found, QueryRefused):
            said = shortened(printable_line(self._address.hide(found.said), 10 * _LONGEST_WORDS), _LONGEST_WORDS)
            fewer = "ask for fewer --days, or select fewer containers" if got.status in (422, 503) else None
            raise EnvironmentFault(f"Prometheus does not answer the query: {said}", where=self._url, fix=fewer)
        return found
