"""Sends a group of identical HTTP requests and counts their results.

With a rate, requests begin on time however long the answers take, and latency counts from when a request was due. So a
service that stalls does not slow down its own measurement (coordinated omission). Without a rate, each of a few clients
sends its next request when the last one was answered, and latency counts from then: a stall delays what follows, and
shows in few latencies.
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
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from membudget.measure.latencies import Latencies, step_of
from membudget.measure.load import LoadPoint, LoadResult, RequestGroup
from membudget.measure.workload.confinement import BoundedConnector, is_out_of_memory

_FAILURES_TO_GIVE_UP = 200
"""Sending stops after this many failed requests, because more of them tell nothing new."""
_MOST_REASONS = 20
"""The most reasons that are counted separately."""
_LONGEST_REASON = 200
_CHUNK_BYTES = 1 << 16
_SEED = 4711
_PIECE_BYTES = 1 << 20
_FIRST_INTERVAL_S = 0.02
_POINTS_AN_INTERVAL = 100
"""Then the interval doubles. A soak of ten minutes has about 800 points."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of a group's requests."""

    result: LoadResult
    latencies: Latencies
    failures: Counter[str]
    """How many requests failed, by reason."""


async def send(port: int, group: RequestGroup, on_point: Callable[[LoadPoint], None]) -> Sent:
    """Send a group's requests. `on_point` is called now and then with the progress."""
    load = _Load(port, group)
    async with load.session(), _told(load, on_point), _held_open(port, load) as held:
        begun, busy = time.monotonic(), time.process_time()
        await load.run(begun)
        took_s, busy_s = time.monotonic() - begun, time.process_time() - busy
        return load.result(took_s, busy_s, held.still_open())


@asynccontextmanager
async def _told(load: "_Load", on_point: Callable[[LoadPoint], None]) -> AsyncIterator[None]:
    """Report points while the context lasts: many at first, fewer for a load that continues."""

    async def tell() -> None:
        interval_s = _FIRST_INTERVAL_S
        while True:
            for _ in range(_POINTS_AN_INTERVAL):
                on_point(load.point())
                await asyncio.sleep(interval_s)
            interval_s *= 2

    telling = asyncio.create_task(tell())
    try:
        yield
        on_point(load.point())
    finally:
        telling.cancel()


