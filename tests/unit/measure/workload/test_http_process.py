import asyncio
import contextlib
import http.server
import io
import json
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import asdict, replace
from unittest import mock

import pytest

from membudget.engine.helper import HELPER_MEMORY_BYTES
from membudget.measure.listening import Listening
from membudget.measure.load import DriveEvent, DriveFault, DriveOrder, RequestGroup
from membudget.measure.workload import http_process
from tests.support.serving import serving


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # header and body in one packet
    seen: Counter[str] = Counter()

    def do_GET(self) -> None:
        self.seen[f"{self.command} {self.path} {self.headers.get('X-Test', '')}".strip()] += 1
        if self.path.startswith("/lost/") and self.seen[f"{self.command} {self.path}"] == 1:
            self.close_connection = True  # as when its worker is killed
            return
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length) or b"fine"
        self.send_response(int(self.path.rpartition("/")[2] or 200))
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Location", "/200")  # which only redirections make anything of
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_POST = do_HEAD = do_GET  # noqa: N815 - names that the base class looks for

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    """A service that answers with the status that the path names."""
    Handler.seen.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with serving(server):
        yield int(server.server_address[1])


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port where nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield int(unused.getsockname()[1])


def lines_of(orders: tuple[DriveOrder, ...]) -> str:
    return "".join(json.dumps(asdict(order)) + "\n" for order in orders)


def drive(*orders: DriveOrder) -> list[dict[str, object]]:
    """What the driver says to orders, but for the points of its progress."""
    with redirect_stdout(io.StringIO()) as said:
        for one in orders:
            asyncio.run(http_process._drive(one))
    return without_points([json.loads(line) for line in said.getvalue().splitlines()])


def without_points(said: list[dict[str, object]]) -> list[dict[str, object]]:
    return [event for event in said if event["event"] != "point"]


def requests(event: dict[str, object]) -> int:
    load = event["load"]
    assert isinstance(load, dict)
    return int(load["requests"])


