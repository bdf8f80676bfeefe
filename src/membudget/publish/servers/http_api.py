"""The API of one server, called with one token. Failed requests are repeated, and the token is never shown.

An action makes one request (`Exchange`). The time of all calls together is limited. Strict models read the answers.

A failed call is raised without cause and without frames of the libraries below. Some of those frames hold the token,
and a traceback that shows local variables would print it.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, TypeVar
from urllib.parse import urlsplit

import requests
from pydantic import SecretStr, TypeAdapter, ValidationError
from urllib3.exceptions import HTTPError

from membudget.core.errors import ConfigurationError
from membudget.core.masking import Mask
from membudget.core.untrusted_text import printable
from membudget.publish.pull_request import ServerFault
from membudget.publish.server import Right, Server
from membudget.publish.servers.exchange import ApiAnswer, Dialect, Exchange, refusal
from membudget.web.bounded_http import Allowance, Deadline, LimitExceeded, Limits, TokenLogin, save
from membudget.web.retries import FailedAnswer, Policy, Retries, TriedRequest, repeated

Model = TypeVar("Model")

_ADDRESS = re.compile(r"https?://[\w.-]+(:\d+)?(/[\w./-]*)?", re.ASCII)
WEB_ADDRESS = "http or https, a host, a port, a path"
"""The allowed addresses, for messages. These do not quote what was found, because there may be a password in it."""
_TOKEN = re.compile(r"[!-~]+", re.ASCII)
"""The HTTP library refuses anything else, in an error that quotes it."""
_TIMEOUT_S = 20.0
"""Between two pieces of an answer."""
_ALLOWED_S = 120.0
"""For all calls together, with the waits between them. Usual calls take seconds."""
_RETRIES = Policy(tries=4, backoff_s=0.2, longest_wait_s=60, default_limit_wait_s=60)
"""GitHub asks for a minute if a secondary limit names no time. Waiting longer is not worth a comment."""
_MOST_ANSWER_BYTES = 8 << 20
"""A hundred comments of the greatest length have 7 MB."""
_MOST_PAGES = 100


@dataclass(frozen=True, slots=True)
class _NoAnswer:
    """What prevented an answer, in words that follow the server's name."""

    reason: str
    is_final: bool = False
    """Whether another try would end in the same way."""


ApiCall = Callable[[Exchange], object]
"""Makes one request. Its result is dropped."""


