"""Answers that a service may send, and how little of a hostile one is read."""

import asyncio
import contextlib
import itertools
import os
from collections import Counter
from collections.abc import Iterator

import pytest

from membudget.measure.load import LoadResult, RequestGroup
from membudget.measure.workload import http_sender

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
MOST_SENT_BYTES = 16 << 20
"""What a service can send before a refusal reaches it: buffers of sockets."""


def headers(number: int) -> bytes:
    return b"".join(b"X-%d-%d: y\r\n" % (number, one) for one in range(1000))


def forever(first: bytes, *then: bytes) -> Iterator[bytes]:
    yield first
    yield from itertools.cycle(then)


def load(answer: Iterator[bytes], **changes: object) -> tuple[LoadResult, Counter[str], int]:
    """What becomes of one request to a service that sends `answer`, and how much of it was sent."""
    sent = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        with contextlib.suppress(OSError):
            await reader.readuntil(b"\r\n\r\n")
            for piece in answer:
                writer.write(piece)
                sent += len(piece)
                await writer.drain()
            await reader.read()
        writer.close()

    async def run() -> tuple[LoadResult, Counter[str]]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        usual: dict[str, object] = {"method": "GET", "path": "/", "headers": {}, "count": 1, "timeout_ms": 60_000}
        group = RequestGroup(**{**usual, "concurrency": 1, "expect": 200, **changes})  # type: ignore[arg-type] # as the test says
        try:
            sent = await http_sender.send(port, group, lambda _: None)
            return sent.result, sent.failures
        finally:
            server.close()

    result, failures = asyncio.run(run())
    return result, failures, sent


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (forever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2000), "the service sent more than 20 interim answers (1xx)"),
        (
            forever(b"", b"HTTP/1.1 103 Early Hints\r\nLink: " + b"x" * 4000 + b"\r\n\r\n"),
            "the service sent more than 64 KiB before",
        ),
        ((b"HTTP/1.1 200 OK\r\n" if not n else headers(n) for n in itertools.count()), "Too many headers received"),
        (forever(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 65536), "Got more than 8190 bytes when reading"),
        (forever(b"HTTP/1.1 ", b"y" * 65536), "Bad status line"),
        ((CHUNKED + b"0\r\n" if not n else headers(n) for n in itertools.count()), "Too many headers received"),
        (forever(CHUNKED + b"0\r\nX: ", b"y" * 65536), "Got more than 8190 bytes when reading"),
        (forever(CHUNKED + b"5\r\n", FINE * 1000), "chunk data"),
    ],
)
def test_an_answer_without_an_end_fails_its_request_early(answer: Iterator[bytes], reason: str) -> None:
    result, failures, sent = load(answer)
    assert (result.requests, result.errors) == (1, 1)
    assert reason in next(iter(failures)), failures
    assert sent < MOST_SENT_BYTES


@pytest.mark.thorough
@pytest.mark.parametrize(
    "answer",
    [
        forever(CHUNKED, b"10000\r\n" + b"y" * 65536 + b"\r\n"),
        forever(CHUNKED, b"1\r\nx\r\n" * 10000),
        forever(CHUNKED + b"1;", b"a=b;" * 16000),
    ],
)
def test_a_body_without_an_end_is_read_for_its_time_and_not_kept(answer: Iterator[bytes]) -> None:
    result, failures, _ = load(answer, timeout_ms=300)
    assert (result.errors, dict(failures)) == (1, {"no whole answer within 0.3 s": 1})


def test_answers_that_nobody_asked_for_are_not_read() -> None:
    result, failures, sent = load(forever(FINE, FINE * 1000))
    assert (result.requests, result.errors, failures) == (1, 0, Counter())
    assert sent < MOST_SENT_BYTES


def test_a_few_interim_answers_are_fine() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </x.css>\r\n\r\n"
    result, failures, _ = load(iter([interim * 20, FINE]))
    assert (result.requests, result.errors, result.received_bytes, failures) == (1, 0, 2, Counter())


@pytest.mark.thorough
def test_reasons_are_short_and_few() -> None:
    lines = (b"HTTP/1.1 " + str(number).encode() + os.urandom(4000).hex().encode() + b"\r\n\r\n" for number in range(9))
    kinds: Counter[str] = Counter()
    for line in lines:
        kinds += load(iter([line]))[1]
    assert len(kinds) == 1, "they differ by what the service sent alone"
    assert all(len(kind) <= 200 and kind.isprintable() for kind in kinds)
