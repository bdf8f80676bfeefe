"""The API of one server, called with one token. Failed requests are repeated, and the token is never shown.

An action makes one request. The size of its answer is limited, and so is the time of all calls together
(`web.bounded_http`). Strict models read the answer.

A failed call is raised without cause and without frames of the libraries below. Some of those frames hold the token,
and a traceback that shows local variables would print it.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, TypeVar
from urllib.parse import urlsplit

import requests
from pydantic import BaseModel, ConfigDict, JsonValue, SecretStr, TypeAdapter, ValidationError
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import HTTPError

from membudget.core.errors import ConfigurationError
from membudget.core.masking import Mask
from membudget.core.untrusted_text import printable
from membudget.publish.json_bounds import oversized
from membudget.publish.pull_request import ServerFault
from membudget.publish.server import Right, Server
from membudget.web.bounded_http import (
    Allowance,
    Deadline,
    LimitExceeded,
    Limits,
    Login,
    TokenLogin,
    ask,
    body,
    bounded_session,
    save,
)
from membudget.web.retries import Answer, Policy, Retries

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
_MOST_TABLES = 20_000
"""Objects and arrays of one answer. A hundred pull requests have a fifth of it; PyGithub takes kilobytes for each."""
_MOST_PAGES = 100


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs between the APIs of servers in every call."""

    name: str
    """The server's name in messages."""
    advice: Mapping[Right, str]
    """What to do if the token lacks a right."""
    refusal: re.Pattern[str]
    """Found in the message of a 403 if the token lacks a right. Servers answer 403 for other reasons, too."""
    accept: str = "application/json"
    most_a_page: int | None = None
    """Elements per page of a list. None: membudget does not ask for pages of a size."""
    scheme: str = "token"
    """Precedes the token in the header `Authorization`."""
    url_variable: str = "GITHUB_API_URL"
    """The environment variable that holds the API's address."""


class ApiModel(BaseModel):
    """Base of models that read a few fields of an answer."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


@dataclass(frozen=True, slots=True)
class Got:
    """An answer, read whole."""

    status: int
    headers: CaseInsensitiveDict[str]
    content: bytes
    has_next_page: bool
    """Whether the list continues, by the header `Link`."""
    is_success: bool


class Exchange:
    """One request and its answer."""

    def __init__(self, url: str, login: Login, dialect: Dialect, limits: Limits, *, follows: bool) -> None:
        """`follows`: whether a reading request goes on to where it is redirected."""
        self.url = url
        self.dialect = dialect
        self.limits = limits
        self._login = login
        self._follows = follows
        self.answer: Got | None = None

    def ask(self, method: str, url: str, headers: Mapping[str, str], content: str | None = None) -> None:
        """Send the request, and keep the answer. Raises LimitExceeded, and what requests and urllib3 raise."""
        if self.answer is not None:
            raise _AskedAgain
        with bounded_session(self.limits) as session:
            answer = ask(
                session,
                self.limits,
                method,
                url,
                login=self._login,
                headers={**headers, "Accept": self.dialect.accept},
                content=content.encode() if content is not None else None,
                follows=self._follows,
            )
            read = body(answer, self.limits.body_bytes)
        # A redirected write was not done, and is not repeated elsewhere.
        is_success = answer.status_code < (400 if method == "GET" else 300)
        problem = oversized(read, _MOST_TABLES) if is_success else None
        if problem is not None:
            raise LimitExceeded(f"sent an answer that {problem}")
        self.answer = Got(answer.status_code, answer.headers, read, "next" in answer.links, is_success)


@dataclass(frozen=True, slots=True)
class _NoAnswer:
    """What prevented an answer, in words that follow the server's name."""

    reason: str
    is_final: bool = False
    """Whether another try would end in the same way."""


class _AskedAgain(Exception):
    """An action made a second request, as PyGithub may."""