def drive_as_a_process(*orders: DriveOrder) -> list[dict[str, object]]:
    """The same, where nothing but the standard streams connects us."""
    command = [sys.executable, "-m", "membudget.measure.workload.http_process"]
    done = subprocess.run(command, input=lines_of(orders), capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    return without_points([json.loads(line) for line in done.stdout.splitlines()])


def order(
    port: int,
    *groups: RequestGroup,
    ready_tcp: int | None = None,
    ready_http: str | None = None,
    ready_timeout_ms: int = 5000,
) -> DriveOrder:
    return DriveOrder(None, port, ready_tcp, ready_http, ready_timeout_ms, groups)


def group(path: str = "/200", **changes: object) -> RequestGroup:
    usual: dict[str, object] = {
        "method": "GET",
        "headers": {},
        "count": 5,
        "concurrency": 2,
        "timeout_ms": 60_000,
        "expect": 200,
        "phase": "steady",
    }
    return RequestGroup(path=path, **{**usual, **changes})  # type: ignore[arg-type] # as the test says


@pytest.mark.thorough
def test_every_request_is_sent_as_it_was_ordered(port: int) -> None:
    get = group(count=30, concurrency=7, headers={"X-Test": "yes"})
    post = group("/201", method="POST", body_base64="aGVsbG8=", expect=201, count=3)
    said = drive_as_a_process(order(port, get, post, group(method="HEAD", count=1), ready_tcp=port))
    assert [event["event"] for event in said] == ["ready", "load", "load", "load", "done"]
    assert sum(requests(event) for event in said[1:4]) == 34
    assert Handler.seen == {"GET /200 yes": 30, "POST /201": 3, "HEAD /200": 1}


@pytest.mark.thorough
def test_readiness_is_a_connection_or_an_answer_below_400(
    port: int, nobody: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_process, "_TELLING_S", 60.0)  # on a busy machine the last attempt may get no answer
    said = drive(
        order(port, ready_http="/302"),
        order(port, ready_http="/503", ready_timeout_ms=200),
        order(port, ready_tcp=port),
        order(nobody, ready_tcp=nobody, ready_timeout_ms=200),
        order(nobody, ready_http="/", ready_timeout_ms=200),
    )
    assert [event["reason"] or event["event"] for event in said] == [
        *("ready", "done"),
        f"not ready within 0.2 s: GET /503 at port {port}: status 503",
        *("ready", "done"),
        f"not ready within 0.2 s: port {nobody}: connection refused",
        f"not ready within 0.2 s: GET / at port {nobody}: connection refused",
    ]


@pytest.mark.parametrize(("method", "errors", "resent"), [("GET", 0, 1), ("POST", 1, 0)])
def test_a_request_whose_connection_was_lost_is_an_error_or_is_told_as_sent_twice(
    port: int, method: str, errors: int, resent: int
) -> None:
    """A worker that is killed loses requests. The client repeats those that may be repeated."""
    _, event, *_ = drive(order(port, group("/lost/200", method=method, count=4, errors_percent=90), ready_tcp=port))
    load = event["load"]
    assert isinstance(load, dict)
    assert (load["requests"], load["errors"], load["resent"]) == (4, errors, resent)
    assert Handler.seen[f"{method} /lost/200"] == 4 + resent


def test_a_status_that_was_not_expected_fails_and_ends_the_groups(port: int) -> None:
    ready, _, failed = drive(order(port, group("/500", count=4), group("/200")))
    assert (ready["event"], failed["event"]) == ("ready", "failed")
    assert failed["reason"] == "4 of 4 requests GET /500 failed: 4 x status 500 (expected status 200)"
    assert "GET /200" not in Handler.seen


@pytest.mark.thorough
def test_progress_is_told_while_requests_are_sent(port: int) -> None:
    said: list[DriveEvent] = []
    with mock.patch.object(http_process, "_say", said.append):
        asyncio.run(http_process._drive(order(port, group(count=3), group(count=40, connections=5))))
    points = [(event.group, event.point) for event in said if event.point is not None]
    last = dict(points)
    assert {number: (point.requests, point.connections) for number, point in last.items()} == {0: (3, 0), 1: (40, 5)}
    times = [point.at_ns for _, point in points]
    assert times == sorted(times)


def test_a_service_that_was_ready_before_it_was_asked_is_told_apart(port: int) -> None:
    ready, _ = drive(order(port, ready_http="/200"))
    assert ready["at_once"] is True


def test_a_redirection_is_an_answer_and_is_not_followed(port: int) -> None:
    said = drive(order(port, group("/302", count=2, expect=302), ready_http="/302"))
    assert (said[-1]["event"], requests(said[-2])) == ("done", 2)
    assert Handler.seen == {"GET /302": 3}


@pytest.mark.thorough
def test_nothing_is_learned_from_thousands_of_failures(port: int) -> None:
    failed = drive(order(port, group("/500", count=100_000)))[-1]
    assert str(failed["reason"]).startswith("20")
    assert Handler.seen.total() < 300


@pytest.mark.thorough
@pytest.mark.parametrize("path", ["//127.0.0.2/200", "//double/200", "/@x/200"])
def test_a_path_stays_a_path(port: int, path: str) -> None:
    said = drive(order(port, group(path, count=1), ready_http=path))
    assert (said[-1]["event"], requests(said[-2])) == ("done", 1)
    assert Handler.seen == {f"GET /{path.lstrip('/')}": 2}  # http.server makes one slash of two


@pytest.mark.thorough
def test_headers_that_http_cannot_carry_fail_the_workload_alone(port: int) -> None:
    said = drive(order(port, group(headers={"X-Test": "a\r\nHost: b"}, count=1)), order(port, group()))
    assert [event["event"] for event in said] == [
        *("ready", "load", "failed"),
        *("ready", "load", "done"),
    ]
    assert "control character" in str(said[2]["reason"])


@pytest.fixture
def rude() -> Iterator[int]:
    """A service whose answers never end; or never come, or but once, where the path says so."""
    answered, ended = threading.Event(), threading.Event()

    class Rude(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/once" and not answered.is_set():
                answered.set()
                self.send_error(503)
                return
            if self.path in ("/once", "/silent"):
                ended.wait()
                return
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while not ended.is_set():
                    self.wfile.write(b"x" * 65536)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Rude)
    with serving(server):
        yield int(server.server_address[1])
        ended.set()


def test_readiness_does_not_read_a_body_that_never_ends(rude: int) -> None:
    assert [event["event"] for event in drive(order(rude, ready_http="/"))] == ["ready", "done"]


@pytest.mark.thorough
def test_a_service_that_never_answers_is_not_ready(rude: int) -> None:
    (failed,) = drive(order(rude, ready_http="/silent", ready_timeout_ms=100))
    assert failed["reason"] == f"not ready within 0.1 s: GET /silent at port {rude}: no answer came"


@pytest.mark.thorough
def test_silence_does_not_hide_what_was_seen_before(rude: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_process, "_TELLING_S", 0.0)  # on a busy machine the first answer may take most of the time
    (failed,) = drive(order(rude, ready_http="/once", ready_timeout_ms=300))
    asked = f"GET /once at port {rude}: "
    assert failed["reason"] == f"not ready within 0.3 s: {asked}no answer came; before that: {asked}status 503"


@pytest.mark.thorough
def test_a_body_that_never_ends_fails_its_request(rude: int, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[DriveEvent] = []
    monkeypatch.setattr(http_process, "_say", said.append)
    asyncio.run(http_process._drive(order(rude, group("/", count=2, timeout_ms=100), ready_tcp=rude)))
    assert [event.event for event in said if event.point is None] == ["ready", "load", "failed"]
    assert said[-1].reason == ("2 of 2 requests GET / failed: 2 x no whole answer within 0.1 s (expected status 200)")


def test_the_driver_may_have_as_much_memory_as_its_container() -> None:
    assert http_process._MEMORY_BYTES == HELPER_MEMORY_BYTES


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> list[Listening]:
    """What the driver finds that the service listens on."""
    found: list[Listening] = []
    monkeypatch.setattr(http_process, "read_listening", lambda: tuple(found))
    return found


def test_a_port_that_is_not_named_is_the_one_that_the_service_listens_on(port: int, listening: list[Listening]) -> None:
    listening.append(Listening(port, "127.0.0.1"))
    ready, load, done = drive(replace(order(port, group()), port=None))
    assert (ready["port"], ready["late_ms"], requests(load), done["event"]) == (port, 0, 5, "done")


@pytest.mark.thorough
def test_a_preferred_port_is_waited_for_and_that_time_is_told(
    listening: list[Listening], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_process, "_PREFERENCE_S", 0.05)
    listening += [Listening(3000, "127.0.0.1")]
    ready, _ = drive(replace(order(0), port=None, preferred=(8080,)))
    assert ready["port"] == 3000
    assert int(str(ready["late_ms"])) >= 50
    listening += [Listening(8080, "127.0.0.1")]
    ready, _ = drive(replace(order(0), port=None, preferred=(8080,)))
    assert (ready["port"], ready["late_ms"]) == (8080, 0)


@pytest.mark.thorough
def test_a_service_that_is_not_ready_is_told_with_where_it_listens(nobody: int, listening: list[Listening]) -> None:
    listening.append(Listening(3000, "127.0.0.1"))
    (failed,) = drive(order(nobody, ready_tcp=nobody, ready_timeout_ms=50))
    assert failed["listening"] == [{"port": 3000, "address": "127.0.0.1"}]
    assert failed["fault"] == DriveFault.NOT_READY
    listening.clear()
    (failed,) = drive(replace(order(0, ready_timeout_ms=50), port=None))
    assert failed["reason"] == "not ready within 0.05 s: nothing listens on a TCP port"
    assert failed["fault"] == DriveFault.LISTENS_NOWHERE


@pytest.mark.thorough
def test_a_time_that_the_trial_cut_short_is_not_told(nobody: int) -> None:
    (failed,) = drive(replace(order(nobody, ready_tcp=nobody, ready_timeout_ms=20), ends_with_trial=True))
    assert str(failed["reason"]).startswith("not ready: ")  # a busy machine may have had no time for an answer


def test_looking_asks_the_service_nothing(listening: list[Listening]) -> None:
    listening.append(Listening(3000, "127.0.0.1"))
    (looked,) = drive(replace(order(0), only_looks=True))
    assert (looked["event"], looked["listening"]) == ("looked", [{"port": 3000, "address": "127.0.0.1"}])
