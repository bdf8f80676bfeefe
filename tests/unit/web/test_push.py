from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
from pydantic import SecretStr
from werkzeug import Request, Response
from werkzeug.serving import make_server

from membudget.core.errors import ConfigurationError, EnvironmentFault
from membudget.web.metrics_login import MetricsAddress
from membudget.web.push import MetricsServer
from tests.support.hostile_server import ANSWERS, hostile_server
from tests.support.serving import serving

TOKEN = "glsa_0123456789abcdef"
HEADERS = {"Content-Type": "text/plain"}


class Receiver:
    """Takes metrics, after the answers that a test wants first."""

    def __init__(self) -> None:
        self.first: list[Response] = []
        self.seen: list[tuple[str, str, bytes, str | None]] = []
        self._server = make_server("127.0.0.1", 0, Request.application(self.answer), threaded=True)
        self._serving = ExitStack()
        self._serving.enter_context(serving(self._server))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._serving.close()

    def answer(self, request: Request) -> Response:
        self.seen.append((request.method, request.path, request.data, request.headers.get("Authorization")))
        return self.first.pop(0) if self.first else Response(status=202)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def sending(url: str, user: str = "", waits: list[float] | None = None) -> MetricsServer:
    """A server that gets the token."""
    secret = SecretStr(f"{user}:{TOKEN}" if user else TOKEN)
    return MetricsServer(MetricsAddress(url, "--pushgateway", secret), (waits if waits is not None else []).append)


def test_what_is_sent_arrives(receiver: Receiver) -> None:
    MetricsServer(MetricsAddress(f"{receiver.url}/prefix/", "--pushgateway")).send(
        "PUT", "/metrics/job/membudget", b"cats 3\n", HEADERS
    )
    assert receiver.seen == [("PUT", "/prefix/metrics/job/membudget", b"cats 3\n", None)]


@pytest.mark.parametrize(
    ("user", "header"), [("", f"Bearer {TOKEN}"), ("shop", "Basic c2hvcDpnbHNhXzAxMjM0NTY3ODlhYmNkZWY=")]
)
def test_the_token_is_sent_as_the_server_wants_it(receiver: Receiver, user: str, header: str) -> None:
    sending(receiver.url, user).send("POST", "", b"", HEADERS)
    assert receiver.seen[0][3] == header


@pytest.mark.thorough
@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_busy_server_is_asked_again(receiver: Receiver, status: int) -> None:
    receiver.first = [Response(status=status), Response(status=status)]
    waits: list[float] = []
    sending(receiver.url, waits=waits).send("PUT", "/a", b"x", HEADERS)
    assert [content for _, _, content, _ in receiver.seen] == [b"x"] * 3
    assert len(waits) == 2


@pytest.mark.parametrize(
    ("status", "kind", "says"),
    [
        (400, EnvironmentFault, "the server answered 400: out of bounds"),
        (401, ConfigurationError, "the server refuses the login (401)"),
        (403, ConfigurationError, "the server refuses the login (403)"),
        (404, ConfigurationError, "nothing takes metrics at this address (404)"),
        (405, ConfigurationError, "--web.enable-remote-write-receiver"),
    ],
)
def test_a_refusal_is_told_and_not_repeated(receiver: Receiver, status: int, kind: type[Exception], says: str) -> None:
    receiver.first = [Response("out of bounds\n", status=status)]
    with pytest.raises(kind) as caught:
        sending(receiver.url).send("PUT", "/a", b"x", HEADERS)
    assert says in str(caught.value)
    assert receiver.url in str(caught.value)
    assert len(receiver.seen) == 1


@pytest.mark.thorough
def test_a_server_that_stays_busy_is_told(receiver: Receiver) -> None:
    receiver.first = [Response("no room", status=503)] * 10
    with pytest.raises(EnvironmentFault, match="the server answered 503: no room"):
        sending(receiver.url).send("PUT", "/a", b"x", HEADERS)
    assert len(receiver.seen) == 4


def test_redirects_are_not_followed(receiver: Receiver) -> None:
    receiver.first = [Response(status=307, headers={"Location": "http://elsewhere.example/"})]
    with pytest.raises(ConfigurationError, match=r"the server redirects \(307\)"):
        sending(receiver.url).send("PUT", "/a", b"x", HEADERS)
    assert len(receiver.seen) == 1


@pytest.mark.thorough
@pytest.mark.parametrize("status", [400, 401, 500])
@pytest.mark.parametrize("user", ["", "shop"])
def test_a_token_that_the_server_repeats_is_hidden(receiver: Receiver, status: int, user: str) -> None:
    basic = "c2hvcDpnbHNhXzAxMjM0NTY3ODlhYmNkZWY="
    receiver.first = [Response(f"no {TOKEN}, no {basic}\x1b[31m", status=status)] * 4
    with pytest.raises((EnvironmentFault, ConfigurationError)) as caught:
        sending(receiver.url, user).send("PUT", "/a", b"x", HEADERS)
    assert TOKEN not in str(caught.value)
    assert "OnsaXzAx" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_a_server_that_is_not_there_is_told(receiver: Receiver) -> None:
    receiver.close()
    with pytest.raises(EnvironmentFault, match="cannot be reached: ConnectionError") as caught:
        sending(receiver.url).send("PUT", "/a", b"x", HEADERS)
    assert TOKEN not in str(caught.value)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_without_an_end_is_not_read(name: str) -> None:
    with hostile_server(name) as hostile:
        with suppress(EnvironmentFault, ConfigurationError):
            sending(f"http://{hostile.host}").send("PUT", "/a", b"x", HEADERS)
        assert hostile.sent_bytes < 40_000_000
