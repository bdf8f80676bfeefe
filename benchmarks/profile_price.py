"""What a profile costs: each service with an ordinary and a profiled trial by turns.

    make bench-profile-price               # SERVICES="python jvm" PAIRS=5 for a part

The head of each service keeps 40 MiB more than the base in one function. A pair is an ordinary and a profiled trial of
base and head. The first profile is taken near the peak of the ordinary trial, as in a check. The durations are of the
head's trials.
"""

import argparse
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tabulate import tabulate

import dev_cache
from benchmarks.truth import bench
from membudget.budgets.workload_parts import HttpRequests
from membudget.build.docker_images import inspect
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.engine.connection import Engine
from membudget.judge.growth import compared
from membudget.measure.equipment import TrialPool
from membudget.measure.profiling.heap_profile import ProfiledSide
from membudget.measure.profiling.interpreter import interpreter_of
from membudget.measure.profiling.memray_folder import MemrayFolders
from membudget.measure.profiling.order import Profiling
from membudget.measure.profiling.profilers import profiler_of
from membudget.measure.runtimes.runtime import RuntimeKind
from membudget.measure.trial import Trial, TrialInputs, TrialSpec
from tests.support.prepared_images import build, build_profiled
from tests.support.trials import http, trials

GROWTH_MIB = 40
_PYTHON = """
import asyncio, concurrent.futures, http.server, json, logging, os, sqlite3, urllib.request

BODY = json.dumps([{"id": number, "name": "item %d" % number, "tags": ["a", str(number)]} for number in range(20)])


class Shop(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer: else each waits 40 ms for an acknowledgement

    def do_GET(self):
        said = json.dumps(json.loads(BODY)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        pass


def build_index(mib):
    return [bytes(4000) for _ in range(262 * mib)]


kept = build_index(int(os.environ["GROWTH_MIB"]))
http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Shop).serve_forever()
"""


_PYTHON_CACHE = _PYTHON.replace(
    "kept = build_index",
    """
cache = {}


def remember(number):
    cache[number] = [str(number * 1000 + one) for one in range(int(os.environ["GROWTH_MIB"]) * 29)]


answer = Shop.do_GET


def answer_and_remember(shop):
    remember(len(cache))
    answer(shop)


Shop.do_GET = answer_and_remember
kept = build_index""",
).replace('build_index(int(os.environ["GROWTH_MIB"]))', "build_index(1)")
"""Keeps small objects of each request, among many that it frees."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service, and the function that keeps more in its head."""

    kind: RuntimeKind
    executable: str
    place: str
    environment: dict[str, str] = field(default_factory=dict)
    by_memray: bool = False


_NAMED = {"NAME": "python3.11"}
SERVICES = {
    "python": Service(RuntimeKind.PYTHON, "", "build_index", {**_NAMED, "PROGRAM": _PYTHON}, by_memray=True),
    "python-cache": Service(RuntimeKind.PYTHON, "", "remember", {**_NAMED, "PROGRAM": _PYTHON_CACHE}, by_memray=True),
    "tracemalloc": Service(RuntimeKind.PYTHON, "", "build_index", {**_NAMED, "PROGRAM": _PYTHON}),
    "tracemalloc-cache": Service(RuntimeKind.PYTHON, "", "remember", {**_NAMED, "PROGRAM": _PYTHON_CACHE}),
    "ruby": Service(RuntimeKind.RUBY, "/usr/bin/ruby3.1", "Search#add_titles", {"KIND": "strings"}),
    "jvm": Service(RuntimeKind.JVM, "", "Shop.buildArrays", {"INDEX_KIND": "arrays"}),
    "node": Service(RuntimeKind.NODE, "/usr/bin/node", "addEntries", {"KIND": "objects"}),
    "node-strings": Service(RuntimeKind.NODE, "/usr/bin/node", "addTitles", {"KIND": "strings"}),
    "node-arrays": Service(RuntimeKind.NODE, "/usr/bin/node", "addPrices", {"KIND": "arrays"}),
    "node-buffers": Service(RuntimeKind.NODE, "/usr/bin/node", "addPictures", {"KIND": "buffers"}),
    "go": Service(RuntimeKind.GO, "/shop", "main.buildIndex"),
}


@dataclass(frozen=True, slots=True)
class Pair:
    """A comparison: ordinary and profiled trials of base and head."""

    ordinary_ms: int
    profiled_ms: int
    """Of the head."""
    is_first: bool
    """Whether the right function is the first that grew."""
    explained: float
    """The share of the judged growth of peak RSS that the places explain."""


