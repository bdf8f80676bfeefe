"""The boundary to PyGithub: one server, one token. It repeats what may be repeated, and keeps the token in.

An action has PyGithub make one request. What the server sends is bounded, and so is the time of all calls together
(`web.bounded_http`). Strict models read the answer.

What a failed call raises has no cause and no frames of the libraries below: some of those hold the token, and a
traceback that shows local variables would print it.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeVar
from urllib.parse import urlsplit

import requests
from pydantic import BaseModel, ConfigDict, SecretStr, TypeAdapter, ValidationError
from urllib3.exceptions import HTTPError

from membudget.core.errors import ConfigurationError
from membudget.core.masking import Mask
from membudget.core.untrusted_text import printable
from membudget.publish.servers.dialect import GITHUB, Dialect, Right
from membudget.web.bounded_http import Allowance, Deadline, Limits, PastLimit, ask, bounded_session, chunks
from membudget.web.retries import Answer, Policy, Retries

if TYPE_CHECKING:  # PyGithub is imported when something is published
    from membudget.publish.servers.github_requester import GithubRequester, Got

Model = TypeVar("Model")
Action = Callable[["GithubRequester"], object]
"""Has PyGithub make one request. What it returns is dropped."""

_ADDRESS = re.compile(r"https?://[\w.-]+(:\d+)?(/[\w./-]*)?", re.ASCII)
WEB_ADDRESS = "http or https, a host, a port, a path"
"""What is said to be allowed. What was found is not quoted: there may be a password in it."""
_TOKEN = re.compile(r"[!-~]+", re.ASCII)
"""Anything else is refused by the HTTP library, in an error that quotes it."""
_TIMEOUT_S = 20.0
"""Between two pieces of an answer."""
_ALLOWED_S = 120.0
"""For all calls together, with the waits between them: usual ones take seconds."""
_RETRIES = Policy(tries=4, backoff_s=0.2, longest_wait_s=60, unsaid_wait_s=60)
"""GitHub asks for a minute if a secondary limit names no time. Waiting longer is not worth a comment."""
_MOST_ANSWER_BYTES = 8 << 20
"""A hundred comments of the longest have 7 MB."""
_MOST_PAGES = 100


class ApiModel(BaseModel):
    """The few fields that are read of an answer."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class ApiFault(Exception):
    """A call came to nothing. `str()` says why, on one line."""

    def __init__(self, reason: str, status: int | None = None, said: str = "", *, is_answer: bool = True) -> None:
        super().__init__(reason)
        self.is_answer = is_answer
        """Whether the API itself answered: what stands before it may do so, and may have passed the call on."""
        self.status = status
        """None: there was no answer, or none that this API gives."""
        self.said = said

    @property
    def may_have_happened(self) -> bool:
        """Whether what was asked may have been done all the same."""
        return self.status is None or self.status >= 500 or not self.is_answer


class NotThisApi(ApiFault):
    """Something answers, and it is not this API."""

    def __init__(self, name: str) -> None:
        super().__init__(f"what answers is not {name}'s API (GITHUB_API_URL names it)", 200, is_answer=False)


class Listed(Protocol):
    """A list of PyGithub's."""

    def get_page(self, page: int, /) -> object:
        """One page, counted from 0."""


def is_web_address(text: str) -> bool:
    """Whether it is http or https, a host and at most a port and a path: no user, no query."""
    return _ADDRESS.fullmatch(text) is not None


