"""One request to a server's API, and its answer.

The answer is read whole, with limits to its size, its depth and its time (`web.bounded_http`).
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from requests.structures import CaseInsensitiveDict

from membudget.publish.json_bounds import oversized
from membudget.publish.server import Right
from membudget.web.bounded_http import LimitExceeded, Limits, Login, ask, body, bounded_session
from membudget.web.retries import FailedAnswer

_MOST_TABLES = 20_000
"""Objects and arrays of one answer. A hundred pull requests have a fifth of it; PyGithub takes kilobytes for each."""


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
class ApiAnswer:
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
        self.answer: ApiAnswer | None = None

    def ask(self, method: str, url: str, headers: Mapping[str, str], content: str | None = None) -> None:
        """Send the request, and keep the answer. Raises LimitExceeded, and what requests and urllib3 raise."""
        if self.answer is not None:
            raise AskedAgain
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
        self.answer = ApiAnswer(answer.status_code, answer.headers, read, "next" in answer.links, is_success)


class AskedAgain(Exception):
    """An action made a second request, as PyGithub may."""


class _Said(ApiModel):
    message: JsonValue = None
    """GitLab may send an object here."""
    error: JsonValue = None
    """Instead of a message, where OAuth 2.0 refuses a token (RFC 6750)."""


def refusal(response: ApiAnswer) -> FailedAnswer:
    """Return an answer that is no success, with the server's message."""
    said = None
    if oversized(response.content, _MOST_TABLES) is None:
        with suppress(ValidationError):
            parsed = _Said.model_validate_json(response.content)
            said = next((text for text in (parsed.message, parsed.error) if text and isinstance(text, str)), "")
    return FailedAnswer(response.status, response.headers, said)
