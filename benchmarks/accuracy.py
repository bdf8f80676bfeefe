"""How near the truth: 100 spikes each of 5, 20, 100 and 1000 ms, 64 MiB over 20 MiB, one container each.

    make bench-accuracy        # SPIKES=10 for a quick look

For each: is the kernel's mark right, is the sampled RSS, and did the certificate say so where it is not? Then what a
repeated trial makes of the spikes that the first one missed, and what `docker stats` saw of some of them. Takes about
ten minutes; figures in docs/measurements.md.
"""

import os
import statistics
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tabulate import tabulate

from benchmarks.truth import Bench, bench, value
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.engine.connection import RUN_LABEL
from membudget.measure.certificate import Conclusion
from membudget.measure.trial import Trial

BASE_MIB, SPIKE_MIB = 20, 64
TRUTH = (BASE_MIB + SPIKE_MIB) * MIB
HOLDS_MS = (5, 20, 100, 1000)
PAUSE_MS = 200
SPIKES = int(os.environ.get("SPIKES", "100"))
OBSERVED_BY_ENGINE = min(SPIKES, 10)

HEADINGS = [
    "spike held", "kernel's mark within 1 MiB", "its largest error", "sampled RSS within 1 %", "largest error",
    "missed", "of them flagged", "flagged, but not missed", "missed with repeats", "docker stats within 1 %",
]  # fmt: skip


def main() -> int:
    """Print the table."""
    with bench() as on:
        print(f"\n{on.where}; {SPIKES} spikes each, {SPIKE_MIB} MiB over {BASE_MIB} MiB, 100 Hz\n")
        print(tabulate([row(on, hold_ms) for hold_ms in HOLDS_MS], HEADINGS, tablefmt="github"))
    return 0


def row(on: Bench, hold_ms: int) -> list[str]:
    """All about spikes of one length."""
    spike = (BASE_MIB, SPIKE_MIB, hold_ms, 1, PAUSE_MS)
    with on.trials(100, highest_rate_hz=100) as trials:
        once = [trials.run(*spike) for _ in range(SPIKES)]
    with on.trials(100, highest_rate_hz=1000) as trials:
        seen: list[list[int]] = []
        for _ in range(OBSERVED_BY_ENGINE):
            with observed_by_engine(on) as by_engine:
                trials.run(*spike)
            seen.append(by_engine)
    missed_at_first = [trial for trial in once if is_missed(trial)]
    repeated = 0
    if missed_at_first:  # what a second look at a higher rate would have made of each
        with on.trials(1000, highest_rate_hz=1000) as trials:
            repeated = sum(is_missed(trials.run(*spike)) for _ in missed_at_first)
    marks = [abs(value(trial, Metric.PEAK_MEMORY) - TRUTH - overhead(trial)) for trial in once]
    errors = [abs(value(trial, Metric.PEAK_RSS) - TRUTH) for trial in once]
    flagged = [is_flagged(trial) for trial in once]
    return [
        f"{hold_ms} ms",
        f"{sum(error <= MIB for error in marks)} of {SPIKES}",
        f"{max(marks) / MIB:.2f} MiB",
        f"{sum(error <= 0.01 * TRUTH for error in errors)} of {SPIKES}",
        f"{100 * max(errors) / TRUTH:.1f} %",
        str(len(missed_at_first)),
        f"{sum(is_flagged(trial) for trial in missed_at_first)} of {len(missed_at_first)}",
        str(sum(flagged) - sum(is_flagged(trial) for trial in missed_at_first)),
        str(repeated),
        f"{sum(abs(max(one, default=0) - TRUTH) <= 0.01 * TRUTH for one in seen)} of {len(seen)}",
    ]


def overhead(trial: Trial) -> int:
    """What the mark holds besides the truth: kernel memory and the program itself, usage less RSS in most samples."""
    series = trial.series
    besides = [usage - rss for usage, rss in zip(series.usage_bytes, series.rss_bytes, strict=True)]
    return round(statistics.median(besides)) if besides else 0


def is_missed(trial: Trial) -> bool:
    """Whether sampling was off by more than a percent."""
    return abs(value(trial, Metric.PEAK_RSS) - TRUTH) > 0.01 * TRUTH


def is_flagged(trial: Trial) -> bool:
    """Whether the certificate says so."""
    return trial.certificate is not None and trial.certificate.conclusion is Conclusion.SPIKE_MISSED


@contextmanager
def observed_by_engine(on: Bench) -> Iterator[list[int]]:
    """Follow the trial in this block as `docker stats` does."""
    seen: list[int] = []
    thread = threading.Thread(target=_follow, args=(on, seen))
    thread.start()
    yield seen
    thread.join()


def _follow(on: Bench, seen: list[int]) -> None:
    api = on.engine.client.api
    filters = {"label": f"{RUN_LABEL}.role=trial", "status": "running"}
    while not (running := api.containers(filters=filters)):
        pass
    stream = api.stats(running[0]["Id"], decode=True, stream=True)
    seen.extend(_as_docker_stats(sample["memory_stats"]) for sample in stream)


def _as_docker_stats(memory: dict[str, Any]) -> int:
    """What the docker client prints: usage less inactive file pages (docker/cli, stats_helpers.go)."""
    if "usage" not in memory:
        return 0
    stats = memory["stats"]
    return int(memory["usage"]) - int(stats.get("total_inactive_file", stats.get("inactive_file", 0)))


if __name__ == "__main__":
    sys.exit(main())