class HttpApi:
    """One server, one token."""

    def __init__(
        self,
        url: str,
        token: SecretStr,
        dialect: Dialect = GITHUB,
        sleep: Callable[[float], None] = time.sleep,
        *,
        allowed_s: float = _ALLOWED_S,
    ) -> None:
        """`allowed_s` is for all calls together.

        Raises ConfigurationError for an address that is none, and for what cannot be a token.
        """
        if not is_web_address(url):
            raise ConfigurationError(f"is no address of a {dialect.name} API: {WEB_ADDRESS}", where="GITHUB_API_URL")
        if not _TOKEN.fullmatch(token.get_secret_value()):
            raise ConfigurationError("the token has a space, an end of line or a letter that no token has")
        self.dialect = dialect
        self._url = url.rstrip("/")
        self._authorization = _Authorization(token)
        self.hide = Mask([token.get_secret_value()])
        """Takes the token out of what the server says."""
        self._sleep = sleep
        self._allowance = Allowance(allowed_s)

    def __repr__(self) -> str:
        return f"HttpApi({self._url!r})"

    def call(self, action: Action, model: type[Model], *, repeatable: bool = True) -> Model:
        """What the server answers. What is not `repeatable` is not tried again where it may have happened.

        Raises ApiFault, as every call does.
        """
        return self._parsed(self._answered(action, repeatable=repeatable), model)

    def pages(
        self, listed: Callable[["GithubRequester"], Listed], model: type[Model], first: int = 1
    ) -> Iterator[Model]:
        """Each page of a list from `first` on, counted from 1, as long as the server names a next one.

        Not where it says that one is: behind a proxy, a server may know another name of itself than we reach it by.
        """
        for number in range(first, first + _MOST_PAGES):
            answer = self._answered(partial(_page, listed, number))
            yield self._parsed(answer, model)
            if not answer.names_next:
                return

    def why_not(self, fault: ApiFault, right: Right) -> str:
        """Why a call that needs a right came to nothing, and what would help, on one line."""
        lacks = fault.status == 403 and self.dialect.refusal.search(fault.said)
        return self.dialect.lacks(right) if lacks else str(fault)

    def delete(self, action: Action) -> None:
        """Remove something; what is gone already is no fault."""
        try:
            self._answered(action)
        except ApiFault as fault:
            if fault.status not in (404, 410):
                raise

    def download(self, path: str, into: BinaryIO, most_bytes: int) -> bool:
        """Write to `into` what the server redirects `path` to, without our token. False: it has more bytes."""
        answer = self._answered(lambda github: github.requestJson("GET", path), follows=False)
        location = answer.headers.get("Location", "")
        if urlsplit(location).scheme not in ("https", urlsplit(self._url).scheme):
            raise NotThisApi(self.dialect.name)
        with self._allowance.spend() as deadline:
            retries = Retries(_RETRIES, deadline.left)
            while True:
                into.seek(0)
                into.truncate()
                refusal = None
                try:
                    return _stream(location, into, most_bytes, deadline)
                except PastLimit as error:
                    reason = f"the server that keeps it {error}"
                except (requests.RequestException, HTTPError) as error:
                    reason = type(error).__name__  # the address itself is a key: not to be told
                    if isinstance(error, requests.HTTPError) and error.response is not None:
                        refusal = Answer(error.response.status_code, error.response.headers)
                wait = retries.wait(refusal)
                if wait is None:
                    break
                self._sleep(wait)
        raise ApiFault(f"the download failed: {reason}")

    def _answered(self, action: Action, *, repeatable: bool = True, follows: bool = True) -> "Got":
        with self._allowance.spend() as deadline:
            retries = Retries(_RETRIES, deadline.left)
            while True:
                outcome = self._try(action, deadline, follows=follows)
                if not isinstance(outcome, str) and outcome.is_success:
                    return outcome
                answer = _answer(outcome) if not isinstance(outcome, str) else None
                wait = retries.wait(answer, repeatable=repeatable)
                if wait is None:
                    break
                self._sleep(wait)
        raise _fault(self.dialect.name, outcome, self.hide)

    def _try(self, action: Action, deadline: Deadline, *, follows: bool) -> "Got | str":
        """The answer, or what stood in its way, in words that go on behind the server's name."""
        from membudget.publish.servers.github_requester import Exchange

        limits = Limits(deadline, _MOST_ANSWER_BYTES, _TIMEOUT_S)
        exchange = Exchange(self._url, self._authorization, self.dialect, limits, follows=follows)
        interruption: BaseException
        try:
            action(exchange.requester())
        except PastLimit as error:
            return str(error)
        except (requests.RequestException, HTTPError) as error:
            return f"cannot be reached: {type(error).__name__}"
        except BaseException as error:  # noqa: BLE001 - a signal, or a bug: without the frames that hold the token
            if isinstance(error, Exception) and exchange.answer is not None:
                return exchange.answer  # PyGithub cannot read it; whether we can, the model says
            interruption = error.with_traceback(None)
            interruption.__context__ = interruption.__cause__ = None
        else:
            return exchange.answer or "was asked nothing"
        raise interruption

    def _parsed(self, answer: "Got", model: type[Model]) -> Model:
        with suppress(ValidationError):
            return TypeAdapter(model).validate_json(answer.content)
        raise NotThisApi(self.dialect.name)


class _Authorization(requests.auth.AuthBase):
    """Puts the token where it has to be."""

    def __init__(self, token: SecretStr) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"token {self._token.get_secret_value()}"
        return request


def _page(listed: Callable[["GithubRequester"], Listed], number: int, github: "GithubRequester") -> object:
    return listed(github).get_page(number - 1)


def _stream(location: str, into: BinaryIO, most_bytes: int, deadline: Deadline) -> bool:
    limits = Limits(deadline, 2 * most_bytes, _TIMEOUT_S)  # with what wraps chunks
    with bounded_session(limits) as session, ask(session, limits, "GET", location) as answer:
        answer.raise_for_status()
        written = 0
        for chunk in chunks(answer):
            written += len(chunk)
            if written > most_bytes:
                return False
            into.write(chunk)
    return True


class _Said(ApiModel):
    message: str = ""


def _answer(response: "Got") -> Answer:
    said = None
    with suppress(ValidationError):
        said = _Said.model_validate_json(response.content).message
    return Answer(response.status, response.headers, said)


def _fault(name: str, outcome: "Got | str", hide: Mask) -> ApiFault:
    if isinstance(outcome, str):
        return ApiFault(f"{name} {outcome}")
    answer = _answer(outcome)
    said = hide(answer.said or "")
    if answer.is_rate_limit:
        return ApiFault(f"{name}'s rate limit is used up", answer.status, said)
    if answer.status == 401:
        return ApiFault(f"{name} does not accept the token", answer.status, said)
    told = f": {printable(said)}" if said else ""
    return ApiFault(f"{name} answered {answer.status}{told}", answer.status, said, is_answer=answer.said is not None)
