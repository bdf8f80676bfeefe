"""Files of a package index, and servers that answer something else."""

import hashlib
import http.server
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
import urllib3

from membudget.core.errors import EnvironmentFault
from membudget.web import package_index
from membudget.web.bounded_http import Limits, ask
from membudget.web.package_index import PackageIndex
from tests.support.serving import serving

FILE = "memray-1-cp311-cp311-manylinux_x86_64.whl"
CONTENT = b"a wheel"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
JSON = "application/vnd.pypi.simple.v1+json"
LISTED = json.dumps({"files": [{"filename": "x", "url": "x.whl"}, {"filename": FILE, "url": f"../files/{FILE}"}]})
PAGE = f'<!DOCTYPE html><a href="x.whl">x</a><a href="../files/{FILE}#sha256=1">it</a>'


class Index(http.server.BaseHTTPRequestHandler):
    """Answers as the test says."""

    answers: dict[str, tuple[int, str, bytes]]
    asked: list[tuple[str, str | None]]
    address: str

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers["Authorization"]))
        status, kind, content = self.answers.get(self.path, (404, "text/html", b"no"))
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def index(page: str = LISTED, kind: str = JSON, content: bytes = CONTENT, status: int = 200) -> Iterator[type[Index]]:
    class Answering(Index):
        answers = {
            "/simple/memray/": (status, kind, page.encode()),
            f"/simple/files/{FILE}": (200, "application/octet-stream", content),
        }
        asked = []

    with http.server.HTTPServer(("127.0.0.1", 0), Answering) as server, serving(server):
        Answering.address = f"127.0.0.1:{server.server_port}/simple"
        yield Answering


def fetched(address: str, **more: str) -> bytes:
    return PackageIndex({"PIP_INDEX_URL": address, **more}).fetch("memray", FILE, len(CONTENT), SHA256)


@pytest.mark.parametrize(("page", "kind"), [(LISTED, JSON), (PAGE, "text/html; charset=utf-8")])
def test_the_file_is_found_in_both_kinds_of_pages(page: str, kind: str) -> None:
    with index(page, kind) as server:
        assert fetched(f"http://{server.address}/") == CONTENT
    assert [path for path, _ in server.asked] == ["/simple/memray/", f"/simple/files/{FILE}"]


def test_the_login_of_the_address_is_sent_and_not_told() -> None:
    with index() as server:
        assert fetched(f"http://me:p%40ss@{server.address}") == CONTENT
        assert {login for _, login in server.asked} == {"Basic bWU6cEBzcw=="}
        server.answers.clear()
        with pytest.raises(EnvironmentFault, match=r"^127.0.0.1 answered 404$"):
            fetched(f"http://me:p%40ss@{server.address}")


@pytest.mark.parametrize(
    "link",
    [
        "http://localhost:{port}/x/{file}",
        "http://evil.example\\@127.0.0.1:{port}/x/{file}",
        "https://127.0.0.1:{port}/x/{file}",
    ],
    ids=["another host", "another host before a backslash", "another scheme"],
)
def test_the_login_is_not_sent_to_another_server_of_a_link(link: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, bool]] = []

    def noting(session: requests.Session, limits: Limits, method: str, url: str, **more: Any) -> requests.Response:
        asked.append((url, more.get("login") is not None))
        if len(asked) == 2:
            raise requests.ConnectionError
        return ask(session, limits, method, url, **more)

    monkeypatch.setattr(package_index, "ask", noting)
    with index() as server:
        port = server.address.partition(":")[2].partition("/")[0]
        server.answers["/simple/memray/"] = (
            200,
            "text/html",
            f"<a href='{link.format(port=port, file=FILE)}'>".encode(),
        )
        with pytest.raises(EnvironmentFault, match=r"^127.0.0.1 cannot be reached: ConnectionError$"):
            fetched(f"http://me:pw@{server.address}")
    assert [has_login for _, has_login in asked] == [True, False]


