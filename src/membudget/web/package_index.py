"""Fetches one file of a Python package index (PEP 503, PEP 691), which is known by its SHA-256 in advance."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urljoin, urlsplit, urlunsplit

import requests
from urllib3.exceptions import HTTPError

from membudget.core.errors import EnvironmentFault
from membudget.web.bounded_http import Deadline, LimitExceeded, Limits, TooSlow, ask, body, bounded_session

DEFAULT_INDEX = "https://pypi.org/simple"
_MOST_INDEX_BYTES = 8 << 20
_ALLOWED_S = 90.0
_IDLE_S = 15.0
_CONNECT_S = 5.0
"""For each address of a server. A name can have a dozen."""
_JSON = "application/vnd.pypi.simple.v1+json"
_ACCEPT = f"{_JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_NO = ("", "0", "false", "no", "off", "n", "f")


class _Unusable(Exception):
    """An index answers, but does not lead to the file. `str()` says why, in words that follow the index's name."""


@dataclass(frozen=True, slots=True)
class _Address:
    """The address of an index, without what authorises, and that."""

    url: str
    host: str
    login: tuple[str, str] | None


class PackageIndex:
    """An index, as pip's variables name it: PIP_INDEX_URL, and PIP_NO_INDEX for none (pip, "Configuration").

    Messages name an index by its host alone, because its address can hold a login or a token.
    """

    def __init__(self, environ: Mapping[str, str], allowed_s: float = _ALLOWED_S) -> None:
        """`allowed_s`: seconds for one file."""
        self._is_off = environ.get("PIP_NO_INDEX", "").lower() not in _NO
        self._named = environ.get("PIP_INDEX_URL") or DEFAULT_INDEX
        self._allowed_s = allowed_s
        self._gone: str | None = None
        """Why the index gives no answer. It is not asked again, because each try can take all the time allowed."""

    def fetch(self, project: str, file: str, size_bytes: int, sha256: str) -> bytes:
        """Return a file of a project. Raises EnvironmentFault, whose message names the index by its host."""
        if self._is_off:
            raise EnvironmentFault("PIP_NO_INDEX is set, so nothing is fetched")
        if self._gone is not None:
            raise EnvironmentFault(self._gone)
        address = _address(self._named)
        try:
            content = self._fetched(address, project, file, size_bytes)
        except TooSlow as error:
            raise self._lost(f"{address.host} {error}") from None
        except (LimitExceeded, _Unusable) as error:
            raise EnvironmentFault(f"{address.host} {error}") from None
        except requests.HTTPError as error:
            raise EnvironmentFault(f"{address.host} answered {error.response.status_code}") from None
        except (requests.RequestException, HTTPError, ValueError) as error:  # ValueError: the address of a proxy
            raise self._lost(f"{address.host} cannot be reached: {type(error).__name__}") from None
        except OSError as error:  # a file of certificates that is not there
            raise self._lost(f"{address.host} cannot be reached: {error.strerror or type(error).__name__}") from None
        if hashlib.sha256(content).hexdigest() != sha256:
            raise EnvironmentFault(f"{address.host} sent another file than the one that membudget knows as {file}")
        return content

    def _lost(self, why: str) -> EnvironmentFault:
        self._gone = why
        return EnvironmentFault(why)

    def _fetched(self, address: _Address, project: str, file: str, size_bytes: int) -> bytes:
        limits = Limits(Deadline(self._allowed_s), _MOST_INDEX_BYTES, _IDLE_S, _CONNECT_S)
        page_url = f"{address.url.rstrip('/')}/{project}/"
        with bounded_session(limits) as session:
            with ask(session, limits, "GET", page_url, login=address.login, headers={"Accept": _ACCEPT}) as answer:
                answer.raise_for_status()
                kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
                url = _link(body(answer, _MOST_INDEX_BYTES), kind, answer.url, file)
            leaves = session.should_strip_auth(page_url, url)  # type: ignore[no-untyped-call] # as the stubs have it
            limits.body_bytes = size_bytes + _MOST_INDEX_BYTES  # chunk headers count
            with ask(session, limits, "GET", url, login=None if leaves else address.login) as answer:
                answer.raise_for_status()
                return body(answer, size_bytes)


def _address(named: str) -> _Address:
    """Raises EnvironmentFault, which tells nothing of the text: who forgets a character may have it in a password."""
    try:
        parts = urlsplit(named)
        login = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
        url = _sendable(urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])))
        return _Address(url, urlsplit(url).hostname or "?", login)
    except ValueError:
        raise EnvironmentFault("PIP_INDEX_URL is no address of http or https") from None


def _sendable(url: str) -> str:
    """Return an address as requests sends it: others read some addresses as another server. Raises ValueError."""
    sent = requests.Request("GET", url).prepare().url or ""
    parts = urlsplit(sent)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("no address of http or https")
    return sent


def _link(page: bytes, kind: str, page_url: str, file: str) -> str:
    """Return the address of a file, from a page of media type `kind`. Raises _Unusable."""
    try:
        urls = _of_json(page) if kind == _JSON else _of_html(page)
        own = [urljoin(page_url, url) for url in urls if _name(url) == file]
        if own:
            return _sendable(urldefrag(own[0]).url)
    except (ValueError, RecursionError, AssertionError):  # HTMLParser asserts that marked sections are known ones
        raise _Unusable("sent a page that is no package index") from None
    raise _Unusable(f"does not have {file}")


def _name(url: str) -> str:
    return unquote(urlsplit(url).path.rpartition("/")[2])


def _of_json(page: bytes) -> Iterator[str]:
    read = json.loads(page)
    files = read.get("files") if isinstance(read, dict) else None
    all_files = files if isinstance(files, list) else ()
    return (one["url"] for one in all_files if isinstance(one, dict) and isinstance(one.get("url"), str))


def _of_html(page: bytes) -> Iterator[str]:
    links = _Links()
    links.feed(page.decode(errors="replace"))
    return iter(links.found)


class _Links(HTMLParser):
    """Collects the addresses of a page's links."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the address of a link."""
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value is not None]