def main(arguments: Sequence[str]) -> int:
    """Measure each service, and print the table."""
    parser = argparse.ArgumentParser(prog="profile_price")
    parser.add_argument("services", nargs="*", choices=[*SERVICES, []], default=[])
    parser.add_argument("--pairs", type=int, default=10)
    asked = parser.parse_args(arguments)
    rows = []
    with bench() as on:
        for name in asked.services or SERVICES:
            before = os.getloadavg()[0]
            found = pairs(on.engine, name, asked.pairs)
            rows.append((*row(name, found), f"{before:.0f} to {os.getloadavg()[0]:.0f}"))
        print(f"\n{on.where}\n")
    headings = ("service", "ordinary trial", "profiled", "profiled / ordinary", "first", "explained", "load")
    print(tabulate(rows, headings, tablefmt="github", disable_numparse=True))
    return 0


def pairs(engine: Engine, name: str, count: int) -> list[Pair]:
    """Run `count` comparisons of a service, after one ordinary trial that warms up."""
    service = SERVICES[name]
    is_python = service.kind is RuntimeKind.PYTHON
    image = build().pretender if is_python else build_profiled(name.partition("-")[0])
    image_id = inspect(engine, image).image_id
    found = []
    with trials(engine) as running:
        pool = running.runner
        assert isinstance(pool, TrialPool)
        pool.run(_spec(image, image_id, service, 0))
        for _ in range(count):
            ordinary = [pool.run(_spec(image, image_id, service, mib)) for mib in (0, GROWTH_MIB)]
            profiled = [
                _profiled(pool, _spec(image, image_id, service, mib), service, trial)
                for mib, trial in zip((0, GROWTH_MIB), ordinary, strict=True)
            ]
            found.append(_pair(service, ordinary, profiled))
    return found


def _spec(image: str, image_id: str, service: Service, growth_mib: int) -> TrialSpec:
    inputs = TrialInputs(environment={**service.environment, "GROWTH_MIB": str(growth_mib)})
    load = http(HttpRequests(path="/", count=500, concurrency=4))
    return TrialSpec(image, image_id, 256 * MIB, 300_000, load, 100, inputs)


def _profiled(pool: TrialPool, spec: TrialSpec, service: Service, judged: Trial) -> ProfiledSide:
    order = Profiling(profiler_of(service.kind), service.executable, _peak(judged))
    if service.by_memray:
        order = replace(order, memray=memray(judged), trigger_bytes=None)
    return pool.profile(spec, order).side


def memray(judged: Trial) -> Path:
    """Return the folder with memray for the Python of a trial."""
    interpreter = interpreter_of([judged])
    scratch = dev_cache.folder("memray-unpacked")
    folders = MemrayFolders(dev_cache.folder("memray"), scratch, os.environ)
    if interpreter is None:
        raise SystemExit("the version of Python is not known")
    found = folders.folder(interpreter, f"linux/{_MACHINES[platform.machine()]}")
    if isinstance(found, str):
        raise SystemExit(found)
    return found


_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def _peak(trial: Trial) -> int:
    return trial.metrics[Metric.PEAK_RSS].value or 0


def _pair(service: Service, ordinary: Sequence[Trial], profiled: Sequence[ProfiledSide]) -> Pair:
    base, head = (side.profile for side in profiled)
    if base is None or head is None:
        raise SystemExit(f"no profile: {[side.reason for side in profiled]}")
    grown = compared(base, head)
    first = grown.named[0].frame.name if grown.named else ""
    explained = grown.explained_bytes / max(1, _peak(ordinary[1]) - _peak(ordinary[0]))
    return Pair(ordinary[1].duration_ms, profiled[1].duration_ms, first.endswith(service.place), explained)


def row(name: str, found: Sequence[Pair]) -> tuple[str, ...]:
    """Return what the pairs of a service say."""
    factors = sorted(one.profiled_ms / one.ordinary_ms for one in found)
    return (
        name,
        f"{statistics.median(one.ordinary_ms for one in found) / 1000:.2f} s",
        f"{statistics.median(one.profiled_ms for one in found) / 1000:.2f} s",
        f"{statistics.median(factors):.2f} ({factors[0]:.2f} to {factors[-1]:.2f})",
        f"{sum(one.is_first for one in found)} of {len(found)}",
        f"{min(one.explained for one in found):.0%} to {max(one.explained for one in found):.0%}",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
