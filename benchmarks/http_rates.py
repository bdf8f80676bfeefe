"""How often a verdict on throughput or latency is wrong, from real rates of one service on this machine.

    make bench-http-rates

A small server answers as fast as it can, 60 times for 600 ms. Pairs of base and head are drawn from these trials.
Both are the same service, so each failure and each inconclusive verdict is a false alarm.
"""

import asyncio
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence

from tabulate import tabulate

from membudget.budgets.rules import Tolerance
from membudget.core.definition import Better
from membudget.judge.bounds import tolerated_growth
from membudget.judge.evidence import Proof, against_change
from membudget.measure.load import LoadResult, RequestGroup
from membudget.measure.workload.http_sender import send

PORT = 18_320
TRIALS, FEWEST, MOST = 60, 3, 10
PAIRS = 2000
TOLERANCES = (5, 15)
WORSE = (0.10, 0.25, 0.50)
DELAYS_MS = (5, 20, 100)
SERVER = f"""
import asyncio, sys
DELAY_S = float(sys.argv[1]) / 1000
async def serve(reader, writer):
    try:
        while True:
            await reader.readuntil(b"\\r\\n\\r\\n")
            if DELAY_S:
                await asyncio.sleep(DELAY_S)
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
    except Exception:
        writer.close()
async def main():
    await (await asyncio.start_server(serve, "127.0.0.1", {PORT})).serve_forever()
asyncio.run(main())
"""


def main() -> None:
    """Print the tables."""
    print(tabulate(_known(), ["answers after", "load", "a second", "p50", "p95", "p99"], tablefmt="github"))
    results = _sent(0, [_group(duration_ms=600, concurrency=8)] * TRIALS)
    rates = [round(1000 * one.per_second) for one in results]
    latencies = [one.p95_us for one in results if one.p95_us is not None]
    rows = [
        _row(name, values, percent, better)
        for name, values, better in (("throughput", rates, Better.MORE), ("latency p95", latencies, Better.LESS))
        for percent in TOLERANCES
    ]
    worse = [f"{100 * share:g} % worse: failed" for share in WORSE]
    headings = ["metric", "spread", "tolerance", "failed", "inconclusive", "within noise", "passed", *worse]
    print(tabulate(rows, headings, tablefmt="github", disable_numparse=True))


def _known() -> list[list[str]]:
    """Rows about a server that waits for a known time: four clients, and 100 requests a second."""
    rows = []
    for delay_ms in DELAYS_MS:
        closed, paced = _group(duration_ms=2000, concurrency=4), _group(duration_ms=2000, concurrency=64, rate=100)
        for load, one in zip(("4 at once", "100 a second"), _sent(delay_ms, [closed, paced]), strict=True):
            latencies = [f"{(us or 0) / 1000:.1f} ms" for us in (one.p50_us, one.p95_us, one.p99_us)]
            rows.append([f"{delay_ms} ms", load, f"{one.per_second:.1f}", *latencies])
    return rows


def _group(*, duration_ms: int, concurrency: int, rate: int | None = None) -> RequestGroup:
    return RequestGroup(
        method="GET", path="/", headers={}, count=None, duration_ms=duration_ms, concurrency=concurrency, rate=rate,
        timeout_ms=60_000, expect=200,
    )  # fmt: skip


def _sent(delay_ms: int, groups: Sequence[RequestGroup]) -> list[LoadResult]:
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(delay_ms)])
    try:
        time.sleep(1)
        return [asyncio.run(send(PORT, group, lambda _: None)).result for group in groups]
    finally:
        server.kill()
        server.wait()


def _row(name: str, values: Sequence[int], percent: int, better: Better) -> list[str]:
    chance = random.Random(20_261_127)
    answers = Counter(_judged(*_pair(chance, values, 0.0, better), percent, better) for _ in range(PAIRS))
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    found = [
        sum(_judged(*_pair(chance, values, share, better), percent, better) is Proof.BROKEN for _ in range(PAIRS))
        for share in WORSE
    ]
    shown = (Proof.BROKEN, Proof.OPEN, Proof.WITHIN_NOISE, Proof.KEPT)
    return [
        name,
        f"{100 * (high - low) / median:.1f} %",
        f"{percent} %",
        *(f"{100 * answers[proof] / PAIRS:.2f} %" for proof in shown),
        *(f"{100 * count / PAIRS:.1f} %" for count in found),
    ]


def _pair(chance: random.Random, values: Sequence[int], share: float, better: Better) -> tuple[list[int], list[int]]:
    """Trials of both sides. Those of the head are worse by a share."""
    drawn = chance.sample(values, 2 * MOST)
    return drawn[:MOST], [round(value * (1 + better.sign * share)) for value in drawn[MOST:]]


def _judged(base: list[int], head: list[int], percent: int, better: Better) -> Proof:
    for count in range(FEWEST, MOST + 1):
        tolerated = tolerated_growth(round(statistics.median(base[:count])), Tolerance(percent, 0))
        evidence = against_change(base[:count], head[:count], tolerated, better)
        if evidence.is_settled:
            break
    return evidence.proof


if __name__ == "__main__":
    main()
