"""How well the live heap finds growth that RSS hides: services that keep 5 % more, recorded and resampled.

    make bench-live-heap                   # RUNTIMES="jvm" for one of them, TRIALS=20 for a quicker look
    make bench-live-heap TRIALS=0          # resamples what was recorded

Each service in catalogs/ has a cache of 400 entries. Base keeps 100,000 bytes in each, head 105,000, by a variable of
the same image. Each request replaces an entry and leaves garbage of random size behind. Trials of base and head
alternate, and every trial is kept: catalogs/recorded.json. Then pairs of up to ten trials a side are drawn, and judged
as a check judges them. A false alarm is a failed or inconclusive pair of base with itself. Growth is found if a pair of
base and head fails.
"""

import argparse
import os
import random
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from tabulate import tabulate

from benchmarks.false_alarms import TRIALS, Pair, judged, pairs
from benchmarks.truth import bench
from membudget.budgets.rules import Tolerance
from membudget.budgets.workload_parts import HttpRequests
from membudget.build.docker_images import inspect
from membudget.core.metrics import Metric
from membudget.core.quantities import KIB, MIB, format_size
from membudget.engine.connection import Engine
from membudget.judge.evidence import Proof
from membudget.measure.schedule import interleaved
from membudget.measure.trial import TrialInputs, TrialSpec
from tests.support.prepared_images import build_catalog
from tests.support.trials import http, trials

RECORDED = Path(__file__).parent / "catalogs" / "recorded.json"
RUNTIMES = ("jvm", "node", "python")
KEPT_BYTES = {"base": 100_000, "head": 105_000}
LOAD = HttpRequests(path="/", count=1000, concurrency=8)
LIMIT_BYTES = 512 * MIB
TOLERANCE = Tolerance(2, 512 * KIB)
METRICS = (Metric.LIVE_HEAP, Metric.SETTLED_RSS, Metric.PEAK_RSS)
DRAWN = 2000
_TIMEOUT_MS = 600_000

Figures = Annotated[tuple[int, ...], Field(min_length=1)]


class _Recorded(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RecordedSide(_Recorded):
    """The figures of one side's trials, in their order, in bytes."""

    live_heap: Figures
    settled_rss: Figures
    peak_rss: Figures

    def values(self, metric: Metric) -> tuple[int, ...]:
        """The figures of one of METRICS."""
        figures: tuple[int, ...] = getattr(self, metric.value)
        return figures


class RecordedRuntime(_Recorded):
    """The trials of one service."""

    name: str
    load_average: str
    """The machine's load while they ran: what else wanted a CPU."""
    base: RecordedSide
    head: RecordedSide


class RecordedHeaps(_Recorded):
    """All that was recorded, on one machine."""

    version: Literal[1] = 1
    machine: str
    runtimes: tuple[RecordedRuntime, ...]


def main(arguments: Sequence[str]) -> int:
    """Record what is asked for, and print the table."""
    asked = _arguments(arguments)
    if asked.trials:
        with bench() as on:
            earlier = _read().runtimes if RECORDED.exists() else ()
            for name in asked.runtimes or RUNTIMES:
                made = record(on.engine, name, asked.trials)
                earlier = (*(one for one in earlier if one.name != name), made)
                kept = RecordedHeaps(machine=on.where, runtimes=earlier)
                RECORDED.write_text(kept.model_dump_json(indent=1) + "\n")
    recorded = _read()
    rows = [row(runtime, metric) for runtime in recorded.runtimes for metric in METRICS]
    headings = ("service", "metric", "base", "range", "head", "range", "found", "false alarms", "trials a side")
    print(f"\n{recorded.machine}; tolerance {TOLERANCE.percent:g} % and {format_size(TOLERANCE.floor)}\n")
    print(tabulate(rows, headings, tablefmt="github", disable_numparse=True))
    for runtime in recorded.runtimes:
        print(f"{runtime.name}: {len(runtime.base.live_heap)} trials a side, load {runtime.load_average}")
    return 0


def record(engine: Engine, name: str, count: int) -> RecordedRuntime:
    """Run a discarded warm-up and `count` trials of each side, in turns."""
    image_id = inspect(engine, build_catalog(name)).image_id
    figures: dict[str, list[dict[Metric, int]]] = {side: [] for side in KEPT_BYTES}
    before = os.getloadavg()
    with trials(engine) as running:
        for turn in interleaved(list(KEPT_BYTES), count):
            inputs = TrialInputs(environment={"KEPT_BYTES": str(KEPT_BYTES[turn.side])})
            spec = TrialSpec(name, image_id, LIMIT_BYTES, _TIMEOUT_MS, http(LOAD), inputs=inputs, asks_live_heap=True)
            trial = running.runner.run(spec)
            values = {metric: trial.metrics[metric] for metric in METRICS}
            missing = [value.reason for value in values.values() if value.value is None]
            if trial.reason or missing:
                raise SystemExit(f"{name}: {trial.reason or missing} {trial.log_tail}")
            if not turn.is_warm_up:
                figures[turn.side].append({metric: value.value or 0 for metric, value in values.items()})
    after = os.getloadavg()
    load = f"{before[2]:.1f} to {after[2]:.1f} (15 min)"
    sides = {
        side: RecordedSide(**{metric.value: tuple(one[metric] for one in made) for metric in METRICS})
        for side, made in figures.items()
    }
    return RecordedRuntime(name=name, load_average=load, **sides)


def row(runtime: RecordedRuntime, metric: Metric) -> list[str]:
    """How far the trials of a service spread, and how often its growth is found."""
    base, head = runtime.base.values(metric), runtime.head.values(metric)
    alarms = [judged(pair, TOLERANCE)[0] for pair in pairs(base)]
    outcomes = [judged(pair, TOLERANCE) for pair in _grown(base, head)]
    found = sum(proof is Proof.BROKEN for proof, _ in outcomes)
    alarmed = sum(proof in (Proof.BROKEN, Proof.OPEN) for proof in alarms)
    return [
        runtime.name,
        f"`{metric}`",
        *(text for values in (base, head) for text in (format_size(round(statistics.median(values))), _range(values))),
        f"{100 * found / len(outcomes):.1f} %",
        f"{100 * alarmed / len(alarms):.2f} %",
        f"{statistics.fmean(count for _, count in outcomes):.1f}",
    ]


def _grown(base: Sequence[int], head: Sequence[int]) -> Iterator[Pair]:
    chance = random.Random(20_261_128)
    for _ in range(DRAWN):
        yield Pair(tuple(chance.sample(base, TRIALS.max)), tuple(chance.sample(head, TRIALS.max)))


def _range(values: Sequence[int]) -> str:
    return f"{100 * (max(values) - min(values)) / statistics.median(values):.2f} %"


def _read() -> RecordedHeaps:
    return RecordedHeaps.model_validate_json(RECORDED.read_bytes())


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Record and resample the live heaps of services.")
    parser.add_argument("runtimes", nargs="*", metavar="RUNTIME", help="all by default")
    parser.add_argument("--trials", type=int, default=int(os.environ.get("TRIALS", "30")), help="of each side")
    asked = parser.parse_args(arguments)
    if 0 < asked.trials < 2 * TRIALS.max:
        parser.error(f"pairs are drawn from {2 * TRIALS.max} trials of a side, or more")
    return asked


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