class NotThisApi(ServerFault):
    """Something answers that is not this API."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(
            f"the answer does not come from {dialect.name}'s API: check {dialect.url_variable}", 200, is_answer=False
        )


def is_web_address(text: str) -> bool:
    """Return whether `text` is http or https, a host, and at most a port and a path: no user, no query."""
    return _ADDRESS.fullmatch(text) is not None


class HttpApi:
    """Calls one server with one token."""

    def __init__(
        self,
        url: str,
        token: SecretStr,
        dialect: Dialect,
        sleep: Callable[[float], None] = time.sleep,
        *,
        allowed_s: float = _ALLOWED_S,
    ) -> None:
        """`allowed_s`: seconds for all calls together. Raises ConfigurationError for an invalid address or token."""
        if not is_web_address(url):
            where = dialect.url_variable
            raise ConfigurationError(f"is no address of a {dialect.name} API: {WEB_ADDRESS}", where=where)
        if not _TOKEN.fullmatch(token.get_secret_value()):
            raise ConfigurationError("the token contains a space, an end of line or a character that no token has")
        self.dialect = dialect
        self._url = url.rstrip("/")
        self._authorization = TokenLogin(token, dialect.scheme)
        self.hide = Mask([token.get_secret_value()])
        """Removes the token from texts of the server."""
        self._sleep = sleep
        self._allowance = Allowance(allowed_s)

    def call(self, action: ApiCall, model: type[Model], *, repeatable: bool = True) -> Model:
        """Return the answer. An action that is not `repeatable` is not repeated if it may have happened.

        Raises ServerFault, as every call does.
        """
        return self._parsed(self._answered(action, repeatable=repeatable), model)

    def pages(
        self, action: Callable[[Exchange, int], object], model: type[Model], first: int = 1, *, must_end: bool = False
    ) -> Iterator[Model]:
        """Yield the pages of a list from `first` on, counted from 1, as long as the server names a next one.

        After 100 pages, it raises ServerFault if the list `must_end`. Otherwise, it leaves the rest out.

        The address of the next page is not used: behind a proxy, the server may know itself by another name.
        """
        for number in range(first, first + _MOST_PAGES):
            answer = self._answered(partial(_asked_for_page, action, number))
            yield self._parsed(answer, model)
            if not answer.has_next_page:
                return
        if must_end:
            many = f"more than {_MOST_PAGES} pages of such entries, too many to look through"
            raise ServerFault(f"{self.dialect.name} has {many}")

    def why_not(self, fault: ServerFault, right: Right) -> str:
        """Return why a call that needs a right failed, and what would help, on one line."""
        advice = self.dialect.advice.get(right)
        if advice is not None and fault.status == 403 and self.dialect.refusal.search(fault.said):
            return f"the token may not write {right.value}: {advice}"
        return str(fault)

    def delete(self, action: ApiCall) -> None:
        """Remove something. If it is already gone, do nothing."""
        try:
            self._answered(action)
        except ServerFault as fault:
            if not fault.is_gone:
                raise

    def download(self, action: ApiCall, into: BinaryIO, most_bytes: int) -> bool:
        """Write to `into` what the server redirects `action` to, without the token. False: it has more bytes."""
        location = self._answered(action, follows=False).headers.get("Location", "")
        if urlsplit(location).scheme not in ("https", urlsplit(self._url).scheme):
            raise NotThisApi(self.dialect)
        with self._allowance.spend() as deadline:
            limits = Limits(deadline, 2 * most_bytes, _TIMEOUT_S)
            attempt = partial(_saved, location, into, most_bytes, limits)
            outcome = repeated(attempt, Retries(_RETRIES, deadline.left), self._sleep)
        if isinstance(outcome, _NoAnswer):
            raise ServerFault(f"the download failed: {outcome.reason}")
        return outcome

    def _answered(self, action: ApiCall, *, repeatable: bool = True, follows: bool = True) -> ApiAnswer:
        with self._allowance.spend() as deadline:
            attempt = partial(self._tried, action, deadline, follows=follows)
            outcome = repeated(attempt, Retries(_RETRIES, deadline.left), self._sleep, repeatable=repeatable)
        if isinstance(outcome, ApiAnswer) and outcome.is_success:
            return outcome
        raise _fault(self.dialect.name, outcome, self.hide)

    def _tried(self, action: ApiCall, deadline: Deadline, *, follows: bool) -> TriedRequest[ApiAnswer | _NoAnswer]:
        outcome = self._try(action, deadline, follows=follows)
        if isinstance(outcome, _NoAnswer):
            return TriedRequest(outcome, outcome.is_final)
        return TriedRequest(outcome, outcome.is_success, None if outcome.is_success else refusal(outcome))

    def _try(self, action: ApiCall, deadline: Deadline, *, follows: bool) -> ApiAnswer | _NoAnswer:
        """Return the answer, or what prevented it."""
        limits = Limits(deadline, _MOST_ANSWER_BYTES, _TIMEOUT_S)
        exchange = Exchange(self._url, self._authorization, self.dialect, limits, follows=follows)
        interruption: BaseException
        try:
            action(exchange)
        except LimitExceeded as error:
            return _NoAnswer(str(error), is_final=True)
        except (requests.RequestException, HTTPError) as error:
            return _NoAnswer(f"cannot be reached: {type(error).__name__}")
        except BaseException as error:  # noqa: BLE001 - a signal, or a bug: without the frames that hold the token
            if isinstance(error, Exception) and exchange.answer is not None:
                return exchange.answer  # PyGithub cannot read it; the model decides whether membudget can
            interruption = error.with_traceback(None)
            interruption.__context__ = interruption.__cause__ = None
        else:
            return exchange.answer or _NoAnswer("was asked nothing", is_final=True)
        raise interruption

    def _parsed(self, answer: ApiAnswer, model: type[Model]) -> Model:
        with suppress(ValidationError):
            return TypeAdapter(model).validate_json(answer.content)
        raise NotThisApi(self.dialect)


class ApiServer(Server):
    """A server that is asked over its API, with a token. Without one, it only reads the job's environment."""

    def __init__(self, api: HttpApi | None) -> None:
        self._api = api

    @property
    def has_token(self) -> bool:
        """Whether there is a token."""
        return self._api is not None

    @property
    def api(self) -> HttpApi:
        """The API, with the token."""
        if self._api is None:
            raise ValueError("there is no token")
        return self._api


def _saved(location: str, into: BinaryIO, most_bytes: int, limits: Limits) -> TriedRequest[bool | _NoAnswer]:
    """Try to write what is at `location` to `into`. The outcome is False if it has more bytes."""
    into.seek(0)
    into.truncate()
    try:
        return TriedRequest(save(location, into, most_bytes, limits), is_final=True)
    except LimitExceeded as error:
        return TriedRequest(_NoAnswer(f"the storage server {error}"), is_final=True)
    except (requests.RequestException, HTTPError) as error:
        response = error.response if isinstance(error, requests.HTTPError) else None
        answer = FailedAnswer(response.status_code, response.headers) if response is not None else None
        reason = _NoAnswer(type(error).__name__)  # the address itself is a key: not to be told
        return TriedRequest(reason, is_final=False, answer=answer)


def _asked_for_page(action: Callable[[Exchange, int], object], number: int, exchange: Exchange) -> object:
    return action(exchange, number)


def _fault(name: str, outcome: ApiAnswer | _NoAnswer, hide: Mask) -> ServerFault:
    if isinstance(outcome, _NoAnswer):
        return ServerFault(f"{name} {outcome.reason}")
    answer = refusal(outcome)
    said = hide(answer.said or "")
    if answer.is_rate_limit:
        return ServerFault(f"{name}'s rate limit is used up", answer.status, said, is_limit=True)
    is_answer = answer.said is not None
    if answer.status == 401:
        return ServerFault(f"{name} does not accept the token", answer.status, said, is_answer=is_answer)
    told = f": {printable(said)}" if said else ""
    return ServerFault(f"{name} answered {answer.status}{told}", answer.status, said, is_answer=is_answer)
