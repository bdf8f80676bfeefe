"""Fetches one file of a Python package index (PEP 503, PEP 691), which is known by its SHA-256 in advance."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urljoin, urlsplit, urlunsplit

import requests
from urllib3.exceptions import HTTPError

from membudget.core.errors import EnvironmentFault
from membudget.web.bounded_http import Deadline, LimitExceeded, Limits, ask, body, bounded_session

DEFAULT_INDEX = "https://pypi.org/simple"
_MOST_INDEX_BYTES = 8 << 20
_ALLOWED_S = 90.0
_IDLE_S = 15.0
_JSON = "application/vnd.pypi.simple.v1+json"
_ACCEPT = f"{_JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_NO = ("", "0", "false", "no", "off", "n", "f")


class PackageIndex:
    """An index, as pip's variables name it: PIP_INDEX_URL, and PIP_NO_INDEX for none (pip, "Configuration")."""

    def __init__(self, environ: Mapping[str, str], allowed_s: float = _ALLOWED_S) -> None:
        self._is_off = environ.get("PIP_NO_INDEX", "").lower() not in _NO
        self._address, self._login = _without_login(environ.get("PIP_INDEX_URL") or DEFAULT_INDEX)
        self._allowed_s = allowed_s

    def fetch(self, project: str, file: str, size_bytes: int, sha256: str) -> bytes:
        """Return a file of a project. Raises EnvironmentFault, whose message names the index by its host."""
        if self._is_off:
            raise EnvironmentFault("PIP_NO_INDEX is set, so nothing is fetched")
        host = urlsplit(self._address).hostname or "?"
        try:
            content = self._fetched(project, file, size_bytes)
        except LimitExceeded as error:
            raise EnvironmentFault(f"{host} {error}") from None
        except requests.HTTPError as error:
            raise EnvironmentFault(f"{host} answered {error.response.status_code}") from None
        except (requests.RequestException, HTTPError) as error:
            raise EnvironmentFault(f"{host} cannot be reached: {type(error).__name__}") from None
        except (ValueError, RecursionError):
            raise EnvironmentFault(f"{host} answered with what is no package index") from None
        if hashlib.sha256(content).hexdigest() != sha256:
            raise EnvironmentFault(f"{host} sent another file than the one that membudget knows as {file}")
        return content

    def _fetched(self, project: str, file: str, size_bytes: int) -> bytes:
        limits = Limits(Deadline(self._allowed_s), _MOST_INDEX_BYTES, _IDLE_S)
        page_url = f"{self._address.rstrip('/')}/{project}/"
        with bounded_session(limits) as session:
            with ask(session, limits, "GET", page_url, login=self._login, headers={"Accept": _ACCEPT}) as answer:
                answer.raise_for_status()
                page = body(answer, _MOST_INDEX_BYTES)
                is_json = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower() == _JSON
                urls = _of_json(page) if is_json else _of_html(page)
                own = [urljoin(answer.url, url) for url in urls if _name(url) == file]
            if not own:
                raise LimitExceeded(f"does not have {file}")
            login = self._login if urlsplit(own[0]).netloc == urlsplit(page_url).netloc else None
            limits.body_bytes = size_bytes + _MOST_INDEX_BYTES  # chunk headers count
            with ask(session, limits, "GET", urldefrag(own[0]).url, login=login) as answer:
                answer.raise_for_status()
                return body(answer, size_bytes)


def _without_login(address: str) -> tuple[str, tuple[str, str] | None]:
    """Return the address without what authorises, and that."""
    parts = urlsplit(address)
    if parts.username is None:
        return address, None
    login = (unquote(parts.username), unquote(parts.password or ""))
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])), login


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
