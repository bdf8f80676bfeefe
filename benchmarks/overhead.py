"""What measuring costs: CPU time of ours, throughput and memory of whom we measure.

    make bench-overhead

- CPU: the sampling process, and its snapshots, in percent of one core: at rest, and while memory never stands still.
- Throughput: a program that does nothing but allocate, touch and free. Sampling goes on and off while it runs, half a
  second each, and its work is what the kernel charged it meanwhile (v1 memory.stat, pgpgin): neighbours in time are
  compared, for what else the machine does changes by the second. A run without sampling at all shows the noise.
- Memory: what a container of 20 MiB was charged, with and without, by its cgroup's own counters. Pages charged is
  the count of pages ever charged to it: one byte of ours would be one page more.
"""

import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tabulate import tabulate

from benchmarks.truth import Bench, bench
from membudget.engine.cgroups import memory_root, trial_cgroup
from membudget.engine.containers import Containers
from membudget.engine.options import ContainerOptions
from membudget.measure.certificate import Certificate
from membudget.measure.probe.client import CgroupProbe, Watching
from membudget.measure.probe.messages import Depth
from membudget.measure.probe.readings import keyed_value

PAIRS = 120
WINDOW_S = 0.5
REPEATS = 7
AT_REST = (20, 0, 1, 1, 5000)
NEVER_AT_REST = (20, 8, 2, 1000, 2)
CHURN = (20, 8, 0, 1_000_000, 0)
HOLDING = (20, 0, 1, 1, 600)


def main() -> int:
    """Print the tables."""
    with bench() as on:
        print(f"\n{on.where}\n")
        print(tabulate(cpu(on), ["CPU of ours", "at", "of one core", "with snapshots", "looks"], tablefmt="github"))
        print()
        print(
            tabulate(
                throughput(on), ["throughput", "pairs", "median change", "95 % of it", "quartiles"], tablefmt="github"
            )
        )
        print()
        headings = ["memory of a container of 20 MiB", "pages charged", "usage", "kernel's mark", "processes"]
        print(tabulate(memory(on), headings, tablefmt="github"))
    return 0


def cpu(on: Bench) -> Iterator[list[str]]:
    """What sampling itself takes."""
    for what, rate_hz, arguments in (
        ("at rest", 100, AT_REST),
        ("never at rest", 100, NEVER_AT_REST),
        ("at rest", 1000, AT_REST),
        ("never at rest", 1000, NEVER_AT_REST),
    ):
        with on.trials(rate_hz, highest_rate_hz=rate_hz) as trials:
            certificates = [trials.run(*arguments).certificate for _ in range(3)]
        alone = [_share(one, with_snapshots=False) for one in certificates if one is not None]
        all_in_all = [_share(one, with_snapshots=True) for one in certificates if one is not None]
        looks = [one.effort.looks for one in certificates if one is not None and one.effort is not None]
        yield [
            what, f"{rate_hz} Hz", f"{statistics.median(alone):.2f} %", f"{statistics.median(all_in_all):.2f} %",
            f"{statistics.median(looks):.0f}",
        ]  # fmt: skip


def _share(certificate: Certificate, *, with_snapshots: bool) -> float:
    effort = certificate.effort
    assert effort is not None
    return 100 * (effort.cpu_us + (effort.snapshots_cpu_us if with_snapshots else 0)) / max(1, effort.wall_us)


def throughput(on: Bench) -> Iterator[list[str]]:
    """Work done in windows of time with sampling and without, in turns: ABBA."""
    for rate_hz in (None, 100, 1000):
        with on.containers() as containers, on.probe() as probe:
            changes = sorted(_changes(on, containers, probe, rate_hz))
        low, middle, high = statistics.quantiles(changes, n=4)
        # The median's own interval, at 95 %, by the order statistics (binomial, as a normal distribution).
        half = round(0.98 * PAIRS**0.5)
        interval = f"{changes[PAIRS // 2 - half]:+.2f} to {changes[PAIRS // 2 + half]:+.2f} %"
        what = "not sampled" if rate_hz is None else f"sampled at {rate_hz} Hz"
        yield [what, str(PAIRS), f"{middle:+.2f} %", interval, f"{low:+.2f} to {high:+.2f} %"]


