"""How near the truth: a program that holds known memory for known times, seen by four observers in the same run.

    make bench

Prints, for spikes of 5, 20, 100 and 1000 ms: the truth, the kernel's mark, membudget's sampled RSS, and what the
engine's once-a-second statistics (`docker stats`) saw. Then what sampling costs, and that it charges nothing to
whom it measures. Medians of some repeats; figures in docs/measurements.md.
"""

import statistics
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tabulate import tabulate

import base_image
from membudget.budgets.workload import CommandWorkload
from membudget.engine.cgroup_layout import memory_root
from membudget.engine.docker_cleanup import cleaned_up
from membudget.engine.docker_containers import Containers
from membudget.engine.docker_engine import RUN_LABEL, Engine, connect
from membudget.engine.proc_owner import own_run_id
from membudget.engine.proc_vantage import look
from membudget.engine.subprocess_helper import SubprocessHelper
from membudget.images.docker_image import inspect
from membudget.metrics import Metric
from membudget.quantities import MIB, format_size
from membudget.trials.docker_drivers import HostDrivers
from membudget.trials.docker_trial import TrialRunner
from membudget.trials.probe import Probe
from membudget.trials.probe_messages import ProbeReport
from membudget.trials.trial import Trial, TrialSpec
from tests.support.prepared_images import build

BASE_MIB, SPIKE_MIB = 20, 200
HOLDS_MS = (5, 20, 100, 1000)
PAUSE_MS = 700
REPEATS = 5
RATES_HZ = (1, 100, 1000)


class KeepingProbe(Probe):
    """A probe whose reports can be read again: the trial does not carry what sampling cost."""

    last: ProbeReport | None = None

    def finish(self) -> ProbeReport:
        """Finish, and keep the report."""
        self.last = super().finish()
        return self.last


@dataclass
class Bench:
    """An engine, and trials of the truth image."""

    engine: Engine
    image_id: str

    @contextmanager
    def sampled_at(self, rate_hz: int) -> Iterator[tuple[TrialRunner, KeepingProbe]]:
        """A trial runner with a probe of this rate."""
        containers = Containers(self.engine, own_run_id())
        version = self.engine.info.cgroup_version
        helper = SubprocessHelper("membudget.trials.cgroup_probe")
        probe = KeepingProbe(helper, "host", memory_root(version), version, rate_hz)
        try:
            with cleaned_up(self.engine, containers, None, print):
                yield TrialRunner(containers, self.engine.info, probe, HostDrivers()), probe
        finally:
            probe.close()

    def spec(self, hold_ms: int, spike_mib: int = SPIKE_MIB) -> TrialSpec:
        """One spike, in the middle of a quiet second or two."""
        command = tuple(map(str, (BASE_MIB, spike_mib, hold_ms, 1, PAUSE_MS)))
        return TrialSpec("bench", self.image_id, None, 60_000, CommandWorkload(command=command))

    def observed_by_engine(self, seen: list[int]) -> threading.Thread:
        """A thread that follows the next trial as `docker stats` does."""
        thread = threading.Thread(target=self._follow, args=(seen,))
        thread.start()
        return thread

    def _follow(self, seen: list[int]) -> None:
        api = self.engine.client.api
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


def main() -> int:
    """Print the tables."""
    engine = connect()
    if not look(engine).acts_alone:
        print("this benchmark reads the host's cgroup files: run it as root on the engine's machine", file=sys.stderr)
        return 3
    base_image.provide("bookworm")
    bench = Bench(engine, inspect(engine, build().truth).image_id)
    info = engine.info
    where = f"{info.cpus} cores, Linux {info.kernel}, cgroup v{info.cgroup_version} ({info.cgroup_driver})"
    print(f"\n{where}, engine {info.version}; medians of {REPEATS}\n")
    print(accuracy(bench), "\n")
    print(overhead(bench))
    engine.close()
    return 0


def accuracy(bench: Bench) -> str:
    """One row a spike."""
    truth = (BASE_MIB + SPIKE_MIB) * MIB
    rows = []
    with bench.sampled_at(100) as (runner, _):
        for hold_ms in HOLDS_MS:
            trials: list[Trial] = []
            by_engine: list[int] = []
            for _repeat in range(REPEATS):
                seen: list[int] = []
                thread = bench.observed_by_engine(seen)
                trials.append(runner.run(bench.spec(hold_ms)))
                thread.join()
                by_engine.append(max(seen, default=0))
            sampled = [_value(trial, Metric.PEAK_RSS) for trial in trials]
            marks = [_value(trial, Metric.PEAK_MEMORY) for trial in trials]
            found = sum(abs(value - truth) <= 0.02 * truth for value in sampled)
            found_by_engine = sum(abs(value - truth) <= 0.02 * truth for value in by_engine)
            rows.append([
                f"{hold_ms} ms", format_size(truth), _middle(marks), _middle(sampled), f"{found} of {REPEATS}",
                _middle(by_engine), f"{found_by_engine} of {REPEATS}",
            ])  # fmt: skip
    headers = [
        "spike held",
        "truth",
        "kernel's mark",
        "sampled RSS, 100 Hz",
        "within 2 %",
        "docker stats",
        "within 2 %",
    ]
    return tabulate(rows, headers, tablefmt="github")


def overhead(bench: Bench) -> str:
    """One row a rate: the kernel's mark must not depend on it."""
    rows = []
    for rate_hz in RATES_HZ:
        marks, costs = [], []
        with bench.sampled_at(rate_hz) as (runner, probe):
            for _repeat in range(REPEATS):
                marks.append(_value(runner.run(bench.spec(1000, spike_mib=0)), Metric.PEAK_MEMORY))
                if probe.last is not None and probe.last.wall_us:
                    costs.append(100 * probe.last.cpu_us / probe.last.wall_us)
        spread = f"{(max(marks) - min(marks)) / 1024:.0f} KiB"
        rows.append([f"{rate_hz} Hz", f"{statistics.median(costs):.2f} %", _middle(marks), spread])
    headers = ["sampled at", "of one core", f"kernel's mark of a container that holds {BASE_MIB} MiB", "spread"]
    return tabulate(rows, headers, tablefmt="github")


def _value(trial: Trial, metric: Metric) -> int:
    return trial.metrics[metric].value or 0


def _middle(values: list[int]) -> str:
    return format_size(round(statistics.median(values)))


if __name__ == "__main__":
    sys.exit(main())
