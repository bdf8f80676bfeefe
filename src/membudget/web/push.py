"""Sends metrics to a Pushgateway, or to a server that takes Prometheus' remote write. Nothing is ever read there.

A request is repeated while the server is busy or does not answer: sending the same figures twice changes nothing. The
token goes to the given address alone, and is in no message.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

import requests
from pydantic import SecretStr
from requests.auth import HTTPBasicAuth
from urllib3.exceptions import HTTPError

from membudget.core.errors import ConfigurationError, EnvironmentFault, MembudgetError
from membudget.core.masking import Mask
from membudget.core.untrusted_text import printable
from membudget.web.bounded_http import (
    Deadline,
    LimitExceeded,
    Limits,
    Login,
    TokenLogin,
    ask,
    body,
    bounded_session,
    no_login,
)
from membudget.web.retries import Answer, Policy, Retries, Tried, repeated

_ADDRESS = re.compile(r"https?://(?:[\w.-]+|\[[0-9a-fA-F:]+\])(?::\d{1,5})?(?:/[\w./~%-]*)?", re.ASCII)
_TOKEN = re.compile(r"[!-~]+", re.ASCII)
_USER = re.compile(r"[!-9;-~]+", re.ASCII)
"""A colon would end the user's name."""
_LOCAL = ("localhost", "127.0.0.1", "::1")
_ALLOWED_S = 60.0
"""For one request, with the waits between its tries."""
_IDLE_S = 20.0
_RETRIES = Policy(tries=4, backoff_s=0.5, longest_wait_s=30, default_limit_wait_s=5)
_MOST_ANSWER_BYTES = 1 << 20
_LONGEST_WORDS = 300


@dataclass(frozen=True, slots=True)
class PushLogin:
    """What proves that we may write."""

    token: SecretStr
    user: str = ""
    """With a user, the token is the password. Without one, it is a bearer token."""

    def __post_init__(self) -> None:
        """Raises ConfigurationError if no header can hold it. The message does not quote it."""
        if not _TOKEN.fullmatch(self.token.get_secret_value()):
            raise ConfigurationError("the token contains a space, an end of line or a character that no token has")
        if self.user and not _USER.fullmatch(self.user):
            raise ConfigurationError("the user contains a colon, a space or a character that no user has")

    @property
    def login(self) -> Login:
        """Adds it to a request."""
        secret = self.token.get_secret_value()
        return HTTPBasicAuth(self.user, secret) if self.user else TokenLogin(self.token, "Bearer")


class MetricsServer:
    """One server that takes metrics."""

    def __init__(self, url: str, login: PushLogin | None = None, sleep: Callable[[float], None] = time.sleep) -> None:
        """Raises ConfigurationError for an address that is none, without quoting it: there may be a password in it."""
        if not _ADDRESS.fullmatch(url):
            what = "is no address of a server: http or https, a host, at most a port and a path"
            raise ConfigurationError(what, where="the address", fix="put the token into a file, and use --token-file")
        self.url = url.rstrip("/")
        self._login = login
        self._hide = Mask([login.token.get_secret_value()] if login is not None else [])
        self._sleep = sleep

    @property
    def sends_token_unencrypted(self) -> bool:
        """Whether others on the network can read the token."""
        parts = urlsplit(self.url)
        return self._login is not None and parts.scheme == "http" and parts.hostname not in _LOCAL

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
        login = self._login.login if self._login is not None else no_login
        url = self.url + path
        try:
            with (
                bounded_session(limits) as session,
                ask(session, limits, method, url, login=login, headers=headers, content=content) as answer,
            ):
                said = body(answer, _MOST_ANSWER_BYTES) if not answer.ok else b""
                return self._judged(Answer(answer.status_code, answer.headers), said)
        except LimitExceeded as error:
            return Tried(EnvironmentFault(f"the server {error}", where=self.url), is_final=True)
        except (requests.RequestException, HTTPError) as error:
            what = f"the server cannot be reached: {type(error).__name__}"
            fault = EnvironmentFault(
                what, where=self.url, fix="check the address, and whether it is reachable from here"
            )
            return Tried(fault, is_final=False)

    def _judged(self, answer: Answer, said: bytes) -> Tried[MembudgetError | None]:
        status = answer.status
        if 200 <= status < 300:
            return Tried(None, is_final=True)
        words = printable(self._hide(said[: 4 * _LONGEST_WORDS].decode(errors="replace")).strip(), _LONGEST_WORDS)
        told = f": {words}" if words else ""
        if status in (401, 403):
            what, fix = f"the server refuses the login ({status}){told}", "check --token-file and --user"
            return Tried(ConfigurationError(what, where=self.url, fix=fix), is_final=True)
        if 300 <= status < 400:
            fix = "use the address that it redirects to"
            return Tried(ConfigurationError(f"the server redirects ({status})", where=self.url, fix=fix), is_final=True)
        if status in (404, 405):
            what = f"nothing takes metrics at this address ({status}){told}"
            return Tried(ConfigurationError(what, where=self.url, fix=_WHERE_METRICS_GO), is_final=True)
        fault = EnvironmentFault(f"the server answered {status}{told}", where=self.url)
        return Tried(fault, is_final=False, answer=answer)


_WHERE_METRICS_GO = (
    "a Pushgateway is named by its address alone; remote write has a path, such as /api/v1/write, and Prometheus takes"
    " it with --web.enable-remote-write-receiver"
)