class _Load:
    def __init__(self, port: int, group: RequestGroup) -> None:
        self.group = group
        self.connections_opened = 0
        self._under_way = 0
        self._url = f"http://127.0.0.1:{port}{group.path}"
        self._body = _body(group)
        self._latencies: Counter[int] = Counter()
        self._done = 0
        self._received = 0
        self._session: aiohttp.ClientSession | None = None
        self.failures: Counter[str] = Counter()
        self._resent = 0

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        """Provide connections for as long as the context lasts."""
        group = self.group
        reads_slowly = group.read_rate is not None or group.read_for_ms is not None
        timeout_s = group.timeout_ms / 1000
        timeout = aiohttp.ClientTimeout(total=None if reads_slowly else timeout_s, sock_read=timeout_s)
        connections = BoundedConnector(force_close=not group.keep_alive)
        async with aiohttp.ClientSession(connector=connections, timeout=timeout, auto_decompress=False) as session:
            self._session = session
            yield

    def point(self) -> LoadPoint:
        """Return the progress."""
        return LoadPoint(time.monotonic_ns(), self._done, self._under_way, self.connections_opened)

    async def run(self, begun: float) -> None:
        """Send all requests."""
        due = self._due(begun)
        ramp_s = 0.0 if self.group.rate else self.group.ramp_ms / 1000
        workers = self.group.concurrency
        if self.group.count is not None:
            workers = min(workers, self.group.count)
        starts = (begun + ramp_s * number / workers for number in range(workers))
        await asyncio.gather(*(self._work(due, start) for start in starts))

    def result(self, took_s: float, busy_s: float, connections_open: int) -> Sent:
        """Return the results."""
        latencies = Latencies.of(self._latencies.items())
        result = LoadResult(
            phase=self.group.phase,
            what=f"{self.group.method} {self.group.path}",
            requests=self._done,
            errors=self.failures.total(),
            duration_ms=round(took_s * 1000),
            received_bytes=self._received,
            p50_us=latencies.percentile(0.50),
            p95_us=latencies.percentile(0.95),
            p99_us=latencies.percentile(0.99),
            connections_open=connections_open,
            resent=self._resent,
            exact_us=round(took_s * 1_000_000),
            client_cpu_us=round(busy_s * 1_000_000),
        )
        return Sent(result, latencies, self.failures)

    def _due(self, begun: float) -> Iterator[float]:
        """Yield the time at which each request is due, until there are enough."""
        group = self.group
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
            if self.group.rate:
                await _sleep_until(at)
            begun = at if self.group.rate else time.monotonic()
            self._under_way += 1
            problem = await self._request()
            self._under_way -= 1
            self.note(round((time.monotonic() - begun) * 1_000_000), problem)

    def note(self, took_us: int, problem: str | None) -> None:
        """Count a request that has ended. `problem` is why it failed, or None."""
        self._done += 1
        if problem is None:
            self._latencies[step_of(took_us)] += 1
        else:
            kept = problem in self.failures or len(self.failures) < _MOST_REASONS
            self.failures[problem if kept else "other failures"] += 1

    def _has_failed(self) -> bool:
        failed = self.failures.total()
        tolerated = self.group.errors_percent / 100 * (self._done - failed)
        return failed >= _FAILURES_TO_GIVE_UP + tolerated

    async def _request(self) -> str | None:
        assert self._session is not None  # noqa: S101 - inside the context
        group, attempts = self.group, 0

        async def attempt(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
            nonlocal attempts
            attempts += 1  # aiohttp sends a repeatable request again if the connection was lost before its answer
            self._resent += attempts == 2
            return await send(request)

        try:
            async with self._session.request(
                group.method,
                self._url,
                headers=group.headers,
                data=self._body,
                allow_redirects=False,
                middlewares=(attempt,),
            ) as answer:
                await self._read(answer)
                return None if answer.status == group.expect else f"status {answer.status}"
        except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: headers that HTTP cannot carry
            if is_out_of_memory(error):
                raise MemoryError from error
            return in_words(error, group.timeout_ms / 1000)

    async def _read(self, answer: aiohttp.ClientResponse) -> None:
        """Read the body and discard it."""
        group = self.group
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


class _HeldConnections:
    """Idle connections that are held open."""

    def __init__(self, opened: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
        self._opened = opened

    def still_open(self) -> int:
        """Return how many connections the service has not closed."""
        return sum(not reader.at_eof() for reader, _ in self._opened)


@asynccontextmanager
async def _held_open(port: int, load: _Load) -> AsyncIterator[_HeldConnections]:
    """Open the connections over the ramp, and close them with the context. Raises OSError if one cannot be opened."""
    count, ramp_s = load.group.connections, load.group.ramp_ms / 1000
    if count:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    opened: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    begun = time.monotonic()
    try:
        for number in range(count):
            await _sleep_until(begun + ramp_s * number / count)
            opened.append(await asyncio.open_connection("127.0.0.1", port))
            load.connections_opened += 1
        yield _HeldConnections(opened)
    finally:
        for _, writer in opened:
            writer.close()


def _body(group: RequestGroup) -> bytes | bytearray | None:
    if group.body_base64 is not None:
        return b64decode(group.body_base64)
    return _random_bytes(group.body_size) if group.body_size is not None else None


def _random_bytes(size: int) -> bytearray:
    """Return the same random bytes each time.

    They are created in pieces, because `randbytes` cannot create 256 MiB and needs twice the memory.
    """
    chance, made = random.Random(_SEED), bytearray()  # noqa: S311
    while len(made) < size:
        made += chance.randbytes(min(_PIECE_BYTES, size - len(made)))
    return made


def _offset_s(number: int, rate: int, ramp_s: float) -> float:
    """Return when request `number` is due, in seconds.

    During the ramp, the rate grows linearly, so the count is a parabola.
    """
    in_ramp = rate * ramp_s / 2
    if number < in_ramp:
        return math.sqrt(2 * ramp_s * number / rate)
    return ramp_s + (number - in_ramp) / rate


async def _sleep_until(at: float) -> None:
    while (left := at - time.monotonic()) > 0:
        await asyncio.sleep(left)


def in_words(error: Exception, timeout_s: float) -> str:
    """Return an error in the kernel's words, on one short line. `timeout_s` is how long an answer was awaited.

    The line has no addresses, so that equal failures are counted together.
    """
    if isinstance(error, TimeoutError):  # includes aiohttp's
        return f"no whole answer within {timeout_s:g} s"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    said = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    first = next(iter(said.splitlines()), "").rstrip(": ")
    return first[:_LONGEST_REASON] or type(error).__name__
