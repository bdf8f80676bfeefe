"""Node's inspector: its answers, and those of what only pretends to be one."""

import json
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.measure.live_heap import node
from membudget.measure.live_heap.confined import NoAnswer
from membudget.measure.live_heap.messages import AskableRuntime
from membudget.measure.live_heap.node import used_bytes
from membudget.measure.live_heap.runtimes import RunningRuntime
from membudget.measure.live_heap.websocket import Connection

ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


@contextmanager
def inspector(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port on which one connection is answered, once it has sent a head."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            asked = b""
            with connection, suppress(OSError):
                while b"\r\n\r\n" not in asked:
                    asked += connection.recv(4096)
                answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def sending(*pieces: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(b"".join(pieces))


def soon(seconds: float = 60) -> float:
    return time.monotonic() + seconds


def frame(payload: bytes, first: int = 0x81) -> bytes:
    length = bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + struct.pack("!H", len(payload))
    return bytes([first]) + length + payload


def message_of(*frames: bytes) -> bytes:
    with inspector(sending(ACCEPTED, *frames)) as port, closing(Connection(port, soon())) as connection:
        connection.upgrade("/id")
        return connection.receive()


def test_a_resource_is_read() -> None:
    answer = sending(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n[1,2]")
    with inspector(answer) as port, closing(Connection(port, soon())) as connection:
        assert connection.get("/json/list") == b"[1,2]"


@pytest.mark.parametrize("frames", [[frame(b"x" * 1000)], [frame(b"x" * 400, 0x01), frame(b"x" * 600, 0x80)]])
def test_a_message_is_read_whole(frames: list[bytes]) -> None:
    assert message_of(*frames) == b"x" * 1000


def test_a_ping_is_answered_and_no_message() -> None:
    answers = []

    def pinging(connection: socket.socket) -> None:
        connection.sendall(ACCEPTED + frame(b"hello", 0x89))
        answers.append(connection.recv(100))
        connection.sendall(frame(b"{}"))

    with inspector(pinging) as port, closing(Connection(port, soon())) as connection:
        connection.upgrade("/id")
        assert connection.receive() == b"{}"
    assert answers[0][:1] == b"\x8a"


def test_what_is_sent_is_masked() -> None:
    received = []

    def listening(connection: socket.socket) -> None:
        connection.sendall(ACCEPTED)
        received.append(connection.recv(1000))
        connection.sendall(frame(b"{}"))

    with inspector(listening) as port, closing(Connection(port, soon())) as connection:
        connection.upgrade("/id")
        connection.send("hello")
        connection.receive()
    (sent,) = received
    mask = sent[2:6]
    assert sent[:2] == b"\x81\x85"
    assert bytes(byte ^ mask[at % 4] for at, byte in enumerate(sent[6:])) == b"hello"


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ([frame(b"", 0x88)], "closed the connection"),
        ([], "closed the connection"),
        ([b"\x81\x7f" + b"\xff" * 8], "more than 1 MiB"),
        ([b"\x81\x85masked...."], "is none"),
        ([frame(b"x" * 60_000, 0x01)] * 20, "more than 1 MiB"),
        ([frame(b"", 0x8A)] * 10_001, "too many messages"),
    ],
)
def test_a_message_has_bounds(frames: list[bytes], reason: str) -> None:
    with pytest.raises(NoAnswer, match=reason):
        message_of(*frames)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.\r\n\r\n",
        b"\r\n\r\n",
        b"x" * 20_000,
    ],
)
def test_another_service_on_the_port_is_no_inspector(head: bytes) -> None:
    with inspector(sending(head)) as port, closing(Connection(port, soon())) as connection, pytest.raises(NoAnswer):
        connection.get("/json/list")


@pytest.mark.thorough
def test_an_inspector_that_hangs_is_left_at_the_deadline() -> None:
    over = threading.Event()

    def hang(_: socket.socket) -> None:
        over.wait()

    with inspector(hang) as port, closing(Connection(port, soon(0.1))) as connection:
        with pytest.raises(TimeoutError):
            connection.get("/json/list")
        over.set()


def test_the_heap_and_its_buffers_are_added_up() -> None:
    assert used_bytes({"result": {"type": "object", "value": [1, 4_000_000, 1_000_000]}}, 1) == 5_000_000


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ({"result": {"value": [7, 1, 1]}}, "another process, 7"),
        ({"result": {"value": [1, -5, 1]}}, "did not say"),
        ({"result": {"value": [1, "5", 1]}}, "did not say"),
        ({"exceptionDetails": {}}, "did not say"),
        ([], "did not say"),
    ],
)
def test_any_other_answer_has_a_reason(result: object, reason: str) -> None:
    with pytest.raises(NoAnswer, match=reason):
        used_bytes(result, 1)


def test_the_inspector_is_closed_after_an_answer_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = f'[{{"webSocketDebuggerUrl": "ws://127.0.0.1/{"0" * 36}"}}]'.encode()
    received = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(listed) + listed)
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(ACCEPTED + frame(b'{"id": 1, "error": {}}'))
                while data := connection.recv(4096):
                    received.append(data)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        monkeypatch.setattr(node, "_inspector_port", lambda *_: server.getsockname()[1])
        process = RunningRuntime(AskableRuntime.NODE, 1, 0, 0, frozenset({signal.SIGUSR1}), -1, -1)
        with pytest.raises(NoAnswer, match="refused HeapProfiler"):
            node.live_bytes(process, soon())
        thread.join()
    assert [message for message in unmasked(b"".join(received)) if "_debugEnd" in message]


def unmasked(sent: bytes) -> Iterator[str]:
    """The short messages that a client sent."""
    while sent:
        size = sent[1] & 0x7F
        at = 2 if size < 126 else 4
        size = size if size < 126 else int.from_bytes(sent[2:4], "big")
        mask, payload = sent[at : at + 4], sent[at + 4 : at + 4 + size]
        yield bytes(byte ^ mask[number % 4] for number, byte in enumerate(payload)).decode()
        sent = sent[at + 4 + size :]


@pytest.mark.thorough
@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_no_result_is_an_error_of_ours(result: object) -> None:
    try:
        found = used_bytes(json.loads(json.dumps(result)), 1)
    except NoAnswer:
        return
    assert found >= 0
