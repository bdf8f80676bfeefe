"""Sends a group of equal HTTP requests, and counts what became of them.

With a rate, requests begin on time whatever the answers take, and latency counts from when a request was due: a
service that stalls does not slow down its own measurement (coordinated omission).
"""

import asyncio
import contextlib
import math
import os
import random
import resource
import time
from base64 import b64decode
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import aiohttp

from membudget.trials.driver_messages import LoadResult, RequestGroup

_REQUEST_TIMEOUT_S = 60.0
"""Between two pieces of an answer; for a whole one where nothing is said of slow reading."""
_FAILURES_TO_GIVE_UP = 200
"""After so many failed requests nothing is learned from more of them."""
_CHUNK_BYTES = 1 << 16
_SEED = 4711
_BUCKETS_PER_E = 100
"""Latencies are counted in steps of 1 %."""


async def send(port: int, group: RequestGroup) -> tuple[LoadResult, Counter[str]]:
    """Send a group's requests: figures, and the failures by reason."""
    load = _Load(port, group)
    async with load.session(), _held_open(port, group.connections) as held:
        begun = time.monotonic()
        await load.run(begun)
        took_s = time.monotonic() - begun
        result = load.result(took_s, held.still_open())
    return result, load.failures


class _Load:
    def __init__(self, port: int, group: RequestGroup) -> None:
        self._group = group
        self._url = f"http://127.0.0.1:{port}{group.path}"
        self._body = _body(group)
        self._latencies: Counter[int] = Counter()
        self._received = 0
        self._session: aiohttp.ClientSession | None = None
        self.failures: Counter[str] = Counter()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        """Connections for as long as the context lasts."""
        group = self._group
        reads_slowly = group.read_rate is not None or group.read_for_ms is not None
        timeout = aiohttp.ClientTimeout(
            total=None if reads_slowly else _REQUEST_TIMEOUT_S, sock_read=_REQUEST_TIMEOUT_S
        )
        connections = aiohttp.TCPConnector(limit=0, force_close=not group.keep_alive)
        async with aiohttp.ClientSession(connector=connections, timeout=timeout, auto_decompress=False) as session:
            self._session = session
            yield

    async def run(self, begun: float) -> None:
        """Send all requests."""
        due = self._due(begun)
        ramp_s = 0.0 if self._group.rate else self._group.ramp_ms / 1000
        workers = self._group.concurrency
        if self._group.count is not None:
            workers = min(workers, self._group.count)
        starts = (begun + ramp_s * number / workers for number in range(workers))
        await asyncio.gather(*(self._work(due, start) for start in starts))

    def result(self, took_s: float, connections_open: int) -> LoadResult:
        """What became of them."""
        done = self._latencies.total() + self.failures.total()
        return LoadResult(
            phase=self._group.phase,
            what=f"{self._group.method} {self._group.path}",
            requests=done,
            errors=self.failures.total(),
            duration_ms=round(took_s * 1000),
            received_bytes=self._received,
            p50_us=self._percentile(0.50),
            p95_us=self._percentile(0.95),
            p99_us=self._percentile(0.99),
            connections_open=connections_open,
        )

    def _due(self, begun: float) -> Iterator[float]:
        """When each request is due, until there are enough of them."""
        group = self._group
        end = begun + group.duration_ms / 1000 if group.duration_ms is not None else math.inf
        number = 0
        while group.count is None or number < group.count:
            at = begun + _offset_s(number, group.rate, group.ramp_ms / 1000) if group.rate else time.monotonic()
            if at >= end:
                return
            yield at
            number += 1

    async def _work(self, due: Iterator[float], start: float) -> None:
        await _sleep_until(start)
        for at in due:
            if self._has_failed():
                return
            if self._group.rate:
                await _sleep_until(at)
            begun = at if self._group.rate else time.monotonic()
            problem = await self._request()
            if problem is not None:
                self.failures[problem] += 1
            else:
                self._latencies[_bucket(time.monotonic() - begun)] += 1

    def _has_failed(self) -> bool:
        tolerated = self._group.errors_percent / 100 * self._latencies.total()
        return self.failures.total() >= _FAILURES_TO_GIVE_UP + tolerated

    async def _request(self) -> str | None:
        assert self._session is not None  # noqa: S101 - inside the context
        group = self._group
        try:
            async with self._session.request(
                group.method, self._url, headers=group.headers, data=self._body, allow_redirects=False
            ) as answer:
                await self._read(answer)
                return None if answer.status == group.expect else f"status {answer.status}"
        except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: headers that HTTP cannot carry
            return in_words(error)

    async def _read(self, answer: aiohttp.ClientResponse) -> None:
        """Read the body and keep nothing of it."""
        group = self._group
        if group.read_rate is None and group.read_for_ms is None:
            async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
                self._received += len(chunk)
            return
        reading = self._read_slowly(answer, group.read_rate)
        if group.read_for_ms is None:
            await reading
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(group.read_for_ms / 1000):
                await reading
        answer.close()

    async def _read_slowly(self, answer: aiohttp.ClientResponse, bytes_a_second: int | None) -> None:
        begun, received = time.monotonic(), 0
        size = _CHUNK_BYTES if bytes_a_second is None else max(1, min(_CHUNK_BYTES, bytes_a_second // 10))
        while chunk := await answer.content.read(size):
            received += len(chunk)
            self._received += len(chunk)
            if bytes_a_second is not None:
                await _sleep_until(begun + received / bytes_a_second)

    def _percentile(self, share: float) -> int | None:
        """In microseconds; None when no request succeeded."""
        wanted = math.ceil(share * self._latencies.total())
        for bucket in sorted(self._latencies):
            wanted -= self._latencies[bucket]
            if wanted <= 0:
                return round(math.exp((bucket + 0.5) / _BUCKETS_PER_E))
        return None


class _HeldConnections:
    """Connections that say nothing."""

    def __init__(self, opened: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
        self._opened = opened

    def still_open(self) -> int:
        """How many the service has not closed meanwhile."""
        return sum(not reader.at_eof() for reader, _ in self._opened)


@asynccontextmanager
async def _held_open(port: int, count: int) -> AsyncIterator[_HeldConnections]:
    """Raises OSError when they cannot all be opened."""
    if count:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    opened: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    try:
        for _ in range(count):
            opened.append(await asyncio.open_connection("127.0.0.1", port))  # noqa: PERF401 - closed if one fails
        yield _HeldConnections(opened)
    finally:
        for _, writer in opened:
            writer.close()


def _body(group: RequestGroup) -> bytes | None:
    if group.body_base64 is not None:
        return b64decode(group.body_base64)
    return random.Random(_SEED).randbytes(group.body_size) if group.body_size is not None else None  # noqa: S311


def _offset_s(number: int, rate: int, ramp_s: float) -> float:
    """When request `number` is due: the rate grows to its full height over the ramp, so their count is a parabola."""
    in_ramp = rate * ramp_s / 2
    if number < in_ramp:
        return math.sqrt(2 * ramp_s * number / rate)
    return ramp_s + (number - in_ramp) / rate


def _bucket(seconds: float) -> int:
    return int(_BUCKETS_PER_E * math.log(max(1.0, seconds * 1e6)))


async def _sleep_until(at: float) -> None:
    while (left := at - time.monotonic()) > 0:
        await asyncio.sleep(left)


def in_words(error: Exception) -> str:
    """An error as the kernel calls it, without addresses: equal failures are counted together."""
    if isinstance(error, TimeoutError):  # aiohttp's, too
        return f"no whole answer within {_REQUEST_TIMEOUT_S:g} s"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return str(error) or type(error).__name__