def test_the_login_is_not_sent_over_plain_http_if_the_index_has_https(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def answering(session: requests.Session, limits: Limits, method: str, url: str, **more: Any) -> requests.Response:
        asked.append(more.get("login") is not None)
        if len(asked) == 2:
            raise requests.ConnectionError
        answer = requests.Response()
        answer.status_code, answer.url = 200, url
        answer.raw = urllib3.HTTPResponse(
            io.BytesIO(f"<a href='http://idx.example/{FILE}'>".encode()), preload_content=False
        )
        return answer

    monkeypatch.setattr(package_index, "ask", answering)
    with pytest.raises(EnvironmentFault, match=r"^idx.example cannot be reached: ConnectionError$"):
        fetched("https://me:pw@idx.example/simple")
    assert asked == [True, False]


@pytest.mark.parametrize(
    "address",
    [
        "https://me:pa[ss@host/simple",
        "https://[bad/simple",
        "https://me:secret@ho\u2100st/simple",  # NFKC makes a slash of it
        "https://me:secret@host:port/simple",
        "https://me:secret@host:99999/simple",
        "https://me:sec/ret@host/simple",
        "https://me:secret@*.host/simple",
        "https://me:secret@/simple",
        "me:secret@host/simple",
        "host/simple",
        "file:///simple",
        "http:",
        "\x00",
    ],
)
def test_an_address_that_is_none_is_a_reason_without_its_text(address: str) -> None:
    found = PackageIndex({"PIP_INDEX_URL": address})
    with pytest.raises(EnvironmentFault, match=r"^PIP_INDEX_URL is no address of http or https$"):
        found.fetch("memray", FILE, len(CONTENT), SHA256)


@pytest.mark.parametrize(
    ("name", "value"),
    [("REQUESTS_CA_BUNDLE", "/nonexistent.pem"), ("HTTPS_PROXY", "http://me:secret@[bad"), ("HTTPS_PROXY", "http://")],
)
def test_settings_of_requests_that_are_wrong_are_a_reason(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for either in ("NO_PROXY", "HTTPS_PROXY", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(either, raising=False)
        monkeypatch.delenv(either.lower(), raising=False)
    monkeypatch.setenv(name, value)
    with pytest.raises(EnvironmentFault, match=r"^idx.example cannot be reached: \w+$"):
        fetched("https://me:secret@idx.example/simple")


def test_an_index_that_cannot_be_reached_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    timeouts: list[float] = []

    def unreachable(_: object, timeout: float, *__: object, **___: object) -> None:
        timeouts.append(timeout)
        raise TimeoutError

    monkeypatch.setattr(urllib3.util.connection, "create_connection", unreachable)
    found = PackageIndex({"PIP_INDEX_URL": "http://127.0.0.1:9/simple"})
    for file in (FILE, "another.whl"):
        with pytest.raises(EnvironmentFault, match=r"^127.0.0.1 cannot be reached: ConnectTimeout$"):
            found.fetch("memray", file, len(CONTENT), SHA256)
    assert timeouts == [5]


def test_an_index_that_is_too_slow_is_asked_once() -> None:
    with index() as server:
        found = PackageIndex({"PIP_INDEX_URL": f"http://{server.address}"}, allowed_s=0)
        for file in (FILE, "another.whl"):
            with pytest.raises(EnvironmentFault, match=r"^127.0.0.1 took too long to answer$"):
                found.fetch("memray", file, len(CONTENT), SHA256)


def test_an_index_that_answers_is_asked_again() -> None:
    with index(status=404) as server:
        found = PackageIndex({"PIP_INDEX_URL": f"http://{server.address}"})
        for _ in range(2):
            with pytest.raises(EnvironmentFault, match="answered 404"):
                found.fetch("memray", FILE, len(CONTENT), SHA256)
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("page", "kind", "content", "status", "reason"),
    [
        (LISTED, JSON, b"a whale", 200, "sent another file than the one that membudget knows"),
        (LISTED, JSON, CONTENT * 1000, 200, "sent more than 7 bytes"),
        (LISTED, JSON, b"", 200, "sent another file"),
        ("", JSON, CONTENT, 503, "answered 503"),
        ("", JSON, CONTENT, 200, "sent a page that is no package index"),
        ("[" * 100_000, JSON, CONTENT, 200, "sent a page that is no package index"),
        ("[]", JSON, CONTENT, 200, f"does not have {FILE}"),
        ('{"files": 1}', JSON, CONTENT, 200, f"does not have {FILE}"),
        ('{"files": [1, {"url": 1}, {"url": "http://["}]}', JSON, CONTENT, 200, "no package index"),
        ('<a href="http://[">', "text/html", CONTENT, 200, "no package index"),
        ("<![foo[x", "text/html", CONTENT, 200, "no package index"),
        (f'<a href="http://*.x/{FILE}">', "text/html", CONTENT, 200, "no package index"),
        (f'<a href="http://x:port/{FILE}">', "text/html", CONTENT, 200, "no package index"),
        (f'<a href="ftp://x/{FILE}">', "text/html", CONTENT, 200, "no package index"),
        ("<a><a href>", "text/html", CONTENT, 200, f"does not have {FILE}"),
    ],
)
def test_another_answer_is_a_reason(page: str, kind: str, content: bytes, status: int, reason: str) -> None:
    with (
        index(page, kind, content, status) as server,
        pytest.raises(EnvironmentFault, match=reason),
    ):
        fetched(f"http://{server.address}")


@pytest.mark.thorough
def test_a_page_without_end_is_cut_off() -> None:
    with index("x" * (9 << 20)) as server, pytest.raises(EnvironmentFault, match="sent more than"):
        fetched(f"http://{server.address}")


def test_an_index_that_is_not_there_is_a_reason() -> None:
    with index() as server:
        address = server.address
    with pytest.raises(EnvironmentFault, match=r"^127.0.0.1 cannot be reached: ConnectionError$"):
        fetched(f"http://{address}")


@pytest.mark.parametrize(("value", "is_off"), [("1", True), ("true", True), ("0", False), ("", False)])
def test_the_index_can_be_switched_off_as_pips(value: str, *, is_off: bool) -> None:
    with index() as server:
        if is_off:
            with pytest.raises(EnvironmentFault, match="PIP_NO_INDEX is set"):
                fetched(f"http://{server.address}", PIP_NO_INDEX=value)
        else:
            assert fetched(f"http://{server.address}", PIP_NO_INDEX=value) == CONTENT
        assert bool(server.asked) is not is_off