Action = Callable[[Exchange], object]
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

    def __repr__(self) -> str:
        return f"HttpApi({self._url!r})"

    def call(self, action: Action, model: type[Model], *, repeatable: bool = True) -> Model:
        """Return the answer. An action that is not `repeatable` is not repeated if it may have happened.

        Raises ServerFault, as every call does.
        """
        return self._parsed(self._answered(action, repeatable=repeatable), model)

    def pages(self, action: Callable[[Exchange, int], object], model: type[Model], first: int = 1) -> Iterator[Model]:
        """Yield the pages of a list from `first` on, counted from 1, as long as the server names a next one.

        The address of the next page is not used: behind a proxy, the server may know itself by another name.
        """
        for number in range(first, first + _MOST_PAGES):
            answer = self._answered(partial(_asked_for_page, action, number))
            yield self._parsed(answer, model)
            if not answer.has_next_page:
                return

    def why_not(self, fault: ServerFault, right: Right) -> str:
        """Return why a call that needs a right failed, and what would help, on one line."""
        advice = self.dialect.advice.get(right)
        if advice is not None and fault.status == 403 and self.dialect.refusal.search(fault.said):
            return f"the token may not write {right.value}: {advice}"
        return str(fault)

    def delete(self, action: Action) -> None:
        """Remove something. If it is already gone, do nothing."""
        try:
            self._answered(action)
        except ServerFault as fault:
            if not fault.is_gone:
                raise

    def download(self, action: Action, into: BinaryIO, most_bytes: int) -> bool:
        """Write to `into` what the server redirects `action` to, without the token. False: it has more bytes."""
        location = self._answered(action, follows=False).headers.get("Location", "")
        if urlsplit(location).scheme not in ("https", urlsplit(self._url).scheme):
            raise NotThisApi(self.dialect)
        with self._allowance.spend() as deadline:
            retries = Retries(_RETRIES, deadline.left)
            while True:
                into.seek(0)
                into.truncate()
                refusal = None
                try:
                    return save(location, into, most_bytes, Limits(deadline, 2 * most_bytes, _TIMEOUT_S))
                except LimitExceeded as error:
                    reason = f"the storage server {error}"
                    break
                except (requests.RequestException, HTTPError) as error:
                    reason = type(error).__name__  # the address itself is a key: not to be told
                    if isinstance(error, requests.HTTPError) and error.response is not None:
                        refusal = Answer(error.response.status_code, error.response.headers)
                wait = retries.wait(refusal)
                if wait is None:
                    break
                self._sleep(wait)
        raise ServerFault(f"the download failed: {reason}")

    def _answered(self, action: Action, *, repeatable: bool = True, follows: bool = True) -> Got:
        with self._allowance.spend() as deadline:
            retries = Retries(_RETRIES, deadline.left)
            while True:
                outcome = self._try(action, deadline, follows=follows)
                if isinstance(outcome, Got) and outcome.is_success:
                    return outcome
                if isinstance(outcome, _NoAnswer) and outcome.is_final:
                    break
                answer = _answer(outcome) if isinstance(outcome, Got) else None
                wait = retries.wait(answer, repeatable=repeatable)
                if wait is None:
                    break
                self._sleep(wait)
        raise _fault(self.dialect.name, outcome, self.hide)

    def _try(self, action: Action, deadline: Deadline, *, follows: bool) -> Got | _NoAnswer:
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

    def _parsed(self, answer: Got, model: type[Model]) -> Model:
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


def _asked_for_page(action: Callable[[Exchange, int], object], number: int, exchange: Exchange) -> object:
    return action(exchange, number)


class _Said(ApiModel):
    message: JsonValue = None
    """GitLab may send an object here."""
    error: JsonValue = None
    """Instead of a message, where OAuth 2.0 refuses a token (RFC 6750)."""


def _answer(response: Got) -> Answer:
    said = None
    if oversized(response.content, _MOST_TABLES) is None:
        with suppress(ValidationError):
            parsed = _Said.model_validate_json(response.content)
            said = next((text for text in (parsed.message, parsed.error) if text and isinstance(text, str)), "")
    return Answer(response.status, response.headers, said)


def _fault(name: str, outcome: Got | _NoAnswer, hide: Mask) -> ServerFault:
    if isinstance(outcome, _NoAnswer):
        return ServerFault(f"{name} {outcome.reason}")
    answer = _answer(outcome)
    said = hide(answer.said or "")
    if answer.is_rate_limit:
        return ServerFault(f"{name}'s rate limit is used up", answer.status, said, is_limit=True)
    is_answer = answer.said is not None
    if answer.status == 401:
        return ServerFault(f"{name} does not accept the token", answer.status, said, is_answer=is_answer)
    told = f": {printable(said)}" if said else ""
    return ServerFault(f"{name} answered {answer.status}{told}", answer.status, said, is_answer=is_answer)