def _changes(on: Bench, containers: Containers, probe: CgroupProbe, rate_hz: int | None) -> Iterator[float]:
    """By how many percent sampling changed the work done, of each pair of windows."""
    running = Running(on, containers, probe, number=1, arguments=CHURN)
    with running:
        for pair in range(PAIRS):
            work = {is_sampled: running.work(rate_hz if is_sampled else None)
                    for is_sampled in ((True, False) if pair % 2 else (False, True))}  # fmt: skip
            yield 100 * (work[True] / work[False] - 1)


def memory(on: Bench) -> Iterator[list[str]]:
    """What the cgroup was charged."""
    with on.containers() as containers, on.probe() as probe:
        for number, rate_hz in enumerate((None, 100, 1000)):
            runs = []
            for repeat in range(REPEATS):
                running = Running(on, containers, probe, 1000 * (number + 1) + repeat, HOLDING)
                if rate_hz is not None:
                    running.follow(rate_hz)
                with running:
                    runs.append(running.counters())
                if rate_hz is not None:
                    probe.finish()
            pages, usage, mark = (
                statistics.median(getattr(run, name) for run in runs) for name in ("pages", "usage", "mark")
            )
            processes = max(run.processes for run in runs)
            yield [
                "not sampled" if rate_hz is None else f"sampled at {rate_hz} Hz",
                f"{pages:.0f}", f"{usage / 1024:.0f} KiB", f"{mark / 1024:.0f} KiB", str(processes),
            ]  # fmt: skip


@dataclass(frozen=True)
class Counters:
    """What a container was charged."""

    pages: int
    usage: int
    mark: int
    processes: int


class Running:
    """A container of truth's, run by nothing but the engine, and its cgroup's files."""

    def __init__(
        self, on: Bench, containers: Containers, probe: CgroupProbe, number: int, arguments: tuple[int, ...]
    ) -> None:
        self._containers = containers
        self._probe = probe
        info = on.engine.info
        self._version = info.cgroup_version
        self._cgroup = trial_cgroup(containers.run, number, info.cgroup_driver)
        options = ContainerOptions(
            image=on.image_id,
            name=f"trial{number}",
            role="trial",
            command=tuple(map(str, arguments)),
            cgroup_parent=self._cgroup.parent_argument,
        )
        self._id = containers.create(options)
        self._parent = Path(memory_root(self._version), self._cgroup.path)
        self._leaf = Path(memory_root(self._version), self._cgroup.leaf(self._id))

    def __enter__(self) -> Self:
        self._containers.start(self._id)
        time.sleep(0.3)  # into the program
        return self

    def __exit__(self, *_: object) -> None:
        self._containers.remove(self._id)

    def follow(self, rate_hz: int) -> None:
        """Sample it from now on."""
        self._probe.follow(self._cgroup, self._id, Watching(rate_hz, Depth.MAPS))

    def work(self, rate_hz: int | None) -> float:
        """Pages per second that it is charged in the next while; None: nobody looks."""
        if rate_hz is not None:
            self.follow(rate_hz)
        before, begun = self._pages(), time.monotonic()
        time.sleep(WINDOW_S)
        rate = (self._pages() - before) / (time.monotonic() - begun)
        if rate_hz is not None:
            self._probe.finish()
        return rate

    def counters(self) -> Counters:
        """What it was charged until now."""
        v1 = self._version == 1
        usage = int((self._leaf / ("memory.usage_in_bytes" if v1 else "memory.current")).read_text())
        mark = int((self._parent / ("memory.max_usage_in_bytes" if v1 else "memory.peak")).read_text())
        return Counters(self._pages(), usage, mark, len((self._leaf / "cgroup.procs").read_text().split()))

    def _pages(self) -> int:
        key = b"pgpgin" if self._version == 1 else b"pgfault"
        return keyed_value((self._leaf / "memory.stat").read_bytes(), key)


if __name__ == "__main__":
    sys.exit(main())
