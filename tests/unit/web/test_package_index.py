"""Files of a package index, and servers that answer something else."""

import hashlib
import http.server
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from membudget.core.errors import EnvironmentFault
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
    ("page", "kind", "content", "status", "reason"),
    [
        (LISTED, JSON, b"a whale", 200, "sent another file than the one that membudget knows"),
        (LISTED, JSON, CONTENT * 1000, 200, "sent more than 7 bytes"),
        (LISTED, JSON, b"", 200, "sent another file"),
        ("", JSON, CONTENT, 503, "answered 503"),
        ("", JSON, CONTENT, 200, "answered with what is no package index"),
        ("[" * 100_000, JSON, CONTENT, 200, "answered with what is no package index"),
        ("[]", JSON, CONTENT, 200, f"does not have {FILE}"),
        ('{"files": 1}', JSON, CONTENT, 200, f"does not have {FILE}"),
        ('{"files": [1, {"url": 1}, {"url": "http://["}]}', JSON, CONTENT, 200, "no package index"),
        ('<a href="http://[">', "text/html", CONTENT, 200, "no package index"),
        ("<a><a href>", "text/html", CONTENT, 200, f"does not have {FILE}"),
    ],
)
def test_another_answer_is_a_reason(page: str, kind: str, content: bytes, status: int, reason: str) -> None:
    with (
        index(page, kind, content, status) as server,
        pytest.raises(EnvironmentFault, match=reason),
    ):
        fetched(f"http://{server.address}")


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
